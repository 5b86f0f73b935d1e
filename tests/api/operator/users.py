"""Users of a model's Service: each asks one of the pods that the cluster says are ready, at a rate, until stopped."""

from __future__ import annotations

import itertools
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Self

import httpx

from marquee.contract.pod import PROBE_PATH, SERVING_PORT
from tests.api.operator.team import Team
from tests.support.plainhttp import http_client

_LOOKS_A_SECOND: Final = 10


@dataclass
class Users:
    """Ask the pods in the Service's EndpointSlices, as kube-proxy would let them.

    Args:
        team: Whose namespace.
        model: Whose Service.
        rate: Requests a second, where the machine is fast enough.

    """

    team: Team
    model: str
    rate: int = 200
    answered: Counter[str] = field(default_factory=Counter)
    """Requests that were answered, by the revision that answered."""
    newest: str = ""
    """The revision of the newest answer."""
    last: dict[str, float] = field(default_factory=dict)
    """When a revision answered last: `time.monotonic`."""
    failures: list[str] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread = field(init=False)

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join(timeout=30)

    def _run(self) -> None:
        with http_client(timeout=10) as http:
            while not self._stop.wait(1 / _LOOKS_A_SECOND):
                addresses = self._addresses()
                if not addresses:
                    self.failures.append("the Service leads to no ready pod")
                for address in itertools.islice(itertools.cycle(addresses), self.rate // _LOOKS_A_SECOND):
                    self._ask(http, address)

    def _addresses(self) -> list[str]:
        path = f"/apis/discovery.k8s.io/v1/namespaces/{self.team.namespace}/endpointslices"
        selector = f"kubernetes.io/service-name={self.model}"
        slices = self.team.cluster.server.get(f"{path}?labelSelector={selector}")["items"]
        return [
            endpoint["addresses"][0]
            for one in slices
            for endpoint in one.get("endpoints") or ()
            if endpoint["conditions"].get("ready")
        ]

    def _ask(self, http: httpx.Client, address: str) -> None:
        answer = http.get(f"http://{address}:{SERVING_PORT}{PROBE_PATH}")
        if not answer.is_success:
            self.failures.append(f"{address}: {answer.status_code}")
            return
        self.newest = answer.json()["revision"]
        self.answered[self.newest] += 1
        self.last[self.newest] = time.monotonic()

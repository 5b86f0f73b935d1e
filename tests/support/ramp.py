"""A model whose revisions take over by steps, on the local cluster: real pods and ledger; only purchases are drawn."""

from __future__ import annotations

import itertools
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from demo.audience import Audience
from demo.canary import LEDGER, LEDGER_PORT, provide_api_key
from demo.errors import DemoError
from demo.forwarding import forwarded
from demo.plugin import marquee
from demo.purchases import Purchases
from demo.story import SYSTEM
from localcluster.gateway import Gateway
from marquee.client import LedgerClient, ModelClient, PredictionFailedError
from tests.support.place import Place
from tests.support.waiting import wait_for, wait_until_ready

INPUTS: Final = {"recency": 1.0, "frequency": 2.0, "spend": 3.0}
MODEL: Final = "lead"
STABLE, GOOD, HARMFUL = 0.30, 0.45, 0.12
"""Chances that a simulated user buys."""
RATE: Final = 80.0
STEPS: Final[list[dict[str, Any]]] = [
    {"weight": weight, "minExposures": 60, "minDurationSeconds": 4} for weight in (20, 50)
]
ANALYSIS: Final[dict[str, Any]] = {
    "primary": {"outcome": "conversion", "margin": 0.1},
    "guardrails": [{"metric": "Errors", "toleratedRate": 0.05}],
}


@dataclass(frozen=True, slots=True)
class Rolling(ABC):
    """A model with two steps before a revision takes over."""

    place: Place
    _numbers: Iterator[int] = field(default_factory=partial(itertools.count, 2), kw_only=True)

    @property
    def model(self) -> str:
        """``namespace/name``."""
        return f"{self.place.namespace}/{MODEL}"

    @property
    @abstractmethod
    def url(self) -> str:
        """Where its users ask."""

    @abstractmethod
    def apply(self, revision: str, **rollout: Any) -> None:
        """Name the wanted revision."""

    def revise(self, version: int) -> str:
        """Another revision, whose score differs by its bias; its name."""
        name = f"{MODEL}-v{version}"
        written = self.place.artifact(name, MODEL, bias=float(version))
        self.place.apply_revision(name, MODEL, written.digest)
        return name

    def another(self) -> str:
        """A revision that was not there before, whatever the model has gone through; its name."""
        return self.revise(next(self._numbers))

    @property
    def serving(self) -> str:
        """The stable revision."""
        found = self.place.target.get("marketingmodel", MODEL, self.place.namespace)
        assert found is not None
        return str(found["status"]["stable"]["revision"])

    def serve(self) -> None:
        """The first revision answers."""
        self.apply(self.revise(1))
        wait_until_ready(self.place.target, MODEL, self.place.namespace)

    def answers(self) -> bool:
        """Whether there is a way to the model yet."""
        with ModelClient(self.model, self.url, timeout_seconds=5.0) as asked:
            try:
                asked.predict(INPUTS)
            except PredictionFailedError:
                return False
        return True

    @contextmanager
    def users(self, chances: Mapping[str, float]) -> Iterator[Audience]:
        """Users who ask while the block runs; ``chances`` that they buy, by the revision that answers."""
        with (
            self.ledger() as ledger,
            ModelClient(self.model, self.url, timeout_seconds=10.0) as model,
            Audience(model, INPUTS, Purchases(ledger, dict(chances)), RATE).asking() as audience,
        ):
            wait_for("answers", lambda: True if sum(audience.answered.values()) > 20 else None, timeout_seconds=60)
            audience.failures.clear()  # the route of a model that was applied a moment ago
            yield audience

    @contextmanager
    def ledger(self) -> Iterator[LedgerClient]:
        """The installed ledger, for outcomes."""
        with (
            forwarded(self.place.target, LEDGER, SYSTEM, port=LEDGER_PORT) as url,
            LedgerClient(url, api_key=provide_api_key(self.place.target, SYSTEM)) as ledger,
        ):
            yield ledger

    @property
    def rollout(self) -> dict[str, Any]:
        """``status.rollout``."""
        found = self.place.target.get("marketingmodel", MODEL, self.place.namespace) or {}
        rollout: dict[str, Any] = found.get("status", {}).get("rollout") or {}
        return rollout

    def until(self, revision: str, timeout_seconds: float = 120, **wanted: Any) -> dict[str, Any]:
        """Wait until the rollout of a revision says so."""

        def found() -> dict[str, Any] | None:
            rollout = self.rollout
            is_it = rollout.get("revision") == revision and all(rollout.get(k) == v for k, v in wanted.items())
            return rollout if is_it else None

        try:
            return wait_for(f"{revision}: {wanted}", found, timeout_seconds=timeout_seconds)
        except DemoError as error:
            raise AssertionError(f"{error}; it says {self.rollout}") from None

    def gone(self, revision: str) -> None:
        """Wait until a revision has no pod any more."""
        wait_for(f"{revision}'s end", lambda: True if not self.pods(revision) else None, timeout_seconds=60)

    def pods(self, revision: str) -> list[dict[str, Any]]:
        """Pods of a revision."""
        return self.place.target.list("pods", self.place.namespace, f"marquee.dev/revision={revision}")

    def plugin(self, *arguments: str) -> str:
        """`kubectl marquee ...` about the model."""
        return marquee(self.place.target, *arguments, MODEL, "-n", self.place.namespace)


@dataclass(frozen=True, slots=True)
class Ramp(Rolling):
    """Behind the gateway."""

    gateway: Gateway

    @property
    def url(self) -> str:
        """Where its users ask."""
        return f"{self.gateway.url}/{self.place.namespace}"

    def apply(self, revision: str, **rollout: Any) -> None:
        """Name the wanted revision."""
        self.place.apply_model(
            MODEL,
            revision,
            traffic={"gateway": self.gateway.parent_ref, "pathPrefix": f"/{self.place.namespace}"},
            rollout={"drainSeconds": 3, "steps": STEPS, "analysis": ANALYSIS} | rollout,
        )

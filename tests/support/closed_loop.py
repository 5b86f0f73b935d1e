"""A model on the local cluster that is trained again by itself, and what its people do and see; told as a timeline."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import httpx

from demo.canary import LEDGER, LEDGER_PORT
from demo.errors import DemoError
from demo.forwarding import call, forwarded
from demo.plugin import marquee
from demo.story import SYSTEM
from demo.volumes import ARTIFACTS
from localcluster.stages import Stages
from marquee.contract.pod import LEDGER_AUDIENCE, PREDICTOR_ACCOUNT_SUFFIX
from models.retraining.fetching import FetchedArtifact, fetch_artifact
from tests.support import samples
from tests.support.feeds import Feed
from tests.support.lead_tables import write_table
from tests.support.place import GIVING_WAY, LIGHT, Place
from tests.support.waiting import wait_for

MODEL: Final = "lead"
LABELS: Final = {"line": "main"}
BASELINE_WINDOWS: Final = 16
"""From four, hardly anything is known of how windows waver, and no difference is told."""
WINDOW_DAYS: Final = 2
DRIFT: Final[dict[str, Any]] = {
    "windowSeconds": 900,
    "baselineWindows": BASELINE_WINDOWS,
    "historyWindows": 8,
    "alike": "None",
    "thresholds": {"effectFloor": 0.02},
    "quality": {"volumeHigh": 20},  # what happens next is told as late batches: windows grow
}
RETRAINING: Final[dict[str, Any]] = {
    "run": {"resources": {"requests": {"cpu": GIVING_WAY, "memory": "512Mi"}, "limits": {"memory": "2Gi"}}},
    "artifacts": {"uri": f"pvc://{ARTIFACTS}/{MODEL}"},
    "data": {"uri": f"pvc://{ARTIFACTS}/rows", "windowDays": WINDOW_DAYS},
    "triggers": {"drift": True},
    "coolDownHours": 0,
    "maxPerWeek": 5,
    "gate": {
        "metrics": [{"name": "auc", "direction": "HigherIsBetter", "margin": 0.01, "baselineMargin": 0.1}],
        "minimumRows": 200,
    },
}
RUN_SECONDS: Final = 240.0
"""A trainer needs 10 to 40 on two busy cores."""

Object = dict[str, Any]


@dataclass(frozen=True)
class ClosedLoop:
    """The model of one namespace."""

    place: Place
    stages: Stages = field(default_factory=Stages)
    hour: datetime = field(default_factory=lambda: datetime.now(UTC).replace(minute=0, second=0, microsecond=0))
    """The last full one: where the data window of a run ends that a person asks for."""
    run: Object = field(default_factory=dict)
    """What ``spec.retraining.run`` says beside its resources."""

    @property
    def model(self) -> str:
        """``namespace/name``."""
        return f"{self.place.namespace}/{MODEL}"

    def apply(self, *moments: str) -> None:
        """The model as its people write it; ``moments`` are times of training, as cron has them."""
        triggers = RETRAINING["triggers"] | {"schedule": [{"cron": moment} for moment in moments]}
        body = samples.model(MODEL, revision="", namespace=self.place.namespace)
        body["spec"] |= {
            "revision": {"track": {"matchLabels": LABELS}},
            "serving": LIGHT,
            "rollout": {"drainSeconds": 3},
            "drift": DRIFT,
            "retraining": RETRAINING | {"triggers": triggers, "run": RETRAINING["run"] | self.run},
        }
        self.place.target.apply(body)

    def forget(self) -> None:
        """The block is taken out again."""
        change = '[{"op": "remove", "path": "/spec/retraining"}]'
        self.place.target.kubectl(
            "patch", "marketingmodel", MODEL, "-n", self.place.namespace, "--type=json", "-p", change
        )

    def ago(self, hours: float) -> datetime:
        """So many hours before the last full one."""
        return self.hour - timedelta(hours=hours)

    def write(self, name: str, columns: Object) -> None:
        """A file of the table that runs learn from."""
        folder = self.place.volume / "rows"
        write_table(folder / f"{name}.parquet", columns)
        self.place.hand_over(folder)

    def ask(self) -> None:
        """As a person does it."""
        self.tell(marquee(self.place.target, "retrain", MODEL, "-n", self.place.namespace).strip())

    def tell(self, what: str) -> None:
        """A line of the timeline."""
        self.stages.say(what)

    @property
    def status(self) -> Object:
        """The model's status, once the operator has seen its spec."""
        found = self.place.target.get("marketingmodel", MODEL, self.place.namespace) or {}
        status: Object = found.get("status", {})
        return status if status.get("observedGeneration") == found.get("metadata", {}).get("generation") else {}

    @property
    def serving(self) -> str:
        """The revision that serves."""
        return str((self.status.get("stable") or {}).get("revision", ""))

    def becomes(self, kind: str, reason: str, *, timeout_seconds: float = 90.0) -> Object:
        """Wait until a condition has this reason; the condition."""
        return self._until(
            f"{kind} says {reason}",
            lambda: next((one for one in self._conditions() if (one["type"], one["reason"]) == (kind, reason)), None),
            timeout_seconds,
        )

    def serves(self, revision: str) -> None:
        """Wait until this revision has taken over, and ask it."""
        status = self._until(
            f"{revision} serves",
            lambda: found if self._is(found := self.status, revision) else None,
            180.0,
        )
        artifact = self.artifact(revision)
        answer = call(f"{self.place.url(MODEL)}/predict", {"inputs": artifact.manifest.example})
        assert (answer["revision"], artifact.digest) == (revision, status["stable"]["digest"])
        self.tell(f"{revision} serves: probability {answer['outputs']['probability']:.3f}")

    def ends(self, outcome: str, known: set[str]) -> tuple[str, Object]:
        """Wait for the end of the only run beside the known ones; its name, and what is told of it."""
        ended = self._until("a run ends", lambda: self._ended(known) or None, RUN_SECONDS)
        ((name, run),) = ended.items()
        self.tell(f"run {name}, by {run['trigger']}: {run['outcome']}: {run['message']}")
        assert run["outcome"] == outcome
        assert self.becomes("RetrainingUpToDate", outcome)["message"].endswith(run["message"])
        assert self.jobs() == known | {name}
        return name, run

    def jobs(self) -> set[str]:
        """Names of all runs that there is a Job of, or a TrainJob."""
        if "nodes" in self.run:
            made = self.place.target.list("trainjobs", self.place.namespace)
            return {one["metadata"]["labels"]["marquee.dev/run"] for one in made}
        return {job["metadata"]["name"] for job in self.place.target.list("jobs", self.place.namespace)}

    def revisions(self) -> dict[str, Object]:
        """All ModelRevisions by name."""
        return {one["metadata"]["name"]: one for one in self.place.target.list("modelrevisions", self.place.namespace)}

    def entered(self) -> list[str]:
        """What the audit log says of runs, the oldest first."""
        namespace = self.place.namespace
        lines = marquee(self.place.target, "audit", "tail", MODEL, "-n", namespace, "--lines", "100")
        return re.findall(r" retraining-changed (\w+) ", lines)

    def pods(self, selector: str) -> list[Object]:
        """Pods by label."""
        return self.place.target.list("pods", self.place.namespace, selector)

    def artifact(self, revision: str) -> FetchedArtifact:
        """The bytes of a revision that was trained here, checked."""
        digest = self.revisions()[revision]["spec"]["artifact"]["digest"]
        return fetch_artifact(str(self.place.volume / MODEL / revision), setting="artifact", digest=digest)

    @contextmanager
    def feed(self, revision: str) -> Iterator[Feed]:
        """What the revision's pods tell the ledger, as whom they tell it."""
        token = self.place.target.kubectl(
            "create", "token", MODEL + PREDICTOR_ACCOUNT_SUFFIX, "-n", self.place.namespace,
            "--audience", LEDGER_AUDIENCE,
        )  # fmt: skip
        headers = {"authorization": f"Bearer {token.strip()}"}
        with (
            forwarded(self.place.target, LEDGER, SYSTEM, port=LEDGER_PORT) as url,
            httpx.Client(base_url=url, headers=headers, trust_env=False, timeout=30) as http,
        ):
            yield Feed(http, self.model, revision, self.artifact(revision))

    def _conditions(self) -> list[Object]:
        return list(self.status.get("conditions", ()))

    def _ended(self, known: set[str]) -> Object:
        runs = (self.status.get("retraining") or {}).get("runs", ())
        return {run["name"]: run for run in runs if run["name"] not in known and run.get("outcome")}

    @staticmethod
    def _is(status: Object, revision: str) -> bool:
        return bool(status.get("phase") == "Serving" and status["stable"]["revision"] == revision)

    def _until(self, what: str, poll: Callable[[], Object | None], timeout_seconds: float) -> Object:
        try:
            return wait_for(what, poll, timeout_seconds=timeout_seconds)
        except DemoError as error:
            raise AssertionError(f"{error}; it says {self.status}") from None

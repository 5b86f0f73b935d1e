"""The small cluster without a gateway: users come through the model's Service, and any of its pods may answer them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from marquee.contract.cohort import Arm
from marquee.contract.stamping import Stamping
from marquee.control.decide.plan import Stamp
from marquee.control.kinds import DEPLOYMENT, SERVICE
from marquee.control.render import names
from tests.unit.control.builders import MODEL
from tests.unit.control.ramp_world import RATE, Book, RampWorld
from tests.unit.control.world import Body

PODS: Final = 4
REQUESTS: Final = 25_000
"""Between two looks."""
STEPS: Final[list[Body]] = [{"weight": 10}, {"weight": 40, "minDurationSeconds": 5}]
"""One pod, then three, beside four."""
ROLLOUT: Final[Body] = {"steps": STEPS, "analysis": {"primary": {"outcome": "purchase"}}}


@dataclass
class Told:
    """What the ledger lets pods stamp."""

    stamping: Stamping
    tellings: int = 1
    over: bool = False


@dataclass
class PodsWorld(RampWorld):
    """A model that people reach through its Service alone."""

    told: dict[str, Told] = field(default_factory=dict)
    """By rollout."""
    crowded: bool = False
    """Nodes have no room: what is not ready yet does not become so."""

    def __post_init__(self) -> None:
        super().__post_init__()
        del self.model["spec"]["traffic"]
        self.set_spec(scaling={"class": "None", "minReplicas": PODS}, rollout=ROLLOUT)

    # what is

    @property
    def serving(self) -> str | None:
        """The revision that is stable."""
        service = self.objects.get((SERVICE, MODEL))
        return service["metadata"]["annotations"][names.ANNOTATION_SERVING_REVISION] if service else None

    def selected(self) -> dict[str, int]:
        """Ready pods that the Service sends connections to, by revision."""
        service = self.objects.get((SERVICE, MODEL))
        if service is None:
            return {}
        wanted = service["spec"]["selector"].items()
        revisions = [
            str(pod["metadata"]["labels"][names.LABEL_REVISION])
            for pod in self.pods.values()
            if wanted <= pod["metadata"]["labels"].items()
        ]
        found = {revision: self.ready_pods(revision) for revision in sorted(set(revisions))}
        return {revision: count for revision, count in found.items() if count}

    def reached(self) -> set[str]:
        """Revisions that somebody may reach."""
        return set(self.selected())

    def replicas(self, revision: str) -> int:
        """Of a Deployment."""
        return int(self.objects[DEPLOYMENT, revision]["spec"]["replicas"])

    # what the operator does

    def _stamp(self, stamp: Stamp) -> None:
        if self.ledger_away:
            self._refused = True
            self._writes_left = 0
            self._write("refused")
        self._write(f"stamp step {stamp.stamping.step} of {stamp.rollout}")
        known = self.told.get(stamp.rollout)
        assert known is None or not known.over, f"{stamp.rollout} is over"
        if known is None:
            self.told[stamp.rollout] = Told(stamp.stamping)
        elif known.stamping.step < stamp.stamping.step:
            self.told[stamp.rollout] = Told(stamp.stamping, known.tellings + 1)

    def _end_stamping(self, rollout: str) -> None:
        if self.ledger_away or rollout not in self.told:
            return
        self._write(f"end the stamping of {rollout}")
        self.told[rollout].over = True

    # what the cluster and users do

    def _use(self) -> None:
        """Each pod gets its part of the connections, and stamps their requests when it knows of a rollout."""
        record, pods = self.record, self.selected()
        if len(pods) > 1 and record is not None:
            self.weights.append((record.name, record.weight))
        for rollout, told in self.told.items():
            book = self.books.get(rollout)
            if book is None or book.closed or told.over:
                continue
            for arm, revision in ((Arm.STABLE, told.stamping.stable), (Arm.CANARY, told.stamping.canary)):
                share = pods.get(revision, 0) / max(1, sum(pods.values()))
                self._count(book, told.stamping.step, arm, revision, round(REQUESTS * share))

    def _is_up(self, pod: Body) -> bool:
        is_ready = any(condition["status"] == "True" for condition in pod["status"]["conditions"])
        return super()._is_up(pod) and (is_ready or not self.crowded)

    def _count(self, book: Book, step: int, arm: Arm, revision: str, requests: int) -> None:
        if requests:
            converted = round(requests * RATE * self.effects.get(revision, 1.0))
            exposures, conversions = book.counts.get((step, arm), (0, 0))
            book.counts[step, arm] = (exposures + requests, conversions + converted)

    def _stamps(self, rollout: str) -> bool:
        return rollout in self.told and not self.told[rollout].over

    def _tellings(self, rollout: str) -> int:
        told = self.told.get(rollout)
        return told.tellings + told.over if told is not None else 0

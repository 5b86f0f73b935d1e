"""The small cluster with a gateway and a ledger: users come through the route, and what they do is counted.

Everything is deterministic: of N users each arm gets its weight's share, and of each arm's users its rate converts.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from marquee.contract.cohort import Arm, Cohort
from marquee.contract.command import ANNOTATION_COMMAND, Action, Command
from marquee.contract.ledger import (
    CohortStatistics,
    MetricDeclaration,
    OutcomeStatistics,
    RolloutDeclaration,
    RolloutStatistics,
)
from marquee.control.decide.plan import Declare, Plan
from marquee.control.kinds import HTTP_ROUTE, SERVICE
from marquee.control.render import names
from marquee.control.render.record import RolloutRecord, read_record
from marquee.control.snapshot import Reading
from tests.unit.control.builders import MODEL, NAMESPACE
from tests.unit.control.world import QUIET_ROUNDS, SETTLE_ROUNDS, Body, World

TRAFFIC: Final[Body] = {"gateway": {"name": "web"}}
STEPS: Final[list[Body]] = [{"weight": 10}, {"weight": 50, "minDurationSeconds": 5}]
ROLLOUT: Final[Body] = {"steps": STEPS, "analysis": {"primary": {"outcome": "purchase"}}}
USERS: Final = 100_000
"""Who come between two looks."""
RATE: Final = 0.04
ONGOING: Final = frozenset({"Collecting", "MinimumNotReached", "NoData", "RolloutStarted", "StepPassed"})
"""Reasons of steps that wait for nothing but users and time."""
PARENT: Final = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "web"}


@dataclass
class Book:
    """The ledger's entry of one rollout."""

    declaration: RolloutDeclaration
    closed: bool = False
    counts: dict[tuple[int, Arm], tuple[int, int]] = field(default_factory=dict)
    """Exposures and conversions by step and arm."""


@dataclass
class RampWorld(World):
    """A model that people reach through a gateway."""

    effects: dict[str, float] = field(default_factory=dict)
    """Conversions of a revision's users, as a multiple of the usual rate; 1 unless given."""
    refusing: bool = False
    """The gateway does not take the newest route: it carries the one before."""
    gateway_away: bool = False
    """Its controller does not run: it carries the route that it saw last."""
    ledger_away: bool = False
    down: set[str] = field(default_factory=set)
    """Revisions whose pods do not answer."""
    books: dict[str, Book] = field(default_factory=dict)
    carried: list[Body] = field(default_factory=list)
    """Rules of the route that the gateway carries."""
    weights: list[tuple[str, int]] = field(default_factory=list)
    """Rollout and weight of each split that the gateway has carried, in order."""
    _followed: str | None = None
    _known: RolloutStatistics | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self.set_spec(traffic=TRAFFIC, rollout=ROLLOUT)

    # what people do

    def say(self, action: Action, *, step: int | None = None, rollout: str | None = None) -> None:
        """A person's command, about the present rollout unless another is named."""
        record = self.record
        name = rollout or (record.name if record is not None else "none")
        command = Command(action=action, rollout=name, step=step, by="ana")
        self.model["metadata"].setdefault("annotations", {})[ANNOTATION_COMMAND] = command.to_text()
        self.model["metadata"]["resourceVersion"] = self._next()

    # what is

    @property
    def record(self) -> RolloutRecord | None:
        """The newest rollout, as the Service remembers it."""
        service = self.objects.get((SERVICE, MODEL))
        return read_record(service["metadata"]["annotations"].get(names.ANNOTATION_ROLLOUT)) if service else None

    @property
    def reason(self) -> str:
        """Of the Ready condition."""
        conditions = self.model.get("status", {}).get("conditions") or [{}]
        return str(conditions[0].get("reason", ""))

    def reached(self) -> set[str]:
        """Revisions that the gateway sends anybody to."""
        return {backend["name"] for rule in self.carried for backend in rule["backendRefs"] if backend["weight"]}

    def reading(self) -> Reading | None:
        """What the follower has read last."""
        known = self._known if self._known is not None and self._known.rollout == self._followed else None
        unread = known is None and (self._followed is None or self._followed in self.books)
        return Reading(known, "connection refused" if self.ledger_away else "", self.now, unread=unread)

    # what the operator does

    def reconcile(self, *, die_after: int | None = None) -> Plan:
        """One pass; a refusal by the ledger ends it like a kill, with the memory kept."""
        probe, followed = self.probe, self._followed
        plan = super().reconcile(die_after=die_after)
        if self._refused:
            self.probe, self._followed, self._refused = probe, followed, False
        else:
            self._follow(plan.follow)
        return plan

    def restart_operator(self) -> None:
        """What was only in memory is gone."""
        super().restart_operator()
        self._followed = self._known = None

    _refused: bool = False

    def _declare(self, declare: Declare) -> None:
        if self.ledger_away:
            self._refused = True
            self._writes_left = 0
            self._write("refused")
        self._write(f"declare {declare.rollout}")
        if declare.closes in self.books:
            self.books[declare.closes].closed = True
        self.books.setdefault(declare.rollout, Book(declare.declaration))

    def _follow(self, rollout: str | None) -> None:
        self._followed = rollout
        if rollout is not None and not self.ledger_away and rollout in self.books:
            self._known = self._statistics(rollout)

    # what the cluster and users do

    def tick(self, seconds: float = 1) -> bool:
        """Controllers, kubelets, the gateway and its users take one step; returns whether an object changed."""
        changed = super().tick(seconds)
        changed |= self._carry()
        self._use()
        self._follow(self._followed)
        return changed

    def settle(self) -> None:
        """Until nothing happens but users who come while nothing waits for them."""
        quiet = 0
        for _ in range(2 * SETTLE_ROUNDS):
            written = len([write for write in self.writes if write != "status"])
            plan = self.reconcile()
            changed = self.tick(seconds=plan.requeue_after_seconds or 1)
            acted = len([write for write in self.writes if write != "status"]) != written
            quiet = 0 if changed or acted or self.reason in ONGOING else quiet + 1
            if quiet == QUIET_ROUNDS:
                return
        raise AssertionError(f"still at work: {self.reason} {self.record} {self.writes[-10:]}")

    def _is_up(self, pod: Body) -> bool:
        return pod["metadata"]["labels"].get(names.LABEL_REVISION) not in self.down

    def _carry(self) -> bool:
        """The gateway's controller looks at the route."""
        route = self.objects.get((HTTP_ROUTE, MODEL))
        if self.gateway_away:
            return False
        if route is None:
            self.carried = []
            return False
        accepted = {"type": "Accepted", "status": "False" if self.refusing else "True", "reason": "Told"}
        condition = accepted | {"observedGeneration": route["metadata"]["generation"], "message": ""}
        status = {"parents": [{"parentRef": PARENT, "controllerName": "test", "conditions": [condition]}]}
        changed = route.get("status") != status
        route["status"] = status
        if not self.refusing:
            self.carried = route["spec"]["rules"]
            for cohort, weight in self._shares():
                if cohort.arm is Arm.CANARY and (not self.weights or self.weights[-1] != (cohort.rollout, weight)):
                    self.weights.append((cohort.rollout, weight))
        return changed

    def _shares(self) -> list[tuple[Cohort, int]]:
        """Cohorts of the weighted rule, with their percent."""
        return [(cohort, backend["weight"]) for cohort, backend in self._stamped()]

    def _stamped(self) -> list[tuple[Cohort, Body]]:
        return [
            (Cohort.parse(header["value"]), backend)
            for backend in (self.carried[-1]["backendRefs"] if self.carried else ())
            for stamp in backend.get("filters", ())
            for header in stamp["requestHeaderModifier"].get("set", ())
        ]

    def _use(self) -> None:
        """Users come through the route; those whose requests are stamped are counted, if the ledger knows why."""
        for cohort, backend in self._stamped():
            book = self.books.get(cohort.rollout)
            if book is None or not self.ready_pods(backend["name"]):
                continue
            users = USERS * backend["weight"] // 100
            converted = round(users * RATE * self.effects.get(backend["name"], 1.0))
            exposures, conversions = book.counts.get((cohort.step, cohort.arm), (0, 0))
            book.counts[cohort.step, cohort.arm] = (exposures + users, conversions + converted)

    def _stamps(self, _: str) -> bool:
        """Whether pods stamp for a rollout: here the gateway does."""
        return False

    def _tellings(self, _: str) -> int:
        """How often the ledger was told of pods that stamp."""
        return 0

    def _statistics(self, rollout: str) -> RolloutStatistics:
        book = self.books[rollout]
        return RolloutStatistics(
            model=f"{NAMESPACE}/{MODEL}",
            rollout=rollout,
            revision=sum(exposures for exposures, _ in book.counts.values()) + self._tellings(rollout),
            closed=book.closed,
            stamping=self._stamps(rollout),
            metrics=book.declaration.metrics,
            cohorts=tuple(
                _cohort(step, arm, integers, book.declaration.metrics)
                for (step, arm), integers in sorted(book.counts.items())
            ),
        )


def _cohort(step: int, arm: Arm, integers: tuple[int, int], metrics: tuple[MetricDeclaration, ...]) -> CohortStatistics:
    exposures, conversions = integers
    seen = OutcomeStatistics(successes=conversions, sum=conversions, sum_of_squares=conversions)
    outcomes: dict[str, Any] = {metric.outcome: seen for metric in metrics}
    return CohortStatistics(
        step=step,
        arm="canary" if arm is Arm.CANARY else "stable",
        exposures=exposures,
        requests=exposures,
        errors=0,
        slow=0,
        outcomes=outcomes,
    )

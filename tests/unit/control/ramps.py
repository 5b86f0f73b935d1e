"""Snapshots of models with a ramp: a rollout's record, its route, its ledger and what a person has said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final

from marquee.api.marketing_model import MarketingModel, MarketingModelSpec
from marquee.api.rollout_status import RolloutResult
from marquee.contract.command import ANNOTATION_COMMAND, Action, Command
from marquee.contract.ledger import (
    ArmName,
    CohortStatistics,
    MetricDeclaration,
    OutcomeStatistics,
    RolloutStatistics,
)
from marquee.control.decide.rollouts import remembered
from marquee.control.kinds import HTTP_ROUTE, SERVICE
from marquee.control.render import children, names
from marquee.control.render.record import RolloutRecord, begin
from marquee.control.render.traffic import Split, arm_service, http_route
from marquee.control.snapshot import Child, Reading, RouteState, Snapshot
from tests.unit.control.builders import MODEL, NAMESPACE, NOW, READY, Arm, a_probe, a_revision, snapshot, stored

STABLE: Final = "churn-1"
CANARY: Final = "churn-2"
TRAFFIC: Final[dict[str, Any]] = {"gateway": {"name": "web"}}
STEPS: Final[list[dict[str, Any]]] = [{"weight": 10}, {"weight": 50}]
ANALYSIS: Final[dict[str, Any]] = {"primary": {"outcome": "purchase"}}
OTHER_STEPS: Final[list[dict[str, Any]]] = [{"weight": 20}, {"weight": 50}]
BOTH: Final[dict[str, Arm]] = {STABLE: READY, CANARY: READY}
PASSED: Final = a_probe(CANARY, passed=True)


@dataclass(frozen=True)
class Ramp:
    """A rollout as the Service remembers it."""

    revision: str = CANARY
    stable: str = STABLE
    step: int = 0
    seconds_ago: float = 600
    """Of its start and of the step's."""
    result: RolloutResult | None = None
    reason: str = ""
    message: str = ""
    steps: list[dict[str, Any]] | None = None
    """The plan it was started with, where that is not the spec's."""

    def record(self, model: MarketingModel) -> RolloutRecord:
        """The record, by the model's plan."""
        if self.steps is not None:
            body = model.model_dump(mode="json", by_alias=True, exclude_none=True)
            body["spec"]["rollout"]["steps"] = self.steps
            model = MarketingModel.model_validate(body)
        moment = NOW - timedelta(seconds=self.seconds_ago)
        begun = begin(model, a_revision(self.revision), self.stable, "", moment)
        return replace(begun, step=self.step, result=self.result, reason=self.reason, message=self.message)


def counted(step: int, canary: tuple[int, int], stable: tuple[int, int]) -> tuple[CohortStatistics, ...]:
    """One step's cohorts: exposures and successes of each arm; each exposure is one request without an error."""
    return tuple(_cohort(step, arm, *integers) for arm, integers in _by_arm(canary, stable).items())


def _by_arm(canary: tuple[int, int], stable: tuple[int, int]) -> dict[ArmName, tuple[int, int]]:
    return {"canary": canary, "stable": stable}


def _cohort(step: int, arm: ArmName, exposures: int, successes: int) -> CohortStatistics:
    seen = OutcomeStatistics(successes=successes, sum=successes, sum_of_squares=successes)
    return CohortStatistics(
        step=step, arm=arm, exposures=exposures, requests=exposures, errors=0, slow=0, outcomes={"purchase": seen}
    )


def statistics(
    *cohorts: CohortStatistics, rollout: str = "r", metrics: tuple[str, ...] = ("purchase",)
) -> RolloutStatistics:
    """What the ledger tells of a rollout."""
    return RolloutStatistics(
        model=f"{NAMESPACE}/{MODEL}",
        rollout=rollout,
        revision=1,
        closed=False,
        metrics=tuple(MetricDeclaration(outcome=name) for name in metrics),
        cohorts=cohorts,
    )


def reading(*cohorts: CohortStatistics, failure: str = "") -> Reading:
    """The ledger's integers, as of now or of before it went away."""
    return Reading(statistics(*cohorts), failure, NOW, NOW if failure else None)


NOT_READ: Final = Reading(None, "", NOW)
EMPTY: Final = reading()
HARM: Final = reading(*counted(0, (10_000, 200), (90_000, 3_600)))
GOOD: Final = reading(*counted(0, (100_000, 4_400), (900_000, 36_000)))
UNDECIDED: Final = reading(*counted(0, (1_000, 40), (9_000, 360)))
GOOD_LAST: Final = reading(*GOOD.statistics.cohorts, *counted(1, (50_000, 2_200), (50_000, 2_000)))  # type: ignore[union-attr]


def away(known: Reading) -> Reading:
    """The same, and the ledger can't be read any more."""
    return replace(known, failure="connection refused", failing_since=NOW)


def a_command(observed: Snapshot, action: Action, *, step: int | None = None, rollout: str = "") -> Command:
    """A command about the snapshot's rollout, unless ``rollout`` names another."""
    if not rollout and (record := record_of(observed)) is not None:
        rollout = record.name
    return Command(action=action, rollout=rollout or "none", step=step, by="ana@example.com")


def record_of(observed: Snapshot) -> RolloutRecord | None:
    """What the snapshot's Service remembers."""
    return remembered(observed.child(SERVICE, MODEL))


def saying(observed: Snapshot, command: Command) -> Snapshot:
    """The same model with that command."""
    metadata = observed.model.metadata.model_copy(update={"annotations": {ANNOTATION_COMMAND: command.to_text()}})
    return replace(observed, model=observed.model.model_copy(update={"metadata": metadata}))


def ramp(
    *,
    wanted: str = CANARY,
    serving: str = STABLE,
    proven: str | None = None,
    arms: Mapping[str, Arm] | None = None,
    record: Ramp | None = None,
    ledger: Reading | None = None,
    refusal: str = "",
    steps: list[dict[str, Any]] | None = None,
    analysis: dict[str, Any] | None = ANALYSIS,
    paused: bool = False,
    freezes: list[dict[str, Any]] | None = None,
    **rest: Any,
) -> Snapshot:
    """A model behind a gateway, with its children as the operator itself would have left them."""
    rollout: dict[str, Any] = {"steps": STEPS if steps is None else steps, "paused": paused}
    if freezes is not None:
        rollout["freezes"] = freezes
    if analysis is not None:
        rollout["analysis"] = analysis
    defaults: dict[str, Any] = {"probe": PASSED, "revisions": ("churn-1", "churn-2", "churn-3")}
    observed = snapshot(
        wanted=wanted,
        serving=serving,
        proven=proven or serving,
        arms=BOTH if arms is None else arms,
        traffic=TRAFFIC,
        rollout=rollout,
        **(defaults | rest),
    )
    return with_traffic(observed, serving, record, ledger, refusal)


def of_others(ledger: Reading | None, *, spec_error: str = "") -> Snapshot:
    """A model whose pods somebody else deploys: it has no children."""
    observed = snapshot(wanted="churn-1", spec_error=spec_error)
    spec = {
        "useCase": "Churn",
        "owner": {"team": "retention", "contact": "retention@example.com"},
        "serving": {"class": "External"},
        "rollout": {"steps": STEPS, "analysis": ANALYSIS},
    }
    model = observed.model.model_copy(update={"spec": MarketingModelSpec.model_validate(spec)})
    return replace(observed, model=model, children=(), ledger=ledger)


def with_traffic(observed: Snapshot, serving: str, ramp: Ramp | None, ledger: Reading | None, refusal: str) -> Snapshot:
    """The snapshot with a route, the arms' Services, and a Service that remembers a rollout."""
    model = observed.model
    record = ramp.record(model) if ramp is not None else None
    split = None
    if record is not None and record.result is None:
        split = Split(record.name, record.step, record.weight, record.revision)
    route = RouteState(stored(HTTP_ROUTE, http_route(model, stable=serving, split=split)), refusal)
    arms = [stored(SERVICE, arm_service(model, name)) for name in dict.fromkeys((serving, CANARY))]
    return replace(
        observed,
        children=(*(_remembering(model, serving, child, record) for child in observed.children), *arms),
        route=route,
        ledger=ledger,
    )


def _remembering(model: MarketingModel, serving: str, child: Child, record: RolloutRecord | None) -> Child:
    if (child.kind, child.name) != (SERVICE, MODEL) or record is None:
        return child
    kept = (names.ANNOTATION_SWITCHED_AT, names.ANNOTATION_PREVIOUS_REVISION)
    annotations = {key: child.annotations[key] for key in kept if key in child.annotations}
    annotations[names.ANNOTATION_ROLLOUT] = record.to_text()
    return stored(SERVICE, children.service(model, revision=serving, annotations=annotations))

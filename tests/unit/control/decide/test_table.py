"""The state table, row by row: for each row a situation that reaches it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from marquee.api.conditions import Reason
from marquee.api.marketing_model import Phase
from marquee.api.promotion_freeze import PromotionFreezeSpec
from marquee.api.rollout_status import RolloutResult
from marquee.contract.command import Action
from marquee.control.decide.facts import gather
from marquee.control.decide.table import TABLE, Cause, Move, Row, match
from marquee.control.snapshot import Keda, Snapshot, StandingFreeze
from tests.unit.control.builders import (
    READY,
    STARTING,
    Arm,
    Switched,
    a_pod,
    a_probe,
    a_revision,
    killed,
    snapshot,
    with_slices,
)
from tests.unit.control.decide.test_pods_vectors import by_pods
from tests.unit.control.ramps import (
    GOOD,
    GOOD_LAST,
    HARM,
    NOT_READ,
    OTHER_STEPS,
    UNDECIDED,
    Ramp,
    a_command,
    away,
    of_others,
    ramp,
    saying,
)

CRASHING = Arm(ready=0, pods=(a_pod("churn-2", ready=False, restarts=3),))
UNSCHEDULABLE = Arm(ready=0, pods=(a_pod("churn-2", ready=False, unschedulable="0/3 nodes are available"),))

SUPERSEDED = Ramp(revision="churn-3", result=RolloutResult.SUPERSEDED)
ROLLED_BACK = Ramp(result=RolloutResult.ROLLED_BACK, reason="HarmShown")
PROMOTED = Ramp(step=1, result=RolloutResult.PROMOTED, reason="Switching")
BEFORE = a_probe("churn-1", passed=True)


def _said(action: Action, observed: Snapshot) -> Snapshot:
    """The same, after a person's command about its rollout and first step."""
    return saying(observed, a_command(observed, action, step=0))


def _frozen(observed: Snapshot) -> Snapshot:
    """The same, under a freeze of all models without days."""
    return replace(observed, freezes=(StandingFreeze("marquee-system", "peak", "uid", PromotionFreezeSpec()),))


KEDA = Keda("http://operator:8081/demand")
NIGHTLY = {
    "class": "KEDA",
    "minReplicas": 0,
    "maxReplicas": 3,
    "schedule": [{"start": "0 8 * * *", "end": "0 20 * * *", "minReplicas": 1}],
}
FROZEN = [{"first": "2024-11-20", "last": "2024-12-02", "reason": "sale"}]
GOVERNED = {"approvals": {"required": 1}}
COMPARED = {"fairness": {"metric": "auc", "slices": [{"input": "region", "maximalGap": 0.1}], "minimumRows": 10}}
FAR_APART = with_slices(a_revision("churn-2"), {"region=north": (100, 0.9), "region=south": (100, 0.7)})
CLOSE = with_slices(a_revision("churn-2"), {"region=north": (100, 0.9), "region=south": (100, 0.85)})
SITUATIONS = {
    "pods of a third revision would be reached": (
        "not alone",
        replace(by_pods("none", 1, "a third's pods"), ledger=NOT_READ),
    ),
    "the last step is passed with three of four pods": (
        "filling up",
        replace(by_pods("last step", 3, "ready"), ledger=GOOD_LAST),
    ),
    "there is no such revision": (
        "no revision",
        snapshot(wanted="churn-9", serving="churn-1", proven="churn-1", arms={"churn-1": READY}),
    ),
    "the first revision crashes": (
        "broken",
        snapshot(wanted="churn-2", serving="churn-2", arms={"churn-2": CRASHING}),
    ),
    "the newcomer crashes": (
        "broken",
        snapshot(wanted="churn-2", stable="churn-1", arms={"churn-1": READY, "churn-2": CRASHING}),
    ),
    "no node has room for the newcomer": (
        "held up",
        snapshot(wanted="churn-2", stable="churn-1", arms={"churn-1": READY, "churn-2": UNSCHEDULABLE}),
    ),
    "no node has room, and the deadline is over": (
        "broken",
        snapshot(
            wanted="churn-2",
            stable="churn-1",
            arms={"churn-1": READY, "churn-2": replace(UNSCHEDULABLE, deadline_exceeded=True)},
        ),
    ),
    "all pods of the serving revision are gone": (
        "lost",
        snapshot(wanted="churn-1", stable="churn-1", arms={"churn-1": STARTING}),
    ),
    "somebody deleted the Deployment of the serving revision": (
        "lost",
        snapshot(wanted="churn-1", stable="churn-1"),
    ),
    "a new model": ("starting", snapshot(wanted="churn-1")),
    "the newcomer's pods start": (
        "starting",
        snapshot(wanted="churn-2", stable="churn-1", arms={"churn-1": READY, "churn-2": STARTING}),
    ),
    "the newcomer has one pod of two": (
        "starting",
        snapshot(
            wanted="churn-2",
            stable="churn-1",
            arms={"churn-1": Arm(replicas=2), "churn-2": Arm(replicas=2, ready=1)},
            scaling={"minReplicas": 2},
        ),
    ),
    "the newcomer's Deployment is on its way out": (
        "starting",
        snapshot(wanted="churn-2", stable="churn-1", arms={"churn-1": READY, "churn-2": Arm(deleting=True)}),
    ),
    "the serving revision is scaled up": (
        "changing",
        snapshot(wanted="churn-1", stable="churn-1", arms={"churn-1": READY}, scaling={"minReplicas": 3}),
    ),
    "the serving revision gets another image": (
        "changing",
        snapshot(wanted="churn-1", stable="churn-1", arms={"churn-1": Arm(replicas=2, updated=1, surplus=1)}),
    ),
    "the serving revision's controller has not seen the change yet": (
        "changing",
        snapshot(wanted="churn-1", stable="churn-1", arms={"churn-1": Arm(observed=False)}),
    ),
    "the newcomer answers wrongly": (
        "refuted",
        snapshot(
            wanted="churn-2",
            stable="churn-1",
            arms={"churn-1": READY, "churn-2": READY},
            probe=a_probe("churn-2", passed=False),
        ),
    ),
    "the newcomer is ready": (
        "unproven",
        snapshot(wanted="churn-2", stable="churn-1", arms={"churn-1": READY, "churn-2": READY}),
    ),
    "the first revision is ready": (
        "unproven",
        snapshot(wanted="churn-1", serving="churn-1", arms={"churn-1": READY}),
    ),
    "the operator restarted right after the switch": (
        "unproven",
        snapshot(wanted="churn-2", serving="churn-2", proven="churn-1", arms={"churn-1": READY, "churn-2": READY}),
    ),
    "the newcomer has proven itself": (
        "proven",
        snapshot(
            wanted="churn-2",
            stable="churn-1",
            arms={"churn-1": READY, "churn-2": READY},
            probe=a_probe("churn-2", passed=True),
        ),
    ),
    "users were switched a moment ago": (
        "draining",
        snapshot(
            wanted="churn-2",
            serving="churn-2",
            proven="churn-2",
            arms={"churn-1": READY, "churn-2": READY},
            switched=Switched("churn-1", seconds_ago=3),
        ),
    ),
    "the former revision has had its time": (
        "serving",
        snapshot(
            wanted="churn-2",
            serving="churn-2",
            proven="churn-2",
            arms={"churn-1": READY, "churn-2": READY},
            switched=Switched("churn-1", seconds_ago=11),
        ),
    ),
    "another revision is wanted half-way": ("superseded", ramp(wanted="churn-3", record=Ramp(), ledger=GOOD)),
    "the plan is another one half-way": ("superseded", ramp(record=Ramp(steps=OTHER_STEPS), ledger=GOOD)),
    "another revision is wanted half-way, and does not exist": (
        "no revision",
        ramp(wanted="churn-9", record=Ramp(), ledger=GOOD),
    ),
    "a missing one is wanted half-way, and the canary does harm": (
        "harm",
        ramp(wanted="churn-9", record=Ramp(), ledger=HARM),
    ),
    "the canary's ModelRevision is gone, and it does harm": (
        "harm",
        ramp(record=Ramp(), ledger=HARM, revisions=("churn-1",)),
    ),
    "a missing one is wanted half-way, and a person ends the rollout": (
        "aborted",
        _said(Action.ABORT, ramp(wanted="churn-9", record=Ramp(), ledger=GOOD)),
    ),
    "a missing one is wanted half-way by another plan, and the canary does harm": (
        "no revision",
        ramp(wanted="churn-9", record=Ramp(steps=OTHER_STEPS), ledger=HARM),
    ),
    "a missing one is wanted after a rollback": (
        "withdrawn",
        ramp(wanted="churn-9", record=ROLLED_BACK, ledger=HARM),
    ),
    "a person ends the rollout": ("aborted", _said(Action.ABORT, ramp(record=Ramp(), ledger=GOOD))),
    "the canary does harm": ("harm", ramp(record=Ramp(), ledger=HARM)),
    "the canary does harm while paused": ("harm", ramp(record=Ramp(), ledger=HARM, paused=True)),
    "the canary's pods crash": (
        "canary broken",
        ramp(record=Ramp(), ledger=GOOD, arms={"churn-1": READY, "churn-2": CRASHING}),
    ),
    "there is no ledger to judge by": ("no ledger", ramp()),
    "no ledger is left half-way": ("no ledger", ramp(record=Ramp())),
    "no ledger is left, and a person says go on": ("next step", _said(Action.PROMOTE, ramp(record=Ramp()))),
    "no gateway carries the route": ("no route", ramp(ledger=NOT_READ, refusal="nobody has answered")),
    "the Service that remembers is on its way out": ("no route", ramp(ledger=NOT_READ, service_deleting=True)),
    "the canary is ready": ("first step", ramp(ledger=NOT_READ)),
    "the canary is ready and all is paused": ("paused", ramp(ledger=NOT_READ, paused=True)),
    "a takeover without steps is paused": ("paused", ramp(ledger=NOT_READ, steps=[], analysis=None, paused=True)),
    "a person pauses a step": ("paused", _said(Action.PAUSE, ramp(record=Ramp(), ledger=GOOD))),
    "a pause of the rollout before": ("first step", _said(Action.PAUSE, ramp(record=SUPERSEDED, ledger=NOT_READ))),
    "a step waits for a person": (
        "unapproved",
        ramp(record=Ramp(), ledger=GOOD, steps=[{"weight": 10, "approval": "Manual"}, {"weight": 50}]),
    ),
    "a step waits for evidence": ("on a step", ramp(record=Ramp(), ledger=UNDECIDED)),
    "a step waits for the ledger": ("on a step", ramp(record=Ramp(), ledger=away(GOOD))),
    "a step is passed": ("next step", ramp(record=Ramp(), ledger=GOOD)),
    "a step without an analysis has had its time": ("next step", ramp(record=Ramp(), analysis=None)),
    "the last step is passed": ("proven", ramp(record=Ramp(step=1), ledger=GOOD_LAST)),
    "stable serves alone after a rollback": ("rolled back", ramp(record=ROLLED_BACK, ledger=NOT_READ)),
    "a person lets a rejected one try again": (
        "first step",
        _said(Action.RETRY, ramp(record=ROLLED_BACK, ledger=NOT_READ)),
    ),
    "a promotion is undone": ("proven", _said(Action.UNDO, ramp(serving="churn-2", record=PROMOTED, probe=BEFORE))),
    "a rejected one, and stable's ModelRevision is gone": (
        "withdrawn",
        ramp(record=ROLLED_BACK, ledger=NOT_READ, revisions=("churn-2",)),
    ),
    "nobody needs pods by night": (
        "asleep",
        snapshot(wanted="churn-1", stable="churn-1", arms={"churn-1": Arm(replicas=0)}, scaling=NIGHTLY, keda=KEDA),
    ),
    "somebody else serves": ("judged only", of_others(NOT_READ)),
    "somebody else serves, and there is no ledger": ("unjudged", of_others(None)),
    "the spec of what somebody else serves can't be read": (
        "no revision",
        of_others(NOT_READ, spec_error="of tomorrow"),
    ),
    "a freeze before the first step": ("frozen", ramp(ledger=NOT_READ, freezes=FROZEN)),
    "a freeze, and the step is passed": ("frozen", ramp(record=Ramp(), ledger=GOOD, freezes=FROZEN)),
    "a freeze, and a person says promote": (
        "frozen",
        _said(Action.PROMOTE, ramp(record=Ramp(), ledger=UNDECIDED, freezes=FROZEN)),
    ),
    "a freeze, and the step is not passed": ("on a step", ramp(record=Ramp(), ledger=UNDECIDED, freezes=FROZEN)),
    "a freeze, and harm": ("harm", ramp(record=Ramp(), ledger=HARM, freezes=FROZEN)),
    "a freeze, and a person aborts": (
        "aborted",
        _said(Action.ABORT, ramp(record=Ramp(), ledger=GOOD, freezes=FROZEN)),
    ),
    "a freeze, and a person undoes": (
        "proven",
        _said(Action.UNDO, ramp(serving="churn-2", record=PROMOTED, probe=BEFORE, freezes=FROZEN)),
    ),
    "a freeze, and the kill switch": (
        "killed",
        killed(ramp(record=Ramp(), ledger=GOOD, freezes=FROZEN)),
    ),
    "a freeze, and no steps": (
        "frozen",
        snapshot(
            wanted="churn-2",
            stable="churn-1",
            arms={"churn-1": READY, "churn-2": READY},
            probe=a_probe("churn-2", passed=True),
            rollout={"freezes": FROZEN},
        ),
    ),
    "a freeze of a first revision": ("unproven", snapshot(arms={"churn-1": READY}, rollout={"freezes": FROZEN})),
    "a freeze of all models, and the step is passed": ("frozen", _frozen(ramp(record=Ramp(), ledger=GOOD))),
    "a freeze of all models, and harm": ("harm", _frozen(ramp(record=Ramp(), ledger=HARM))),
    "a freeze of all models, and a first revision": ("unproven", _frozen(snapshot(arms={"churn-1": READY}))),
    "a freeze of all models, and nothing waits": (
        "serving",
        _frozen(snapshot(stable="churn-1", arms={"churn-1": READY})),
    ),
    "nobody has approved it": ("unsigned", ramp(ledger=NOT_READ, governance=GOVERNED)),
    "nobody has approved it, and the step is passed": (
        "unsigned",
        ramp(record=Ramp(), ledger=GOOD, governance=GOVERNED),
    ),
    "nobody has approved it, and a person says promote": (
        "unsigned",
        _said(Action.PROMOTE, ramp(record=Ramp(), ledger=UNDECIDED, governance=GOVERNED)),
    ),
    "nobody has approved it, and harm": ("harm", ramp(record=Ramp(), ledger=HARM, governance=GOVERNED)),
    "nobody has approved what a promotion is undone for": (
        "proven",
        _said(Action.UNDO, ramp(serving="churn-2", record=PROMOTED, probe=BEFORE, governance=GOVERNED)),
    ),
    "nobody has approved the fallback": (
        "safe",
        killed(ramp(record=ROLLED_BACK, ledger=NOT_READ, governance=GOVERNED)),
    ),
    "nobody has approved who serves": (
        "serving",
        snapshot(wanted="churn-1", stable="churn-1", arms={"churn-1": READY}, governance=GOVERNED),
    ),
    "nobody has approved the first one": ("first unsigned", snapshot(governance=GOVERNED)),
    "groups are too far apart": (
        "unfair",
        ramp(ledger=NOT_READ, governance=COMPARED, revisions=("churn-1", FAR_APART)),
    ),
    "groups are too far apart, and the step is passed": (
        "unfair",
        ramp(record=Ramp(), ledger=GOOD, governance=COMPARED, revisions=("churn-1", FAR_APART)),
    ),
    "groups are too far apart, and a person says promote": (
        "unfair",
        _said(
            Action.PROMOTE, ramp(record=Ramp(), ledger=UNDECIDED, governance=COMPARED, revisions=("churn-1", FAR_APART))
        ),
    ),
    "groups are too far apart, and harm": (
        "harm",
        ramp(record=Ramp(), ledger=HARM, governance=COMPARED, revisions=("churn-1", FAR_APART)),
    ),
    "groups are close": ("first step", ramp(ledger=NOT_READ, governance=COMPARED, revisions=("churn-1", CLOSE))),
    "groups are not told": ("unmeasured", ramp(ledger=NOT_READ, governance=COMPARED)),
    "groups are not told, and nobody has approved it": (
        "unmeasured",
        ramp(ledger=NOT_READ, governance=COMPARED | GOVERNED),
    ),
    "groups are close, and nobody has approved it": (
        "unsigned",
        ramp(ledger=NOT_READ, governance=COMPARED | GOVERNED, revisions=("churn-1", CLOSE)),
    ),
    "groups are not told of what a promotion is undone for": (
        "proven",
        _said(Action.UNDO, ramp(serving="churn-2", record=PROMOTED, probe=BEFORE, governance=COMPARED)),
    ),
    "groups are not told of the fallback": (
        "safe",
        killed(ramp(record=ROLLED_BACK, ledger=NOT_READ, governance=COMPARED)),
    ),
    "groups are not told of who serves": (
        "serving",
        snapshot(wanted="churn-1", stable="churn-1", arms={"churn-1": READY}, governance=COMPARED),
    ),
    "groups are not told of the first one": ("first unmeasured", snapshot(governance=COMPARED)),
    "groups of the first one are too far apart": (
        "first unfair",
        snapshot(wanted="churn-2", revisions=("churn-1", FAR_APART), governance=COMPARED),
    ),
    "the kill switch ends a rollout": ("killed", killed(ramp(record=Ramp(), ledger=GOOD))),
    "the kill switch goes before harm": ("killed", killed(ramp(record=Ramp(), ledger=HARM))),
    "the kill switch, and the spec can't be read": (
        "killed",
        killed(ramp(record=Ramp(), ledger=HARM, spec_error="of tomorrow")),
    ),
    "the kill switch takes a promotion back": (
        "proven",
        killed(ramp(serving="churn-2", record=PROMOTED, probe=BEFORE)),
    ),
    "the kill switch, and its revision has no pods": (
        "starting",
        killed(ramp(serving="churn-2", record=PROMOTED, arms={"churn-2": READY})),
    ),
    "the kill switch, and its revision has one of two pods": (
        "proven",
        killed(
            ramp(
                serving="churn-2",
                record=PROMOTED,
                probe=BEFORE,
                scaling={"minReplicas": 2},
                arms={"churn-2": READY, "churn-1": Arm(replicas=2, ready=1)},
            )
        ),
    ),
    "the kill switch, and the fallback serves": ("safe", killed(ramp(record=ROLLED_BACK, ledger=NOT_READ))),
    "the kill switch, and nothing has ever served": ("no revision", killed(snapshot())),
    "somebody else serves, and has no kill switch": ("judged only", killed(of_others(NOT_READ))),
    "nothing is to be done": ("serving", snapshot(wanted="churn-1", stable="churn-1", arms={"churn-1": READY})),
}


@pytest.mark.parametrize(("name", "observed"), SITUATIONS.values(), ids=SITUATIONS)
def test_a_situation_is_recognised(name: str, observed: Snapshot) -> None:
    """The first row of the table that holds is the one that describes the situation."""
    assert match(gather(observed)).name == name


def test_every_row_is_reached() -> None:
    """A row that no situation reaches is dead or untested."""
    assert {name for name, _ in SITUATIONS.values()} == {row.name for row in TABLE}


def test_rows_have_names_of_their_own() -> None:
    """A name in a log or in the documentation means one row."""
    assert len({row.name for row in TABLE}) == len(TABLE)


def test_the_last_row_holds_always() -> None:
    """There is no snapshot without a row."""
    assert all(TABLE[-1].when.holds(gather(observed)) for _, observed in SITUATIONS.values())


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_a_row_allows_only_what_its_phase_means(row: Row) -> None:
    """Users are switched in one phase; a failed or blocked model is never switched, a blocked one not
    touched, but for its route."""
    assert (Move.SWITCH in row.moves) == (row.phase is Phase.SWITCHING)
    assert (not row.moves & ~Move.SETTLE) == (row.phase in {Phase.BLOCKED, Phase.EXTERNAL})
    assert (row.result is None) == (not row.moves & (Move.WITHDRAW | Move.SWITCH))
    if row.phase is Phase.FAILED:
        assert row.reason in {Cause.DIAGNOSIS, Reason.PROBE_FAILED, Reason.LEDGER_UNAVAILABLE}

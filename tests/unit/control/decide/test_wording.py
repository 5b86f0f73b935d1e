"""What people read of a rollout: each sentence says what happened, to whom, and what to do."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from marquee.api.conditions import Reason
from marquee.api.marketing_model import MarketingModelStatus, Phase
from marquee.api.rollout_status import RolloutResult
from marquee.contract.command import Action
from marquee.control.decide import decide
from marquee.control.decide.table import TABLE, Cause
from marquee.control.snapshot import Snapshot
from tests.unit.control.builders import READY, STARTING, Arm, a_pod, a_revision, killed, with_slices
from tests.unit.control.decide.test_describing import STORIES as WITHOUT_RAMPS
from tests.unit.control.decide.test_pods_vectors import by_pods
from tests.unit.control.ramps import (
    BOTH,
    CANARY,
    EMPTY,
    GOOD,
    HARM,
    NOT_READ,
    OTHER_STEPS,
    STABLE,
    UNDECIDED,
    Ramp,
    a_command,
    away,
    ramp,
    saying,
)

MANUAL: list[dict[str, Any]] = [{"weight": 10, "approval": "Manual"}, {"weight": 50}]
CRASHING = {STABLE: READY, CANARY: Arm(ready=0, pods=(a_pod(CANARY, ready=False, restarts=9),))}
ENDED = Ramp(result=RolloutResult.ROLLED_BACK, reason="HarmShown", message="rolled back: worse")
PROMOTED = Ramp(step=1, result=RolloutResult.PROMOTED, reason="Switching")
RETRY = "name another revision, or let this one try again by `kubectl marquee retry`"


def _told(action: Action, step: int | None = None, **situation: Any) -> Snapshot:
    observed = ramp(**situation)
    return saying(observed, a_command(observed, action, step=step))


FROZEN = [{"first": "2024-11-20", "last": "2024-12-02", "reason": "sale"}]
STORIES: dict[str, tuple[Snapshot, Reason, str]] = {
    "first users": (ramp(ledger=NOT_READ), Reason.ROLLOUT_STARTED, "revision churn-2 gets its first users"),
    "not alone": (
        replace(by_pods("none", 1, "a third's pods"), ledger=NOT_READ),
        Reason.OTHERS_LEAVING,
        "revision churn-2 gets its first users when the pods of other revisions are gone",
    ),
    "no ledger": (
        ramp(),
        Reason.LEDGER_UNAVAILABLE,
        (
            "revision churn-2 can't be judged: spec.rollout.analysis needs the ledger, and the operator was installed "
            "without one; install the chart with ledger.enabled, or remove the analysis"
        ),
    ),
    "no route": (
        ramp(ledger=NOT_READ, refusal="Gateway crm/web does not accept the route"),
        Reason.GATEWAY_UNAVAILABLE,
        "traffic stays as it is; spec.traffic.gateway: Gateway crm/web does not accept the route",
    ),
    "nothing read yet": (
        ramp(record=Ramp(), ledger=NOT_READ),
        Reason.LEDGER_UNAVAILABLE,
        "step 1 of 2 at 10 % is held: the ledger can't be read: no answer yet; weights stay until it can",
    ),
    "the ledger went away": (
        ramp(record=Ramp(), ledger=away(GOOD)),
        Reason.LEDGER_UNAVAILABLE,
        "step 1 of 2 at 10 % is held: the ledger can't be read: connection refused; weights stay until it can",
    ),
    "nobody came": (
        ramp(record=Ramp(), ledger=EMPTY),
        Reason.NO_DATA,
        "step 1 of 2 at 10 %: held: step 1 has no exposure of one of the arms",
    ),
    "too early": (
        ramp(record=Ramp(seconds_ago=5), analysis=None, steps=[{"weight": 10, "minDurationSeconds": 9}]),
        Reason.MINIMUM_NOT_REACHED,
        "step 1 of 1 at 10 % takes its minDurationSeconds",
    ),
    "a person has to go on": (
        ramp(record=Ramp(), ledger=GOOD, steps=MANUAL),
        Reason.AWAITING_APPROVAL,
        "step 1 of 2 of revision churn-2 has what it asks for; `kubectl marquee promote` lets it go on",
    ),
    "sent on": (
        _told(Action.PROMOTE, 0, record=Ramp(), ledger=UNDECIDED),
        Reason.STEP_PASSED,
        "step 1 of 2 of revision churn-2 is passed, sent on by ana@example.com",
    ),
    "paused by the spec": (
        ramp(record=Ramp(), ledger=GOOD, paused=True),
        Reason.PAUSED,
        "step 1 of 2 of revision churn-2 waits: spec.rollout.paused is set",
    ),
    "paused before it began": (
        ramp(ledger=NOT_READ, paused=True),
        Reason.PAUSED,
        "revision churn-2 waits: spec.rollout.paused is set",
    ),
    "paused by a person": (
        _told(Action.PAUSE, record=Ramp(), ledger=GOOD),
        Reason.PAUSED,
        "step 1 of 2 of revision churn-2 is paused by ana@example.com; `kubectl marquee resume` lets it go on",
    ),
    "another revision": (
        ramp(wanted="churn-3", record=Ramp(), ledger=GOOD),
        Reason.SUPERSEDED,
        "the rollout of revision churn-2 ends: churn-3 is wanted now",
    ),
    "another plan": (
        ramp(record=Ramp(steps=OTHER_STEPS), ledger=GOOD),
        Reason.SUPERSEDED,
        "the rollout of revision churn-2 ends: its plan in the spec is another one now, and it begins anew",
    ),
    "other bytes": (
        ramp(
            record=Ramp(),
            ledger=GOOD,
            revisions=(STABLE, a_revision(CANARY).model_copy(update={"spec": a_revision("churn-3").spec})),
        ),
        Reason.SUPERSEDED,
        "the rollout of revision churn-2 ends: the ModelRevision was replaced by one with other bytes",
    ),
    "aborted": (
        _told(Action.ABORT, record=Ramp(), ledger=UNDECIDED),
        Reason.ABORTED,
        "the rollout of revision churn-2 was aborted by ana@example.com",
    ),
    "unsigned": (
        ramp(ledger=NOT_READ, governance={"approvals": {"required": 1}}),
        Reason.APPROVALS_MISSING,
        (
            "revision churn-2 waits: 0 of 1 approvals; `kubectl marquee approve`, by somebody who has not made it; "
            "revision churn-1 keeps serving"
        ),
    ),
    "unfair": (
        ramp(
            ledger=NOT_READ,
            governance={"fairness": {"metric": "auc", "slices": [{"input": "region", "maximalGap": 0.1}]}},
            revisions=(
                "churn-1",
                with_slices(a_revision("churn-2"), {"region=north": (1200, 0.9), "region=south": (100, 0.7)}),
            ),
        ),
        Reason.FAIRNESS_EXCEEDED,
        (
            "revision churn-2 waits: auc of region: region=south has 0.7 (100 rows), region=north has 0.9 (1,200 "
            "rows): a gap of 0.2, and spec.governance.fairness allows 0.1; name a revision whose groups are closer, or "
            "change the rule, which voids approvals; revision churn-1 keeps serving"
        ),
    ),
    "unmeasured": (
        ramp(
            ledger=NOT_READ,
            governance={"fairness": {"metric": "auc", "slices": [{"input": "region", "maximalGap": 0.1}]}},
        ),
        Reason.FAIRNESS_MISSING,
        (
            "revision churn-2 waits: auc is told of no group of region, and spec.governance.fairness compares two at "
            "least; publish revision churn-2 anew, under another name, with its spec.slices; revision churn-1 keeps "
            "serving"
        ),
    ),
    "frozen": (
        ramp(ledger=NOT_READ, freezes=FROZEN),
        Reason.FROZEN,
        "revision churn-2 waits: spec.rollout.freezes: sale, until 2024-12-03 00:00 UTC",
    ),
    "frozen on a step": (
        ramp(record=Ramp(), ledger=GOOD, freezes=FROZEN),
        Reason.FROZEN,
        "step 1 of 2 of revision churn-2 waits: spec.rollout.freezes: sale, until 2024-12-03 00:00 UTC",
    ),
    "killed half-way": (
        killed(ramp(record=Ramp(), ledger=GOOD)),
        Reason.KILL_SWITCH,
        "the rollout of revision churn-2 was ended: the kill switch was engaged by anna: prices are wrong",
    ),
    "killed": (
        killed(ramp(record=ENDED, ledger=NOT_READ)),
        Reason.KILL_SWITCH,
        (
            "the kill switch is engaged by anna: prices are wrong; revision churn-1 answers everybody, and nothing "
            "goes on until it is lifted: `kubectl marquee unkill`"
        ),
    ),
    "the canary crashes": (
        ramp(record=Ramp(), ledger=UNDECIDED, arms=CRASHING),
        Reason.CANARY_UNAVAILABLE,
        "revision churn-2 can't serve: restarted 9 times; see `kubectl logs -n crm --previous churn-2-0`",
    ),
    "harm": (
        ramp(record=Ramp(), ledger=HARM),
        Reason.HARM_SHOWN,
        (
            "step 1 of 2 at 10 %: rolled back: purchase 200 of 10,000 against 3,600 of 90,000; e-value of harm over "
            "1,000,000 >= 20"
        ),
    ),
    "rolled back": (
        ramp(record=ENDED, ledger=NOT_READ),
        Reason.HARM_SHOWN,
        f"revision churn-2 was taken back: rolled back: worse; revision churn-1 serves; {RETRY}",
    ),
    "rolled back for a reason that nobody knows": (
        ramp(record=replace(ENDED, reason="Moonshine"), ledger=NOT_READ),
        Reason.ABORTED,
        f"revision churn-2 was taken back: rolled back: worse; revision churn-1 serves; {RETRY}",
    ),
    "rolled back, and stable's ModelRevision is gone": (
        ramp(record=ENDED, ledger=NOT_READ, revisions=(CANARY,)),
        Reason.REVISION_NOT_FOUND,
        (
            "revision churn-2 was taken back, and ModelRevision 'churn-1', which stands for it, does not exist; "
            "create it again, or name another revision in spec.revision; revision churn-1 keeps serving"
        ),
    ),
    "undo": (
        _told(Action.UNDO, serving=CANARY, record=PROMOTED, ledger=NOT_READ, arms={CANARY: READY, STABLE: STARTING}),
        Reason.PREPARING,
        "revision churn-1 is coming up: 0 of 1 pods ready; revision churn-2 keeps serving",
    ),
}


@pytest.mark.parametrize(("observed", "reason", "message"), STORIES.values(), ids=STORIES)
def test_a_moment_of_a_rollout_is_told_in_a_sentence(observed: Snapshot, reason: Reason, message: str) -> None:
    """The Ready condition says what happened, about which step of which revision, and what to do."""
    ready = decide(observed).status.conditions[0]
    assert (ready.type, ready.reason, ready.message) == ("Ready", reason.value, message)


def test_every_reason_that_a_row_names_has_its_sentence() -> None:
    """A reason without words would raise in the middle of a rollout."""
    named = {row.reason for row in TABLE if not isinstance(row.reason, Cause)}
    told = {reason for _, reason, _ in (*STORIES.values(), *WITHOUT_RAMPS.values())}
    assert named <= told | {Reason.ASLEEP}  # `test_scaling` has its sentence


def test_what_withdraws_is_a_warning_and_what_goes_on_is_news() -> None:
    """People get one event for each move of a rollout, and none while it waits."""
    kinds = {
        name: [notice.warning for notice in decide(observed).notices] for name, (observed, _, _) in STORIES.items()
    }
    for name in ("harm", "aborted", "the canary crashes", "another revision", "another plan", "no ledger"):
        assert kinds[name] == [True], name
    for name in ("first users", "sent on", "a person has to go on"):
        assert kinds[name] == [False], name
    for name in ("no route", "nobody came", "too early", "paused by a person"):
        assert kinds[name] == [], name


def test_an_end_is_announced_once() -> None:
    """The look after a rollback tells nobody again."""
    status = decide(STORIES["harm"][0]).status
    observed = STORIES["rolled back"][0]
    plan = decide(replace(observed, model=observed.model.model_copy(update={"status": status})))
    assert (plan.status.phase, plan.notices) == (Phase.ROLLED_BACK, ())


def test_an_undone_promotion_shows_who_serves() -> None:
    """status.stable is the revision before, although the spec still names the other one."""
    undone = Ramp(step=1, result=RolloutResult.ABORTED, reason="Aborted", message="its promotion was undone")
    status = decide(ramp(proven=CANARY, serving=STABLE, record=undone, ledger=NOT_READ)).status
    assert status.phase is not Phase.ROLLED_BACK  # it is proven anew after a restart of the operator
    status = decide(ramp(record=undone, ledger=NOT_READ)).status
    assert status.phase is Phase.ROLLED_BACK
    assert status.stable is not None
    assert (status.stable.revision, status.canary) == (STABLE, None)


def test_a_lost_verdict_does_not_lose_its_evidence() -> None:
    """After the rollout has ended the status keeps the integers that it ended by."""
    ended = decide(ramp(record=Ramp(), ledger=HARM)).status
    assert ended.rollout is not None
    assert len(ended.rollout.counts) == 2
    observed = ramp(record=replace(ENDED, message=ended.rollout.message), ledger=NOT_READ)
    later = decide(replace(observed, model=observed.model.model_copy(update={"status": ended}))).status
    assert later.rollout is not None
    assert (later.rollout.counts, later.rollout.evidence) == (ended.rollout.counts, ended.rollout.evidence)
    assert (later.rollout.verdict, later.rollout.weight, later.rollout.forecast) == ("RolledBack", 0, "")


def test_words_of_any_length_fit() -> None:
    """Whatever stands in a command, a gateway's answer or a record, the API server takes the status."""
    long = "x" * 20_000
    aborted = ramp(record=Ramp(), ledger=UNDECIDED)
    command = replace(a_command(aborted, Action.ABORT), by=long)
    paused = replace(command, action=Action.PAUSE)
    for observed in (
        saying(aborted, command),
        saying(aborted, paused),
        ramp(ledger=NOT_READ, refusal=long),
        ramp(record=replace(ENDED, message="x" * 600), ledger=NOT_READ),
        ramp(record=Ramp(), ledger=replace(NOT_READ, failure=long)),
    ):
        status = decide(observed).status
        wire = status.model_dump(mode="json", by_alias=True, exclude_none=True)
        assert MarketingModelStatus.model_validate(wire) == status
        assert all(len(notice.note) <= 1024 for notice in decide(observed).notices)


def test_the_arms_are_those_of_a_rollout() -> None:
    """Both stay in the status while the canary answers some."""
    status = decide(ramp(record=Ramp(), ledger=UNDECIDED, arms=BOTH)).status
    assert status.stable is not None
    assert status.canary is not None
    assert (status.stable.revision, status.canary.revision) == (STABLE, CANARY)
    assert status.rollout is not None
    assert (status.rollout.progress, status.rollout.weight, status.rollout.verdict) == ("1/2", 10, "Hold")

"""Merging drafts into conditions."""

from __future__ import annotations

from marquee.api.conditions import Condition, ConditionDraft, ConditionType, Reason, merge
from marquee.contract.pod import FailureReason

EARLIER, NOW = "2024-11-22T12:00:00Z", "2024-11-22T12:05:00Z"


def _draft(
    status: bool, reason: Reason = Reason.SERVING, *, kind: ConditionType = ConditionType.READY, message: str = "m"
) -> ConditionDraft:
    return ConditionDraft(type=kind, status=status, reason=reason, message=message)


def _only(conditions: tuple[Condition, ...]) -> Condition:
    (condition,) = conditions
    return condition


def test_a_new_condition_starts_now() -> None:
    """A condition without history has changed at this moment."""
    condition = _only(merge([], [_draft(True)], generation=3, now=NOW))
    assert condition == Condition(
        type="Ready",
        status="True",
        reason="Serving",
        message="m",
        last_transition_time=NOW,
        observed_generation=3,
    )


def test_the_transition_time_moves_with_the_status_only() -> None:
    """Another reason, message or generation with the same status keeps the time."""
    before = merge([], [_draft(False, Reason.PREPARING)], generation=1, now=EARLIER)
    same = _only(merge(before, [_draft(False, Reason.PROBING, message="n")], generation=2, now=NOW))
    assert (same.last_transition_time, same.reason, same.message) == (EARLIER, "Probing", "n")
    assert same.observed_generation == 2
    assert _only(merge(before, [_draft(True)], generation=2, now=NOW)).last_transition_time == NOW


def test_merging_the_same_again_changes_nothing() -> None:
    """A status that says the same is equal, so that it is not written."""
    drafts = [_draft(False, Reason.PREPARING), _draft(True, Reason.PREPARING, kind=ConditionType.RECONCILING)]
    once = merge([], drafts, generation=1, now=EARLIER)
    assert merge(once, drafts, generation=1, now=NOW) == once


def test_a_condition_that_no_draft_names_is_gone() -> None:
    """`Reconciling` and `Stalled` are there only while true."""
    before = merge([], [_draft(False), _draft(True, kind=ConditionType.STALLED)], generation=1, now=EARLIER)
    assert [condition.type for condition in merge(before, [_draft(True)], generation=1, now=NOW)] == ["Ready"]


def test_a_status_of_unknown_is_a_change() -> None:
    """Whatever somebody wrote there, the time is that of our own verdict."""
    before = _only(merge([], [_draft(True)], generation=1, now=EARLIER)).model_copy(update={"status": "Unknown"})
    assert _only(merge([before], [_draft(True)], generation=1, now=NOW)).last_transition_time == NOW


def test_every_reason_of_a_pod_is_a_reason_of_a_condition() -> None:
    """What a pod gives as its reason can be shown as it is."""
    assert {reason.value for reason in FailureReason} <= {reason.value for reason in Reason}

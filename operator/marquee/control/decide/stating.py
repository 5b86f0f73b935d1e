"""The condition `SafeState`, and the events about it."""

from __future__ import annotations

from marquee.api.conditions import Condition, ConditionDraft, ConditionType, Reason
from marquee.api.marketing_model import MarketingModelStatus
from marquee.control.decide.facts import Facts
from marquee.control.decide.incidents import SAFE_ROW
from marquee.control.decide.plan import Notice
from marquee.control.decide.table import Row
from marquee.control.decide.wording import Told
from marquee.control.snapshot import Snapshot


def safe_state(snapshot: Snapshot, facts: Facts, row: Row, told: Told) -> list[ConditionDraft]:
    """Whether the model is in its safe state, and, when nobody asks for that, how fast it could be."""
    if facts.kill is not None:
        is_safe = row.name == SAFE_ROW
        reason = Reason.KILL_SWITCH if is_safe else Reason.FALLBACK_UNAVAILABLE
        before = f"the kill switch is engaged{facts.kill.words}, and the fallback does not answer everybody yet: "
        return [_draft(reason, told.message if is_safe else before + told.message, is_safe=is_safe)]
    if facts.standby is None or facts.external:
        return []
    state = snapshot.deployment(facts.standby)
    ready = state.available_replicas if state is not None else 0
    if snapshot.revision(facts.standby) is None:
        what = f"spec.killSwitch.fallback.revision: ModelRevision {facts.standby!r} is none of this model: create it"
        return [_draft(Reason.FALLBACK_UNAVAILABLE, what)]
    if not ready:
        return [_draft(Reason.FALLBACK_UNAVAILABLE, f"fallback {facts.standby} has no pod that is ready")]
    return [_draft(Reason.STANDING_BY, f"fallback {facts.standby} stands by")]


def safe_notices(snapshot: Snapshot, status: MarketingModelStatus) -> tuple[Notice, ...]:
    """An event when the kill switch is engaged, when the fallback answers, when it is lifted, and when no fallback is
    there."""
    before, now = _of(snapshot.model.status.conditions), _of(status.conditions)
    if now is not None and (before is None or (before.status, before.reason) != (now.status, now.reason)):
        if now.reason == Reason.STANDING_BY.value and (before is None or before.status != "True"):
            return ()
        is_warning = now.reason != Reason.STANDING_BY.value
        return (Notice(warning=is_warning, reason=Reason(now.reason), note=now.message),)
    if now is None and before is not None and before.status == "True":
        note = "the kill switch is lifted: what spec.revision names goes on by its steps"
        return (Notice(warning=False, reason=Reason.KILL_SWITCH, note=note),)
    return ()


def _of(conditions: tuple[Condition, ...]) -> Condition | None:
    return next((one for one in conditions if one.type == ConditionType.SAFE_STATE.value), None)


def _draft(reason: Reason, message: str, *, is_safe: bool = False) -> ConditionDraft:
    return ConditionDraft(type=ConditionType.SAFE_STATE, status=is_safe, reason=reason, message=message[:1024])

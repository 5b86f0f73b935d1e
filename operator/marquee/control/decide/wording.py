"""A row in words: the reason and the sentence that conditions, events and the rollout's record tell.

A sentence says what happened, about which revision, and what to do where a person has to do something.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from marquee.api.conditions import Reason
from marquee.control.decide.diagnosing import bounded
from marquee.control.decide.facts import Arm, Facts
from marquee.control.decide.ratio import in_words
from marquee.control.decide.safety import Kill
from marquee.control.decide.table import Cause, Row
from marquee.evidence.explaining import explain

_UNFAIR: Final = (Reason.FAIRNESS_MISSING, Reason.FAIRNESS_EXCEEDED)
_RESTART: Final = "`kubectl marquee abort` replaces them, and `retry` begins anew"


class Told(NamedTuple):
    """What people are told."""

    reason: Reason
    message: str
    """At most 1,024 characters."""


def tell(facts: Facts, row: Row) -> Told:
    """The matching row in words."""
    keeps = f"; revision {facts.stable.name} keeps serving" if facts.stable and facts.stable.available else ""
    target = facts.target
    if row.reason is Cause.EVIDENCE:
        return _by_evidence(facts)
    if row.reason is Reason.KILL_SWITCH and facts.kill is not None:
        return Told(row.reason, _killed(facts, facts.kill))
    if row.reason is Reason.ABORTED:
        return Told(row.reason, f"the rollout of revision {_canary(facts)} was aborted{facts.rollout.by}")
    if row.reason is Reason.APPROVALS_MISSING and facts.approvals is not None:
        what = _what(facts, target) if target is not None else ""
        ask = "`kubectl marquee approve`, by somebody who has not made it"
        return Told(row.reason, f"{what} waits: {bounded(facts.approvals.words)}; {ask}{keeps}")
    if isinstance(row.reason, Reason) and row.reason in _UNFAIR and facts.fairness is not None:
        what = _what(facts, target) if target is not None else ""
        return Told(row.reason, f"{what} waits: {bounded(facts.fairness.words)}{keeps}")
    if target is None:
        return Told(facts.resolution.reason, bounded(facts.resolution.message) + keeps)
    if row.reason is Cause.RECORD:
        return _by_record(facts)
    if not isinstance(row.reason, Reason):
        assert target.diagnosis is not None  # noqa: S101 - the row's own predicate
        return Told(target.diagnosis.reason, f"revision {target.name}: {bounded(target.diagnosis.message)}{keeps}")
    message = _of_arms(facts, row.reason, target, keeps) or _of_rollout(facts, row.reason, target)
    return Told(row.reason, message)


def _of_arms(facts: Facts, reason: Reason, target: Arm, keeps: str) -> str | None:
    """What there is to say without a rollout."""
    if reason is Reason.SERVING:  # by far the most frequent one
        return f"revision {target.name} serves"
    ready = target.deployment.available_replicas if target.deployment else 0
    draining = ", ".join(state.child.name for state in facts.draining)
    messages = {
        Reason.PREPARING: f"revision {target.name} is coming up: {ready} of {target.wanted_replicas} pods ready{keeps}",
        Reason.SCALING: f"revision {target.name}: {ready} of {target.wanted_replicas} pods ready and current",
        Reason.ASLEEP: f"revision {target.name} has no pods now, as spec.scaling.minReplicas allows, and answers "
        "nobody; the schedule brings them back",
        Reason.STABLE_UNAVAILABLE: f"revision {target.name} has no ready pod",
        Reason.PROBING: f"revision {target.name} is ready; waiting for its probe prediction{keeps}",
        Reason.SWITCHING: f"revision {target.name} takes over from {facts.serving}{_proof(facts)}",
        Reason.DRAINING: f"revision {target.name} serves; {draining} finishes open connections",
        Reason.PROBE_FAILED: f"revision {target.name}: {bounded(target.probe_failure)}{keeps}",
    }
    return messages.get(reason)


def _of_rollout(facts: Facts, reason: Reason, target: Arm) -> str:
    """What there is to say about a rollout."""
    messages = {
        Reason.SUPERSEDED: _superseded(facts, target),
        Reason.CANARY_UNAVAILABLE: f"revision {target.name} can't serve: "
        f"{bounded(target.diagnosis.message) if target.diagnosis is not None else ''}",
        Reason.LEDGER_UNAVAILABLE: f"revision {target.name} can't be judged: spec.rollout.analysis needs the ledger, "
        "and the operator was installed without one; install the chart with ledger.enabled, or remove the analysis",
        Reason.GATEWAY_UNAVAILABLE: f"traffic stays as it is; {bounded(facts.route_refusal)}",
        Reason.OTHERS_LEAVING: f"revision {target.name} gets its first users when the pods of other revisions are gone",
        Reason.ROLLOUT_STARTED: f"revision {target.name} gets its first users",
        Reason.PAUSED: _paused(facts, target),
        Reason.FROZEN: f"{_what(facts, target)} waits: {bounded(facts.held.words) if facts.held is not None else ''}",
        Reason.AWAITING_APPROVAL: f"{_step(facts)} of revision {target.name} has what it asks for; "
        "`kubectl marquee promote` lets it go on",
        Reason.STEP_PASSED: f"{_step(facts)} of revision {target.name} is passed{_proof(facts)}",
    }
    return messages[reason]


def _killed(facts: Facts, kill: Kill) -> str:
    if facts.rollout.open is not None:
        return f"the rollout of revision {_canary(facts)} was ended: the kill switch was engaged{kill.words}"
    name = facts.target.name if facts.target is not None else facts.serving
    lift = "set spec.killSwitch.engaged to false" if kill.at is None and not kill.reason else "`kubectl marquee unkill`"
    return (
        f"the kill switch is engaged{kill.words}; revision {name} answers everybody, and nothing goes on until it is "
        f"lifted: {lift}"
    )


def _superseded(facts: Facts, target: Arm) -> str:
    revision = _canary(facts)
    if facts.rollout.replanned:
        return f"the rollout of revision {revision} ends: its plan in the spec is another one now, and it begins anew"
    if revision == target.name:
        return f"the rollout of revision {revision} ends: the ModelRevision was replaced by one with other bytes"
    return f"the rollout of revision {revision} ends: {target.name} is wanted now"


def _paused(facts: Facts, target: Arm) -> str:
    rollout = facts.rollout
    what = _what(facts, target)
    if rollout.paused_by_spec:
        return f"{what} waits: spec.rollout.paused is set"
    return f"{what} is paused{rollout.by}; `kubectl marquee resume` lets it go on"


def _what(facts: Facts, target: Arm) -> str:
    return f"{_step(facts)} of revision {target.name}" if facts.rollout.running else f"revision {target.name}"


def _by_evidence(facts: Facts) -> Told:
    rollout = facts.rollout
    weight = rollout.record.weight if rollout.record is not None else 0
    step = f"{_step(facts)} at {realised(facts) or f'{weight} %'}"
    if rollout.judgement is not None:
        seen = bounded(explain(rollout.judgement))
        if facts.stable_counts_nothing and facts.stable is not None:
            seen += f"; the pods of {facts.stable.name} are from before the analysis and count nothing: {_RESTART}"
        return Told(Reason(rollout.judgement.reason.value), f"{step}: {seen}")
    if rollout.trouble:
        return Told(Reason.LEDGER_UNAVAILABLE, f"{step} is held: {bounded(rollout.trouble)}")
    return Told(Reason.MINIMUM_NOT_REACHED, f"{step} takes its minDurationSeconds")


def _by_record(facts: Facts) -> Told:
    record = facts.rollout.record
    assert record is not None  # noqa: S101 - the row's own predicate
    # an older operator may not know the word, and anybody may edit an annotation
    reason = Reason(record.reason) if record.reason in set(Reason) else Reason.ABORTED
    again = "name another revision, or let this one try again by `kubectl marquee retry`"
    told = f"revision {record.revision} was taken back: {bounded(record.message)}"
    return Told(reason, f"{told}; revision {facts.serving} serves; {again}")


def realised(facts: Facts) -> str:
    """The canary's share while numbers of pods are the split, beside the weight that is asked for; else empty."""
    record, target, stable = facts.rollout.open, facts.target, facts.stable
    if record is None or not record.by_pods or not facts.rollout.running or target is None or stable is None:
        return ""
    return in_words(_available(target), _available(stable), record.weight)


def _available(arm: Arm) -> int:
    return arm.deployment.available_replicas if arm.deployment is not None else 0


def _canary(facts: Facts) -> str:
    """The revision that the newest rollout is about."""
    record = facts.rollout.record
    return record.revision if record is not None else ""


def _step(facts: Facts) -> str:
    record = facts.rollout.record
    return f"step {record.step + 1} of {len(record.weights)}" if record is not None else ""


def _proof(facts: Facts) -> str:
    """By what a step was passed: a person's word, or the verdict."""
    if facts.rollout.forced:
        return f", sent on{facts.rollout.by}"
    judgement = facts.rollout.judgement
    return f": {bounded(explain(judgement))}" if judgement is not None else ""

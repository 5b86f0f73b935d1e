"""Why a decision about traffic was made, as the audit log tells it: the rule, the question, the integers, the findings.

Pure: who signs it, its number and its time come later. A question is the spec's analysis with the step's age, so that
whoever has the entry computes the same verdict from it, on another machine and without a cluster.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Final

from marquee.api.rollout import MAX_STEPS
from marquee.api.rollout_status import CohortCounts, MetricEvidence, RolloutResult
from marquee.audit.events import CohortEvidence, MetricFinding, RolloutStepped, Share, SliceGap, StepVerdict, Subject
from marquee.control.decide.approving import editor_of
from marquee.control.decide.diagnosing import bounded
from marquee.control.decide.facts import Facts
from marquee.control.decide.integers import counts_of
from marquee.control.decide.judging import evidence_of
from marquee.control.decide.table import Move, Row
from marquee.control.decide.wording import Told
from marquee.control.render.debts import Debt
from marquee.control.render.record import RolloutRecord
from marquee.control.snapshot import Decision, Snapshot
from marquee.judging.questions import Question

_ENDS: Final[dict[RolloutResult, StepVerdict]] = {
    RolloutResult.ROLLED_BACK: "Rollback",
    RolloutResult.ABORTED: "Abort",
    RolloutResult.SUPERSEDED: "Supersede",
}
_NAME_LIMIT: Final = 100
_USER_LIMIT: Final = 253
_DIGEST: Final = "sha256:"


def event_of(
    snapshot: Snapshot, facts: Facts, row: Row, told: Told, decision: Decision, before: tuple[tuple[str, int], ...]
) -> RolloutStepped:
    """The event of a decision; the actor, the version and the signature are added by whoever enters it."""
    record = facts.rollout.record
    return RolloutStepped(
        actor="",
        reason=f"{told.reason.value}: {told.message}",
        model_uid=decision.uid,
        rollout=decision.rollout,
        revision=_revision(facts, decision),
        step=decision.step,
        verdict=verdict_of(facts, row, before),
        stage=decision.stage,
        shares=shares_of(decision.shares),
        before=shares_of(before),
        rule=row.name,
        by=_asked_by(facts),
        editor=bounded(editor_of(snapshot.model), _USER_LIMIT),
        plan=record.plan if record is not None and record.name == decision.rollout else "",
        approvals=_approvals(facts),
        fairness=_gaps(facts),
        question=question_of(snapshot, facts),
        concluded=_concluded(facts),
        findings=_findings(evidence_of(facts.rollout.judgement)) if facts.rollout.judgement is not None else (),
        evidence=_evidence(counts_of(snapshot.ledger.statistics)) if snapshot.ledger is not None else (),
    )


def late_event_of(debt: Debt, record: RolloutRecord | None) -> RolloutStepped:
    """The event of what was done before it could be entered; the evidence is what the rollout's record has kept."""
    decision = debt.decision
    is_same = record is not None and record.name == decision.rollout
    kept = record if is_same and record is not None and record.result is not None else None
    return RolloutStepped(
        actor="",
        reason=debt.reason,
        model_uid=decision.uid,
        rollout=decision.rollout,
        revision=record.revision if is_same and record is not None else decision.shares[0][0],
        step=decision.step,
        verdict=debt.verdict,
        stage=decision.stage,
        shares=shares_of(decision.shares),
        before=shares_of(debt.before),
        rule=debt.rule,
        plan=record.plan if is_same and record is not None else "",
        findings=_findings(kept.evidence) if kept is not None else (),
        evidence=_evidence(kept.counts) if kept is not None else (),
        late=True,
        acted=datetime.fromisoformat(decision.acted),
    )


def verdict_of(facts: Facts, row: Row, before: tuple[tuple[str, int], ...]) -> StepVerdict:
    """What a row does, in the log's words."""
    if Move.BEGIN in row.moves:
        return "Start"
    if row.moves & (Move.ADVANCE | Move.FILL):
        return "Promote"
    if Move.SWITCH in row.moves:
        if facts.rollout.undone:
            return "Undo"
        return "Promote" if facts.rollout.open is not None else "Replace"
    if Move.WITHDRAW in row.moves and row.result is not None:
        return _ENDS[row.result]
    return "Reroute" if before else "Serve"


def question_of(snapshot: Snapshot, facts: Facts) -> str:
    """What the running step is judged by, as JSON; empty where nothing is judged."""
    spec, record = snapshot.model.spec.rollout, facts.rollout.open
    if spec.analysis is None or record is None or facts.rollout.judgement is None:
        return ""
    question = Question(
        analysis=spec.analysis,
        weights=record.weights,
        step=record.step,
        asks=spec.steps[record.step],
        elapsed_seconds=(snapshot.now - record.step_started).total_seconds(),
        promised=not record.by_pods,
    )
    return question.to_text()


def subjects_of(snapshot: Snapshot, decision: Decision) -> tuple[Subject, ...]:
    """The artifacts' digests of all who serve, and that of the spec by which it was decided."""
    subjects = [spec_subject(snapshot)]
    for name, _ in decision.shares:
        revision = snapshot.revision(name)
        if revision is not None and revision.spec.artifact.digest.startswith(_DIGEST):
            digest = revision.spec.artifact.digest.removeprefix(_DIGEST)
            subjects.append(Subject(name=f"revision/{name}", sha256=digest))
    return tuple(subjects)


def spec_subject(snapshot: Snapshot) -> Subject:
    """The spec by which something was decided."""
    metadata = snapshot.model.metadata
    spec = hashlib.sha256(snapshot.model.spec.model_dump_json(by_alias=True).encode()).hexdigest()
    return Subject(name=f"spec/{metadata.name}/{metadata.generation}", sha256=spec)


def shares_of(shares: tuple[tuple[str, int], ...]) -> tuple[Share, ...]:
    """Shares as an event has them."""
    return tuple(Share(revision=name, permille=permille) for name, permille in shares)


def _revision(facts: Facts, decision: Decision) -> str:
    record = facts.rollout.record
    if record is not None and record.name == decision.rollout:
        return record.revision
    return facts.target.name if facts.target is not None else decision.shares[0][0]


def _asked_by(facts: Facts) -> str:
    """Who has sent the command that is followed; the annotation says so, and anybody who may patch can write it."""
    rollout = facts.rollout
    if facts.kill is not None:
        return bounded(facts.kill.by, _NAME_LIMIT)
    if rollout.command is None or not (rollout.aborted or rollout.undone or rollout.forced):
        return ""
    return bounded(rollout.command.by, _NAME_LIMIT)


def _approvals(facts: Facts) -> tuple[str, ...]:
    counted = facts.approvals.counted if facts.approvals is not None else ()
    return tuple(f"{one.spec.approver} ({one.metadata.name})" for one in counted[:16])


def _gaps(facts: Facts) -> tuple[SliceGap, ...]:
    gaps = facts.fairness.gaps if facts.fairness is not None else ()
    return tuple(
        SliceGap(
            metric=one.metric, input=one.input, groups=one.groups, gap=f"{one.gap:.6g}", maximal=f"{one.maximal:.6g}"
        )
        for one in gaps
    )


def _concluded(facts: Facts) -> str:
    judgement = facts.rollout.judgement
    return judgement.conclusion if judgement is not None else ""


def _findings(found: tuple[MetricEvidence, ...]) -> tuple[MetricFinding, ...]:
    return tuple(
        MetricFinding(metric=one.metric, counts=one.counts, harm=one.harm, non_inferiority=one.non_inferiority)
        for one in found
    )


def _evidence(counts: tuple[CohortCounts, ...]) -> tuple[CohortEvidence, ...]:
    return tuple(
        CohortEvidence(
            step=one.step,
            arm=one.arm,
            exposures=one.exposures,
            requests=one.requests,
            errors=one.errors,
            slow=one.slow,
            successes={name: found.successes for name, found in one.outcomes.items()},
            sums={name: found.sum for name, found in one.outcomes.items()},
            sums_of_squares={name: found.sum_of_squares for name, found in one.outcomes.items()},
        )
        for one in counts[: 2 * MAX_STEPS]
    )

"""What is true of the newest rollout: whose it is, how far it has come, what its evidence and its people say."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

from marquee.api.model_revision import ModelRevision
from marquee.api.rollout import Approval
from marquee.api.rollout_status import RolloutResult
from marquee.contract.command import ANNOTATION_COMMAND, Action, Command, read_command
from marquee.control.decide.diagnosing import bounded
from marquee.control.decide.judging import judge, stage_of
from marquee.control.render import names
from marquee.control.render.record import RolloutRecord, plan_digest, read_record
from marquee.control.snapshot import Child, Snapshot
from marquee.evidence.errors import EvidenceError
from marquee.evidence.rule import Judgement, Reason, Verdict

_REJECTED = frozenset({RolloutResult.ROLLED_BACK, RolloutResult.ABORTED})
_BY_PLAN = _REJECTED | {None}
"""Results that another plan changes the meaning of."""
_NAME_LIMIT = 100
"""Characters of a person's name in a message: anybody may write any length into an annotation."""


@dataclass(frozen=True, slots=True)
class RolloutFacts:
    """The newest rollout beside what the spec asks for."""

    record: RolloutRecord | None = None
    stepped: bool = False
    """The wanted revision takes over step by step."""
    running: bool = False
    """The record is that of the wanted revision by the present plan, and has no result yet."""
    overtaken: bool = False
    """It has no result yet, and is about another revision or by another plan."""
    replanned: bool = False
    """The same, and only the plan is another one."""
    rejected: bool = False
    """The wanted revision was rolled back or aborted by the present plan, or its promotion is undone."""
    undone: bool = False
    """It was promoted, it serves, and a person wants the revision before back."""
    judgement: Judgement | None = None
    trouble: str = ""
    """Why there is no judgement although there should be one."""
    passed: bool = False
    """The step has what it asks for."""
    approved: bool = False
    """The step may be left without a person's word."""
    command: Command | None = None
    """The newest command, when it is about this rollout."""
    paused_by_spec: bool = False
    by_pods: bool = False
    """It is, and numbers of pods are the split."""
    unjudged: bool = False
    """The spec has an analysis and the operator no ledger."""

    @property
    def open(self) -> RolloutRecord | None:
        """The record of a rollout that has not ended."""
        return self.record if self.record is not None and self.record.result is None else None

    @property
    def ended(self) -> bool:
        """There is a rollout, and it has ended."""
        return self.record is not None and self.record.result is not None

    @property
    def on_last_step(self) -> bool:
        """No step follows the present one."""
        return self.record is not None and self.record.is_last_step

    @property
    def forced(self) -> bool:
        """A person lets it go on from this very step."""
        return (
            self.running
            and _says(self.command, Action.PROMOTE)
            and self.command is not None
            and self.record is not None
            and self.command.step == self.record.step
        )

    @property
    def free(self) -> bool:
        """Nothing keeps it on its step."""
        return (self.passed and self.approved) or self.forced or self.filling

    @property
    def filling(self) -> bool:
        """It has left its last step, and waits for the pods that it needs alone."""
        return self.running and self.record is not None and self.record.filling

    @property
    def undecidable(self) -> bool:
        """A verdict can never be reached, and nobody has said to do without."""
        return self.unjudged and not self.forced and not self.filling

    @property
    def aborted(self) -> bool:
        """A person ends it."""
        return _says(self.command, Action.ABORT)

    @property
    def paused(self) -> bool:
        """The spec or a person keeps it where it is."""
        return self.paused_by_spec or self.paused_by_command

    @property
    def paused_by_command(self) -> bool:
        """A person does."""
        return self.running and _says(self.command, Action.PAUSE)

    @property
    def by(self) -> str:
        """Who has given the command, for a sentence's end."""
        by = bounded(self.command.by, _NAME_LIMIT) if self.command is not None else ""
        return f" by {by}" if by else ""

    @property
    def harmful(self) -> bool:
        """The verdict is to roll back."""
        return self.judgement is not None and self.judgement.verdict is Verdict.ROLLBACK

    def halted(self) -> RolloutFacts:
        """The same with the kill switch engaged: nothing goes on, and nobody is asked."""
        return replace(
            self,
            stepped=False,
            running=False,
            overtaken=False,
            replanned=False,
            rejected=False,
            undone=False,
            passed=False,
            approved=False,
            command=None,
            paused_by_spec=False,
            by_pods=False,
        )


def remembered(service: Child | None) -> RolloutRecord | None:
    """The newest rollout, as the model's Service remembers it."""
    return read_record(service.annotations.get(names.ANNOTATION_ROLLOUT)) if service is not None else None


def gather_rollout(
    snapshot: Snapshot, service: Child | None, serving: str | None, wanted: ModelRevision | None
) -> RolloutFacts:
    """The facts; ``wanted`` is what the spec resolves to, before a rejection is taken into account.

    While the spec resolves to nothing, a rollout under way is still looked at: its users must not be left alone with
    a canary because a name was misspelled.
    """
    model, spec = snapshot.model, snapshot.model.spec.rollout
    record = remembered(service)
    unjudged = spec.analysis is not None and snapshot.ledger is None
    if record is None or (wanted is None and (record.result is not None or serving is None)):
        return RolloutFacts(
            record,
            stepped=bool(spec.steps),
            by_pods=model.spec.splits_by_pods,
            paused_by_spec=spec.paused,
            unjudged=unjudged,
        )
    command = read_command(model.metadata.annotations.get(ANNOTATION_COMMAND))
    if command is not None and command.rollout != record.name:
        command = None
    is_same = wanted is None or (record.revision, record.digest) == (wanted.metadata.name, wanted.spec.artifact.digest)
    # what was promoted or overtaken stays so by any plan: most models, at every look, need no digest
    is_planned = is_same and record.result in _BY_PLAN and record.plan == plan_digest(model)
    is_beside = serving != record.revision
    undone = is_same and not is_beside and record.result is RolloutResult.PROMOTED and _says(command, Action.UNDO)
    rejected = undone or (is_planned and record.result in _REJECTED and not _says(command, Action.RETRY))
    running = is_planned and is_beside and record.result is None and _has_weights(snapshot, record)
    judgement, trouble = _judge(snapshot, record) if running else (None, "")
    return RolloutFacts(
        record,
        stepped=bool(spec.steps) and not rejected,
        by_pods=model.spec.splits_by_pods and not rejected,
        running=running,
        overtaken=record.result is None and not running,
        replanned=record.result is None and is_same and not running,
        rejected=rejected,
        undone=undone,
        judgement=judgement,
        trouble=trouble,
        passed=running and _has_passed(snapshot, record, judgement),
        approved=running and spec.steps[record.step].approval is Approval.AUTOMATIC,
        command=command,
        paused_by_spec=spec.paused and not rejected,
        unjudged=unjudged,
    )


def next_look(snapshot: Snapshot, record: RolloutRecord) -> float | None:
    """Seconds until time alone may change the verdict; what the ledger learns is told by its follower."""
    step = snapshot.model.spec.rollout.steps[record.step]
    bounds = [step.min_duration_seconds, step.max_duration_seconds or 0]
    ends = [(record.step_started + timedelta(seconds=bound) - snapshot.now).total_seconds() for bound in bounds]
    return min((seconds for seconds in ends if seconds > 0), default=None)


def _has_weights(snapshot: Snapshot, record: RolloutRecord) -> bool:
    """Whether its weights are the plan's, as they are unless somebody has edited the annotation."""
    return record.weights == tuple(step.weight for step in snapshot.model.spec.rollout.steps)


def _judge(snapshot: Snapshot, record: RolloutRecord) -> tuple[Judgement | None, str]:
    """The judgement, or why there is none.

    While the ledger can't be read, its last integers are good for one thing: harm that they show stays shown. That
    time is up says nothing then.
    """
    rollout, reading = snapshot.model.spec.rollout, snapshot.ledger
    if rollout.analysis is None or reading is None:
        return None, ""
    away = f"the ledger can't be read: {reading.failure or 'no answer yet'}; weights stay until it can"
    if reading.statistics is None:
        return None, away
    try:
        judgement = judge(rollout.steps, rollout.analysis, record, reading.statistics, snapshot.now)
    except EvidenceError as error:
        return None, f"the ledger's counts allow no verdict: {error}"
    if reading.failure and judgement.reason is not Reason.HARM_SHOWN:
        return None, away
    return judgement, ""


def _has_passed(snapshot: Snapshot, record: RolloutRecord, judgement: Judgement | None) -> bool:
    if judgement is not None:
        return judgement.verdict is Verdict.PROMOTE
    if snapshot.model.spec.rollout.analysis is not None:
        return False
    stage = stage_of(snapshot.model.spec.rollout.steps[record.step], record, snapshot.now)
    return stage.elapsed_seconds >= stage.min_duration_seconds


def _says(command: Command | None, action: Action) -> bool:
    return command is not None and command.action is action

"""What is logged: one predicate for each kind of event, all of them with a model, a number and a time.

A statement's subjects are what an event is about, by SHA-256: a revision's artifact, a spec, a policy, stored evidence.
Numbers are integers or text, never floats, so that what is read back is what was judged. No personal data of those
whom a model decides about: they appear as keyed commitments (`Commitment`).
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

PREDICATES: Final = "https://marquee.dev/audit/"
INSTALLATION: Final = "*"
"""The name under which events of no single model are numbered."""

Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
ModelKey = Annotated[str, StringConstraints(pattern=r"^(\*|[a-z0-9-]{1,63}/[a-z0-9.-]{1,63})$")]
Commitment = Annotated[str, StringConstraints(pattern=r"^hmac-sha256:[0-9a-f]{64}$")]
"""Keyed HMAC of a subject's identifier: without the key it says nothing, and the key can be destroyed."""
Text = Annotated[str, StringConstraints(max_length=2_000)]
Decimal = Annotated[str, StringConstraints(pattern=r"^-?[0-9]{1,40}(\.[0-9]{1,20})?$")]


class AuditModel(BaseModel):
    """Frozen, camelCase on the wire, closed against unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", alias_generator=to_camel, populate_by_name=True)


class Stamp(AuditModel):
    """Where an event stands: the n-th of its model, and when."""

    model: ModelKey
    sequence: int = Field(ge=1, description="1, 2, 3, ... for each model without a gap, so that an omission shows")
    time: AwareDatetime
    clock_behind_seconds: int = Field(
        default=0, ge=0, description="how far the clock stood behind the entry before; the time is then that entry's"
    )
    previous: int | None = Field(
        default=None, ge=0, description="index of the model's entry before; its first has none"
    )
    author: Text = Field(default="", description="public key of who signed it: said here, trusted by a policy only")


class Event(AuditModel):
    """What happened; ``KIND`` is the last part of the predicate type."""

    KIND: ClassVar[str]

    actor: Text = Field(description="who did it: a user or service account as authenticated, or a part of Marquee")
    reason: Text = ""


class ApprovalChanged(Event):
    """Somebody approved a revision's digest, or an approval ended."""

    KIND = "approval-changed/v1"
    revision: Text
    approval: Text
    change: Literal["Given", "Expired", "Voided", "Withdrawn"]
    expires: AwareDatetime | None = None
    approver: Text = Field(default="", description="who, as authenticated at admission")
    approval_uid: Text = ""
    model_uid: Text = ""
    code: Text = Field(default="", description="version of the operator")


class CohortEvidence(AuditModel):
    """The integers of one arm of one step that a verdict was computed from."""

    step: int = Field(ge=0)
    arm: Literal["canary", "stable"]
    exposures: int = Field(ge=0)
    requests: int = Field(default=0, ge=0)
    errors: int = Field(default=0, ge=0)
    slow: int = Field(default=0, ge=0)
    successes: dict[str, int] = {}
    sums: dict[str, Decimal] = {}
    sums_of_squares: dict[str, Decimal] = {}


class Share(AuditModel):
    """The share of users that a revision is about to get."""

    revision: Text
    permille: int = Field(ge=0, le=1000)


class MetricFinding(AuditModel):
    """What the integers say about one metric, in words: e-values beside the ones that they are held against."""

    metric: Text
    counts: Text
    harm: Text
    non_inferiority: Text


class SliceGap(AuditModel):
    """How far groups of an input are apart, in the figures that the revision tells of itself."""

    metric: Text
    input: Text
    groups: int = Field(ge=2, description="that were compared")
    gap: Text
    maximal: Text = Field(description="that spec.governance.fairness allows")


StepVerdict = Literal[
    "Serve", "Start", "Hold", "Promote", "Rollback", "Abort", "Undo", "Supersede", "Replace", "Reroute"
]


class RolloutStepped(Event):
    """Who serves whom from now on, by which step of a rollout, why, and on what evidence.

    It comes before the write that it is about. An entry that nothing followed, because what it was decided from had
    changed meanwhile, is followed by another one.
    """

    KIND = "rollout-stepped/v1"
    model_uid: Text = Field(default="", description="of the MarketingModel: one of the same name made anew is another")
    rollout: Text = Field(description="its name in the ledger; empty where a revision takes over without steps")
    revision: Text = Field(description="the one that the decision is about")
    step: int = Field(ge=0, description="from 0")
    verdict: StepVerdict
    stage: Annotated[str, StringConstraints(max_length=32)] = Field(
        default="", description="where the rollout stands when it is done"
    )
    shares: tuple[Share, ...] = Field(default=(), max_length=16, description="who answers users when it is done")
    before: tuple[Share, ...] = Field(default=(), max_length=16, description="who answers them until then")
    rule: Text = Field(default="", description="row of the state table, see docs/states.md")
    by: Text = Field(default="", description="person who asked for it, as the command's annotation says: unchecked")
    editor: Text = Field(
        default="",
        description="who has changed the spec last in what approvals are about, as authenticated at admission; empty "
        "where nobody says",
    )
    plan: Text = Field(default="", description="digest of steps, analysis, assignment and slo")
    approvals: tuple[Text, ...] = Field(
        default=(), max_length=16, description="who has approved the revision, and by which ModelApproval"
    )
    fairness: tuple[SliceGap, ...] = Field(
        default=(), max_length=16, description="what spec.governance.fairness was judged by"
    )
    question: Annotated[str, StringConstraints(max_length=16_000)] = Field(
        default="",
        description="JSON: what the step was judged by, with its age; with the evidence it gives the verdict",
    )
    concluded: Text = Field(default="", description="the evidence's verdict and its reason; empty where none was asked")
    findings: tuple[MetricFinding, ...] = Field(default=(), max_length=32)
    evidence: tuple[CohortEvidence, ...] = Field(default=(), max_length=200)
    code: Text = Field(default="", description="version of the operator")
    late: bool = Field(default=False, description="written after the act, because the log was not to be had")
    acted: AwareDatetime | None = Field(default=None, description="of a late one: when it was acted upon")


class DriftJudged(Event):
    """The verdict on what a revision sees has become another; the digest of the window's counters is a subject."""

    KIND = "drift-judged/v1"
    revision: Text
    verdict: Literal["Stable", "Investigate", "Retrain", "BrokenFeed"]
    window_start: AwareDatetime
    window_end: AwareDatetime
    rows: int = Field(ge=0)
    suspects: tuple[Text, ...] = Field(default=(), max_length=16, description="inputs that the verdict is about")
    model_uid: Text = ""
    code: Text = Field(default="", description="version of the operator")


class ComparedFigure(AuditModel):
    """One metric of the contenders, as text."""

    metric: Text
    challenger: Text
    champion: Text = ""
    baseline: Text = ""


class RetrainingChanged(Event):
    """A retraining started, finished, or was stopped by its gate.

    What starts a run or makes a revision of its candidate comes after its entry. The artifact's digest is a subject.
    """

    KIND = "retraining-changed/v1"
    run: Text
    change: Literal["Started", "Finished", "Failed", "GatePassed", "GateRefused"]
    model_uid: Text = Field(default="", description="of the MarketingModel: one of the same name made anew is another")
    trigger: Text = Field(default="", description="its kind and what tells it from others of the kind")
    window_start: AwareDatetime | None = None
    window_end: AwareDatetime | None = None
    seed: int | None = Field(default=None, ge=0)
    outcome: Text = Field(default="", description="one word: why it failed, or what the gate says")
    rows: int | None = Field(default=None, ge=0, description="that the figures are of")
    champion: Text = Field(default="", description="revision that the candidate was compared with")
    figures: tuple[ComparedFigure, ...] = Field(default=(), max_length=8)
    code: Text = Field(default="", description="version of the operator")


class KillSwitchTurned(Event):
    """Traffic went to the fallback, or came back. The one entry that may follow its act."""

    KIND = "kill-switch-turned/v1"
    engaged: bool
    late: bool = Field(default=False, description="written after the act, because the log was not to be had")
    halt_milliseconds: int | None = Field(
        default=None, ge=0, description="from the turn until nobody was sent anywhere but to the fallback"
    )
    turned: AwareDatetime | None = Field(
        default=None, description="when it was turned; without a clock of people's, seen"
    )
    by: Text = Field(default="", description="person who turned it, as the annotation says: unchecked")
    model_uid: Text = ""
    shares: tuple[Share, ...] = Field(default=(), max_length=16, description="who answers users then")
    code: Text = Field(default="", description="version of the operator")


class FreezeTold(AuditModel):
    """One PromotionFreeze; days as its spec has them."""

    namespace: Annotated[str, StringConstraints(max_length=63)]
    name: Annotated[str, StringConstraints(max_length=253)]
    uid: Annotated[str, StringConstraints(max_length=64)] = ""
    first: Annotated[str, StringConstraints(max_length=10)] = Field(default="", description="empty: from now on")
    last: Annotated[str, StringConstraints(max_length=10)] = Field(default="", description="empty: without an end")
    time_zone: Annotated[str, StringConstraints(max_length=64)] = Field(
        default="", description="empty: the operator cannot read it, and it holds"
    )
    reason: Annotated[str, StringConstraints(max_length=128)] = ""
    by: Annotated[str, StringConstraints(max_length=253)] = Field(
        default="", description="who has changed it last, as authenticated at admission; empty where nobody says"
    )


class FreezesChanged(Event):
    """Which PromotionFreezes there are from here on, all of them, whenever that becomes another list.

    Numbered for ``NAMESPACE/.freezes``, where NAMESPACE is the operator's own: those in it are over all models. Nothing
    waits for the entry: a freeze holds from when it is seen.
    """

    KIND = "freezes-changed/v1"
    freezes: tuple[FreezeTold, ...] = Field(default=(), max_length=40)
    more: int = Field(default=0, ge=0, description="so many others are not listed")
    code: Text = Field(default="", description="version of the operator")


class SubjectErased(Event):
    """The key of a data subject is destroyed next, by the ledger; old proofs still verify."""

    KIND = "subject-erased/v1"
    commitment: Commitment = Field(description="HMAC under the subject's own key: with the key, its meaning is gone")
    concerned: ModelKey = Field(default=INSTALLATION, description="the model that knew the subject")


class KeyRotated(Event):
    """Another key signs checkpoints from here on."""

    KIND = "key-rotated/v1"
    retired: Text
    successor: Text


EVENTS: Final[dict[str, type[Event]]] = {
    PREDICATES + kind.KIND: kind
    for kind in (
        ApprovalChanged, RolloutStepped, DriftJudged, RetrainingChanged, KillSwitchTurned,
        FreezesChanged, SubjectErased, KeyRotated,
    )
}  # fmt: skip


class Subject(AuditModel):
    """Something that an event is about."""

    name: Text
    sha256: Digest


def instant(time: datetime) -> str:
    """A time as entries have it: UTC, milliseconds."""
    return time.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def predicate_of(stamp: Stamp, event: Event) -> dict[str, Any]:
    """The predicate's JSON."""
    stamped = {"model": stamp.model, "sequence": stamp.sequence, "time": instant(stamp.time)}
    if stamp.clock_behind_seconds:
        stamped["clockBehindSeconds"] = stamp.clock_behind_seconds
    if stamp.previous is not None:
        stamped["previous"] = stamp.previous
    if stamp.author:
        stamped["author"] = stamp.author
    return stamped | event.model_dump(mode="json", by_alias=True, exclude_none=True)

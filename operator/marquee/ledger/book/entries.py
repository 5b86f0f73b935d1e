"""What can be entered in the book. An entry has been authenticated and checked as far as it can be without the book."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import NamedTuple

from marquee.contract.drift import DriftBatch, ProfileReport
from marquee.contract.exposures import ExposureBatch
from marquee.contract.ledger import CountsBatch, MetricDeclaration, OutcomeStatus, RolloutDeclaration
from marquee.contract.stamping import Stamping
from marquee.ledger.book.sealing import KeyRing


class RolloutKey(NamedTuple):
    """Names one rollout in the whole installation."""

    model: str
    """``namespace/name``."""
    name: str

    def __str__(self) -> str:
        return f"{self.model}/{self.name}"


@dataclass(frozen=True, slots=True)
class Scored:
    """Which score an outcome's prediction had."""

    model: str
    """``namespace/name``."""
    revision: str
    slice: int
    """Of 15 minutes, of the prediction."""
    bin: int


@dataclass(frozen=True, slots=True)
class Outcome:
    """An outcome whose prediction id has been verified."""

    rollout: RolloutKey | None
    """None: predicted outside of any."""
    unit: int
    """Unit hash, as a signed 64-bit number."""
    prediction: int
    """First 8 bytes of the prediction id's signature, as a signed number: unique for a unit's predictions."""
    name: str
    value: Decimal
    """Finite, not negative."""
    scored: Scored | None = None
    """None: the prediction's id does not say."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the book did with an outcome."""

    status: OutcomeStatus
    reason: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Declare:
    """A rollout and its metrics."""

    rollout: RolloutKey
    declaration: RolloutDeclaration


@dataclass(frozen=True, slots=True)
class Close:
    """A rollout that is over: nothing is added any more, and the rows of its units may go."""

    rollout: RolloutKey


@dataclass(frozen=True, slots=True)
class Stamp:
    """A step that pods stamp their requests with, from soon on."""

    rollout: RolloutKey
    wanted: Stamping


@dataclass(frozen=True, slots=True)
class EndStamping:
    """No pod stamps for this rollout any more."""

    rollout: RolloutKey


@dataclass(frozen=True, slots=True)
class Expose:
    """A batch of exposures, with the digest of its bytes."""

    batch: ExposureBatch
    digest: int


@dataclass(frozen=True, slots=True)
class Count:
    """A batch of counts, with the digest of its content."""

    batch: CountsBatch
    digest: int


@dataclass(frozen=True, slots=True)
class Report:
    """Outcomes of one request."""

    outcomes: Sequence[Outcome]


@dataclass(frozen=True, slots=True)
class Describe:
    """Over which bins the pods of a revision count."""

    report: ProfileReport


@dataclass(frozen=True, slots=True)
class CountDrift:
    """A batch of drift counters, with the digest of its bytes."""

    batch: DriftBatch
    digest: int


@dataclass(frozen=True, slots=True)
class DeclarePerformance:
    """By which outcome a model's performance is counted from now on."""

    model: str
    """``namespace/name``."""
    metric: MetricDeclaration


@dataclass(frozen=True, slots=True)
class Sealable:
    """A decision about a subject, before it is sealed."""

    unit: bytes
    """The subject's hash, 8 bytes."""
    milliseconds: int
    """Since 1970."""
    plaintext: bytes
    """JSON."""


@dataclass(frozen=True, slots=True)
class Keep:
    """A batch of logged decisions, with the digest of its content."""

    batch_id: bytes
    digest: int
    model: str
    revision: str
    retention_days: int
    decisions: Sequence[Sealable]
    ring: KeyRing


@dataclass(frozen=True, slots=True)
class Suppress:
    """Subjects that a model's pods withhold from now on, or no more."""

    model: str
    units: Sequence[bytes]
    listed: bool


@dataclass(frozen=True, slots=True)
class MarkErased:
    """A subject is to be forgotten: from here on nothing of it is told, and the ledger does not forget to finish."""

    model: str
    unit: bytes
    suppress: bool
    log_size: int
    """Entries of the audit log at this moment: what is said there of the erasure comes later."""
    actor: str
    ground: str
    ring: KeyRing


@dataclass(frozen=True, slots=True)
class DestroyKey:
    """A marked subject's key goes; what is sealed with it says nothing any more."""

    subject_id: int


@dataclass(frozen=True, slots=True)
class Forget:
    """Of a subject whose key is gone, the rest goes, and the mark."""

    subject_id: int
    entry: int | None = None
    """Index in the audit log of what says so."""


@dataclass(frozen=True, slots=True)
class MarkAgain:
    """Subjects that were forgotten once, and are back since an older copy of the database was restored."""

    promises: Mapping[int, Promise]
    """By the id of their rows."""
    newest: int
    """Index of the newest entry about an erasure: none up to it is looked for again."""


@dataclass(frozen=True, slots=True)
class Promise:
    """What the audit log says of an erasure."""

    entry: int
    model: str
    actor: str
    ground: str
    unit: bytes = b""


class Ending(StrEnum):
    """How a rollout ended that somebody else moves."""

    PROMOTED = "Promoted"
    ROLLED_BACK = "RolledBack"
    SUPERSEDED = "Superseded"


@dataclass(frozen=True, slots=True)
class Begin:
    """A rollout that somebody else moves begins, and ends the one that is under way."""

    rollout: RolloutKey
    asked: str
    """Name that the controller has for it; ``rollout`` may have a number at its end, see ``attempt``."""
    attempt: int
    content: str
    """JSON: what it is judged by."""
    declaration: RolloutDeclaration
    step: int
    """-1: before the first."""


@dataclass(frozen=True, slots=True)
class Turn:
    """Such a rollout goes on to a step, or ends; only when it is still at the step that this was decided on."""

    rollout: RolloutKey
    before: int
    after: int
    answer: str = ""
    """JSON: what the controller is told, kept in case that it asks again. Empty: the one before is kept."""
    ending: Ending | None = None


@dataclass(frozen=True, slots=True)
class Sweep:
    """A slice of work that may wait: rows of closed rollouts and batch ids that nobody will send again."""

    limit: int = 20_000
    """Most rows that go in one transaction."""
    ring: KeyRing | None = None
    """Master keys, to put subjects of older ones under the newest; None: they stay."""


Entry = (
    Declare | Close | Begin | Turn | Stamp | EndStamping | Expose | Count | Report | Describe | CountDrift
    | DeclarePerformance | Keep | Suppress | MarkErased | MarkAgain | DestroyKey | Forget | Sweep
)  # fmt: skip


@dataclass(slots=True)
class Reply:
    """What an entry comes to; only the part that belongs to its kind is filled."""

    duplicate: bool = False
    """The batch had been taken before, the rollout had begun, or it had moved on: nothing was changed."""
    judgements: list[Judgement] = field(default_factory=list)
    more: bool = False
    """A sweep left something to do."""
    changed: int = 0
    """Subjects that were put on a suppression list, or taken off; decisions that went with a key."""
    revision: int = 0
    """Of the suppression list after it."""

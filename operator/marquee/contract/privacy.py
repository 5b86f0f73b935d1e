"""Personal data on its way: consent tokens, withheld subjects, sampled decisions, erasure.

A *subject* is a unit of a model: whoever a prediction is about, by `marquee.contract.assignment.unit_hash`. No
identifier leaves the caller's request: what travels and is stored is the hash, and decisions about a subject are stored
under a key of the subject's own, which an erasure destroys.
"""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import AwareDatetime, Field, StringConstraints, model_validator

from marquee.contract.assignment import ModelPath, RolloutName
from marquee.contract.ledger import ArmName, BatchId, UnitName
from marquee.contract.manifest import ContractModel, FieldName

HEADER_PURPOSES: Final = "marquee-purposes"
"""What the subject has consented to, separated by commas, where the caller is believed."""
HEADER_PURPOSE_TOKEN: Final = "marquee-purpose-token"  # noqa: S105 - a name
"""The same, signed: a JWT (RFC 7519) by HS256, see `PurposeClaims`."""
HEADER_WITHHELD: Final = "marquee-withheld"
"""Of an answer that is no prediction: why, ``consent`` or ``suppressed``."""

PREDICTION_LOG_PATH: Final = "/v1/prediction-log"
SUPPRESSIONS_PATH: Final = "/v1/suppressions"
ERASURES_PATH: Final = "/v1/erasures"

MAX_PURPOSES: Final = 8
MAX_LOGGED_INPUTS: Final = 32
MAX_RECORDS: Final = 1_000
"""Decisions in one batch."""
MAX_SUBJECTS: Final = 10_000
"""Subjects in one request, or in one page of an answer."""
SHORTEST_RETENTION_DAYS: Final = 180
"""Six months: how long a deployer of a high-risk system keeps its logs at least (Regulation (EU) 2024/1689, article
26(6))."""
LONGEST_RETENTION_DAYS: Final = 3_650

Purpose = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,62}$")]
UnitHash = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{16}$")]
"""The 8 bytes of `unit_hash` as hexadecimal digits."""
WrittenName = Annotated[str, StringConstraints(min_length=1, max_length=63)]
"""Of an input or output as people wrote it: whether the artifact has it, the pod says."""
LoggedValue = float | Annotated[str, StringConstraints(max_length=256)] | None


class PurposeClaims(ContractModel):
    """The claims of a purpose token; others are ignored."""

    model_config = ContractModel.model_config | {"extra": "ignore"}

    sub: UnitHash = Field(description="whom it is about: a token of one subject is none for another")
    aud: ModelPath = Field(description="the model that it is for")
    exp: int = Field(description="until when, in seconds since 1970")
    purposes: tuple[Purpose, ...] = Field(max_length=64)


class PrivacySettings(ContractModel):
    """What a predictor pod is told of ``spec.privacy``, as JSON in one variable."""

    purposes: tuple[Purpose, ...] = Field(default=(), max_length=MAX_PURPOSES)
    """All of them are needed for a prediction; none: no consent is asked for."""
    by_token: bool = False
    """Whether only a signed token is believed."""
    withheld_answer: dict[WrittenName, float] | None = None
    """What is answered instead, by output; None: such a request is refused."""
    log_permille: int = Field(default=0, ge=0, le=1_000)
    """Share of subjects whose decisions are logged."""
    log_inputs: tuple[WrittenName, ...] = Field(default=(), max_length=MAX_LOGGED_INPUTS)
    log_retention_days: int = Field(
        default=SHORTEST_RETENTION_DAYS, ge=SHORTEST_RETENTION_DAYS, le=LONGEST_RETENTION_DAYS
    )


class LoggedDecision(ContractModel):
    """One prediction as it is kept: of the inputs those that the spec allows, by name."""

    subject: UnitHash
    milliseconds: int = Field(ge=0, lt=2**48, description="since 1970, by the pod's clock")
    rollout: RolloutName | None = None
    arm: ArmName | None = None
    inputs: dict[FieldName, LoggedValue] = Field(default={}, max_length=MAX_LOGGED_INPUTS)
    outputs: dict[FieldName, float] = Field(max_length=100)
    reasons: dict[FieldName, float] = Field(
        default={}, max_length=MAX_LOGGED_INPUTS, description="attributions of the inputs that weighed most"
    )


class PredictionLogBatch(ContractModel):
    """``POST /v1/prediction-log`` by a pod of the model: kept once for a batch id; answered with a `BatchReceipt`."""

    batch_id: BatchId
    model: ModelPath
    revision: Annotated[str, StringConstraints(min_length=1, max_length=63)]
    retention_days: int = Field(ge=SHORTEST_RETENTION_DAYS, le=LONGEST_RETENTION_DAYS)
    decisions: tuple[LoggedDecision, ...] = Field(min_length=1, max_length=MAX_RECORDS)


class KeptDecision(LoggedDecision):
    """A decision as it is given back to whoever answers for it."""

    revision: str
    expires: AwareDatetime


class SubjectReply(ContractModel):
    """``GET /v1/prediction-log/{namespace}/{model}?unit=...`` (or ``unitHash=``): all that is kept of a subject."""

    model: ModelPath
    subject: UnitHash
    suppressed: bool
    decisions: tuple[KeptDecision, ...]
    next: str | None = Field(default=None, description="give it as ``after`` for the next page; null: that was all")


class Subjects(ContractModel):
    """Subjects by their identifiers, or by their hashes where identifiers do not leave the caller."""

    units: tuple[UnitName, ...] = Field(default=(), max_length=MAX_SUBJECTS)
    unit_hashes: tuple[UnitHash, ...] = Field(default=(), max_length=MAX_SUBJECTS)
    reason: Annotated[str, StringConstraints(max_length=200)] = ""

    @model_validator(mode="after")
    def _somebody(self) -> Subjects:
        if not self.units and not self.unit_hashes:
            raise ValueError("name at least one subject in units or unitHashes")
        return self


class SuppressionReceipt(ContractModel):
    """The answer to ``POST`` (suppress) and ``DELETE`` (no more) of ``/v1/suppressions/{namespace}/{model}``."""

    changed: int
    revision: int
    """Of the model's list after it."""


class SuppressionsReply(ContractModel):
    """``GET /v1/suppressions/{namespace}/{model}?after=...``: who is withheld, by pages in the order of the hashes.

    Pods and trainers read it; ``If-None-Match`` with the list's revision answers 304 where nothing has changed.
    """

    revision: int = Field(ge=0, description="grows with every change of the list; 0: it was never changed")
    units: tuple[UnitHash, ...] = Field(max_length=MAX_SUBJECTS)
    next: UnitHash | None = Field(default=None, description="the last hash of a page that is not the last")


class ErasureRequest(ContractModel):
    """``POST /v1/erasures``: forget somebody, for one model or for all that the sender answers for."""

    unit: UnitName | None = None
    unit_hash: UnitHash | None = Field(default=None, description="of one model's subject; then name the model")
    model: ModelPath | None = None
    suppress: bool = Field(default=True, description="whether the subject is suppressed from now on too")
    reason: Annotated[str, StringConstraints(max_length=200)] = ""

    @model_validator(mode="after")
    def _one_subject(self) -> ErasureRequest:
        if (self.unit is None) == (self.unit_hash is None):
            raise ValueError("name the subject by unit or by unitHash, and by one of them")
        if self.unit_hash is not None and self.model is None:
            raise ValueError("model: a unitHash is that of one model; name it")
        return self


class Erased(ContractModel):
    """What was forgotten of one model."""

    model: ModelPath
    decisions: int
    """That nobody can read any more."""
    commitment: str
    """What the audit log says instead of a name: ``hmac-sha256:`` and 64 hexadecimal digits."""
    index: int | None = None
    """Of the entry in the audit log; None: there is no log here."""


class ErasureReceipt(ContractModel):
    """The answer to an erasure: the keys are gone."""

    erased: tuple[Erased, ...]
    """Models that knew the subject."""

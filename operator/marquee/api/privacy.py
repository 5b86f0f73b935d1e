"""``spec.privacy``: what a person must have consented to, what is answered otherwise, and which decisions are kept."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field, StringConstraints

from marquee.api.types import ApiModel, ResourceName, cel, extension, rules
from marquee.contract.privacy import (
    LONGEST_RETENTION_DAYS,
    MAX_LOGGED_INPUTS,
    MAX_PURPOSES,
    SHORTEST_RETENTION_DAYS,
)

MAX_OUTPUTS = 16

PurposeName = Annotated[
    str,
    StringConstraints(min_length=1, max_length=63),
    Field(
        json_schema_extra=rules(
            cel("self.matches('^[a-z][a-z0-9-]*$')", "must be a small letter, then small letters, digits or hyphens")
        )
    ),
]
InputName = Annotated[str, StringConstraints(min_length=1, max_length=63)]


class Proof(StrEnum):
    """How a request shows what its subject has consented to."""

    HEADER = "Header"
    TOKEN = "Token"  # noqa: S105 - a word


class Consent(ApiModel):
    """What a prediction needs its subject's consent for."""

    purposes: tuple[PurposeName, ...] = Field(
        min_length=1,
        max_length=MAX_PURPOSES,
        description="All of them must be among the request's.",
        json_schema_extra=extension(list_type="set"),
    )
    proof: Proof = Field(
        default=Proof.HEADER,
        description="Header: the caller is believed, marquee-purposes lists them. Token: only a signed "
        "marquee-purpose-token counts.",
    )
    keys_secret: ResourceName | None = Field(
        default=None,
        description="Secret with the tokens' keys: each is named by its key id (kid) and holds at least 32 bytes, in "
        "hexadecimal digits. All that are there count, so keys can be rotated.",
    )

    model_config = ApiModel.model_config | {
        "json_schema_extra": rules(
            cel(
                "(self.proof == 'Token') == has(self.keysSecret)",
                "proof Token needs keysSecret, the Secret with the keys that tokens are signed with; Header needs none",
                field_path=".keysSecret",
            )
        )
    }


class PredictionLog(ApiModel):
    """Decisions that are kept to be explained later; erased with their subject."""

    subject_permille: int = Field(
        ge=1, le=1000, description="Share of subjects, chosen by their hash, whose decisions are kept: all or none."
    )
    inputs: tuple[InputName, ...] = Field(
        default=(),
        max_length=MAX_LOGGED_INPUTS,
        description="Inputs that are kept; no other leaves the pod.",
        json_schema_extra=extension(list_type="set"),
    )
    retention_days: int = Field(
        default=SHORTEST_RETENTION_DAYS,
        ge=SHORTEST_RETENTION_DAYS,
        le=LONGEST_RETENTION_DAYS,
        description="After which a decision is deleted; not less than six months.",
    )


class Privacy(ApiModel):
    """Personal data of those whom the model decides about. Subjects on the suppression list are always withheld."""

    consent: Consent | None = None
    withheld_answer: dict[InputName, float] | None = Field(
        default=None,
        min_length=1,
        max_length=MAX_OUTPUTS,
        description="By output, what is answered where there is no consent or the subject is suppressed: the same for "
        "everybody, such as the average. Without it such a request is refused with 403.",
    )
    prediction_log: PredictionLog | None = Field(default=None, description="Without it no decision is kept.")

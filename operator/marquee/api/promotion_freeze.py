"""`PromotionFreeze`: no revision gets more users, in a namespace or everywhere, while it stands."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints

from marquee.api.metadata import Metadata
from marquee.api.schedule import TimeZone
from marquee.api.types import API_VERSION, ApiModel, cel, rules


class PromotionFreezeSpec(ApiModel):
    """Which days. Without any it holds as long as it exists."""

    first: dt.date | None = Field(
        default=None,
        description="The first day, as 2026-11-20. Left out: from now on.",
        json_schema_extra={"maxLength": 10},
    )
    last: dt.date | None = Field(
        default=None,
        description="The last day; it belongs to the freeze. Left out: until the object is deleted.",
        json_schema_extra={"maxLength": 10},
    )
    time_zone: TimeZone = Field(default="UTC", description="Whose days: a name in the IANA database.")
    reason: Annotated[str, StringConstraints(max_length=128)] = Field(default="", description="For people.")

    model_config = ApiModel.model_config | {
        "json_schema_extra": rules(
            cel(
                "!has(self.first) || !has(self.last) || self.first <= self.last",
                "must not be before first",
                field_path=".last",
            )
        )
    }


class PromotionFreeze(ApiModel):
    """Holds for all models of its namespace; in the operator's own namespace, for all models of the operator."""

    KIND: ClassVar[str] = "PromotionFreeze"
    PLURAL: ClassVar[str] = "promotionfreezes"

    api_version: Literal["marquee.dev/v1alpha1"] = API_VERSION  # type: ignore[assignment]
    kind: Literal["PromotionFreeze"] = "PromotionFreeze"
    metadata: Metadata
    spec: PromotionFreezeSpec

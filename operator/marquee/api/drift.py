"""``spec.drift``: which windows are compared with which, and when a difference matters; and what was found."""

from __future__ import annotations

import datetime as dt
from enum import StrEnum
from typing import Annotated, Final

from pydantic import Field, StringConstraints

from marquee.api.performance import MeasuredPerformance, PerformanceStatus
from marquee.api.types import ApiModel, Text, Timestamp, cel, extension, rules

KEPT_SECONDS: Final = 4_838_400
"""Eight weeks: how long the ledger keeps counters of a revision's beginning, and of its last time."""
MAX_SUSPECTS: Final = 5

Words = Annotated[str, StringConstraints(max_length=63)]
Share = Annotated[float, Field(ge=0.0001, le=1)]


class Alike(StrEnum):
    """Which windows are like each other."""

    WEEKDAY = "Weekday"
    NONE = "None"


class CalendarDays(ApiModel):
    """Days that are only like days of the same label, such as those of a sale."""

    label: Annotated[str, StringConstraints(min_length=1, max_length=63)] = Field(
        description="Windows of one label are compared with each other.",
        json_schema_extra=rules(
            cel("self.matches('^[a-z][a-z0-9-]*$')", "must be a small letter, then small letters, digits or hyphens")
        ),
    )
    start: dt.date = Field(description="First day, UTC.", json_schema_extra={"maxLength": 10})
    end: dt.date = Field(description="Last day, UTC.", json_schema_extra={"maxLength": 10})

    model_config = ApiModel.model_config | {
        "json_schema_extra": rules(cel("self.start <= self.end", "end must not be before start", field_path=".end"))
    }


class DriftThresholds(ApiModel):
    """When a difference is looked into, and when it asks for a retraining."""

    discovery_rate: Annotated[float, Field(ge=0.0001, le=0.5)] = Field(
        default=0.01, description="Share of false ones among the features of an Investigate, at most."
    )
    effect_floor: Annotated[float, Field(ge=0, le=10)] = Field(
        default=0.005,
        description="Population stability index below which a difference matters to nobody; 0.005 is a mean that moved "
        "by 0.07 standard deviations.",
    )
    retrain_alpha: Annotated[float, Field(ge=0.0001, le=0.5)] = Field(
        default=0.05, description="Divided by the number of features: what one has to show in a window for a Retrain."
    )
    confirmations: int = Field(default=3, ge=1, le=100, description="In so many windows in a row.")
    minimum_baseline: int = Field(
        default=3, ge=2, le=8, description="Windows of the same label that the baseline must have."
    )


class FeedQuality(ApiModel):
    """When a feed is broken, which is no drift. Shares are of rows, compared with the baseline's."""

    volume_low: Share = Field(default=0.3, description="Rows below this part of the baseline's median window.")
    volume_high: Annotated[float, Field(ge=1, le=1_000)] = Field(default=4, description="Rows above this multiple.")
    missing_rise: Share = Field(default=0.1, description="Rise of the share of missing values.")
    wrong_share: Share = Field(default=0.02, description="Rise of the share of values that validation refuses.")
    unseen_share: Share = Field(default=0.1, description="Rise of the share of values of no known category.")
    outside_rise: Share = Field(default=0.1, description="Rise of the share outside the range that was ever seen.")


class Drift(ApiModel):
    """Whether the model still sees what it learned from: windows of its traffic against its first ones."""

    window_seconds: int = Field(
        default=86_400,
        ge=900,
        le=604_800,
        description="Length of a window; days begin at midnight UTC.",
        json_schema_extra=rules(cel("self % 900 == 0", "must be a multiple of 900: counters are kept by 15 minutes")),
    )
    baseline_windows: int = Field(
        default=28,
        ge=2,
        le=1_000,
        description="So many of the revision's first complete windows are what is usual; then verdicts begin.",
    )
    history_windows: int = Field(
        default=28, ge=1, le=1_000, description="Small shifts add up over so many of the last windows."
    )
    alike: Alike = Field(
        default=Alike.WEEKDAY,
        description="Weekday: a window is compared with those of the same weekday and hour. None: with all.",
    )
    calendar: tuple[CalendarDays, ...] = Field(
        default=(),
        max_length=64,
        description="Days with a label of their own; the first entry that holds a day counts.",
        json_schema_extra=extension(list_type="atomic"),
    )
    thresholds: DriftThresholds = Field(default_factory=DriftThresholds, json_schema_extra={"default": {}})
    quality: FeedQuality = Field(default_factory=FeedQuality, json_schema_extra={"default": {}})
    performance: MeasuredPerformance | None = Field(
        default=None, description="Whether scores keep what they promise; needs outcomes by prediction id."
    )

    model_config = ApiModel.model_config | {
        "json_schema_extra": rules(
            cel(
                f"self.baselineWindows * self.windowSeconds <= {KEPT_SECONDS}",
                "baselineWindows times windowSeconds must be at most 4838400: counters are kept for eight weeks",
                field_path=".baselineWindows",
            ),
            cel(
                f"self.historyWindows * self.windowSeconds <= {KEPT_SECONDS}",
                "historyWindows times windowSeconds must be at most 4838400: counters are kept for eight weeks",
                field_path=".historyWindows",
            ),
            cel(
                "!has(self.performance) || "
                "self.performance.matureAfterSeconds <= self.windowSeconds * (1000 - self.historyWindows)",
                "performance.matureAfterSeconds must be at most windowSeconds times 1000 less historyWindows: so many "
                "windows are read at once",
                field_path=".performance",
            ),
            cel(
                "self.alike == 'None' || 86400 % self.windowSeconds == 0",
                "windows that are alike by weekday must divide a day; with longer ones set alike None",
                field_path=".windowSeconds",
            ),
            cel(
                "self.baselineWindows >= self.thresholds.minimumBaseline",
                "baselineWindows must be at least thresholds.minimumBaseline; with alike Weekday a window needs so "
                "many of its own weekday and hour: four weeks are a good baseline",
                field_path=".baselineWindows",
            ),
        )
    }


class DriftSuspect(ApiModel):
    """A feature that the verdict is about."""

    feature: Annotated[str, StringConstraints(max_length=80)]
    stability_index: float = Field(description="Population stability index, less what chance alone shows.")
    p_value: float


class DriftStatus(ApiModel):
    """What the last complete window has shown."""

    revision: Words
    verdict: Words = ""
    window: Timestamp | None = Field(default=None, description="Its beginning.")
    rows: int = 0
    message: Text = ""
    estimated_auc: float | None = Field(
        default=None, description="Area under the score's curve, if it is calibrated; before outcomes are known."
    )
    usual_auc: float | None = Field(default=None, description="The same of the baseline's windows like it.")
    performance: PerformanceStatus | None = Field(default=None, description="With spec.drift.performance.")
    suspects: tuple[DriftSuspect, ...] = Field(
        default=(), max_length=MAX_SUSPECTS, json_schema_extra=extension(list_type="atomic")
    )

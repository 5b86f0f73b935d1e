"""`spec.scaling`: who sets the number of pods, between which bounds, and by what."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import Field

from marquee.api.schedule import TIME_ZONE, Cron, TimeZone
from marquee.api.types import ApiModel, cel, extension, rules


class ScalingClass(StrEnum):
    """Who sets the number of replicas."""

    NONE = "None"
    HPA = "HPA"
    KEDA = "KEDA"
    EXTERNAL = "External"


Rate = Annotated[float, Field(ge=0.01, le=1_000_000)]


class ScheduledFloor(ApiModel):
    """From each start to the next end there are at least so many pods, whatever the load."""

    start: Cron = Field(description="When it begins, as cron: minute, hour, day of the month, month, weekday.")
    end: Cron = Field(description="When it ends, likewise.")
    time_zone: TimeZone = Field(default="UTC", description=TIME_ZONE)
    min_replicas: int = Field(ge=1, le=1000, description="Pods at least meanwhile.")

    model_config = ApiModel.model_config | {
        "json_schema_extra": rules(
            cel("self.start != self.end", "must differ from start: the floor would never hold", field_path=".end")
        )
    }


class ScalingPolicy(ApiModel):
    """How far the number of pods may move within a time, as in a HorizontalPodAutoscaler."""

    type: Literal["Pods", "Percent"] = Field(description="Of what value is: pods, or percent of the pods there are.")
    value: int = Field(ge=1, le=100_000, description="The most that may come or go in one period.")
    period_seconds: int = Field(ge=1, le=1800, description="Length of the period.")


class ScalingRules(ApiModel):
    """One direction, as in a HorizontalPodAutoscaler; what is left out is Kubernetes' default."""

    stabilization_window_seconds: int | None = Field(
        default=None, ge=0, le=3600, description="The most careful number wished in so many seconds is taken."
    )
    select_policy: Literal["Max", "Min", "Disabled"] | None = Field(
        default=None, description="Which policy counts where they differ; Disabled: the number never moves this way."
    )
    policies: tuple[ScalingPolicy, ...] = Field(
        default=(),
        max_length=8,
        description="Bounds of one step.",
        json_schema_extra=extension(list_type="atomic"),
    )


class ScalingBehavior(ApiModel):
    """How fast the number of pods follows, as in a HorizontalPodAutoscaler."""

    scale_up: ScalingRules | None = None
    scale_down: ScalingRules | None = None


def _only(classes: str, *fields: str) -> list[dict[str, Any]]:
    """Rules for fields that mean nothing with other classes."""
    listed = ", ".join(f"'{name}'" for name in classes.split(" or "))
    return [
        cel(
            f"self.class in [{listed}] || !has(self.{name})",
            f"{name} has an effect only with class {classes}",
            field_path=f".{name}",
        )
        for name in fields
    ]


class Scaling(ApiModel):
    """Number of replicas. `kubectl scale` sets ``minReplicas``."""

    class_: ScalingClass = Field(
        default=ScalingClass.NONE,
        alias="class",
        description="None: always minReplicas. HPA: a HorizontalPodAutoscaler on CPU between minReplicas and "
        "maxReplicas. KEDA: a ScaledObject of keda.sh on CPU, requests and a schedule. External: starts with "
        "minReplicas, then hands off.",
    )
    min_replicas: int = Field(
        default=1, ge=0, le=1000, description="Pods at least; with class None exactly. 0 with class KEDA only."
    )
    max_replicas: int | None = Field(
        default=None, ge=1, le=1000, description="Pods of a revision at most; classes HPA and KEDA only."
    )
    cpu_utilization_percent: int | None = Field(
        default=None, ge=1, le=1000, description="Target, percent of the CPU request; for class HPA 70 when not set."
    )
    requests_per_second: Rate | None = Field(
        default=None, description="Target of class KEDA: requests a second that one pod is to answer."
    )
    concurrency: Rate | None = Field(
        default=None, description="Target of class KEDA: requests that one pod is to answer at once, on average."
    )
    schedule: tuple[ScheduledFloor, ...] = Field(
        default=(),
        max_length=16,
        description="Floors by time of day and week, with class KEDA; where several hold, the highest.",
        json_schema_extra=extension(list_type="atomic"),
    )
    behavior: ScalingBehavior | None = Field(default=None, description="Classes HPA and KEDA: how fast.")
    idle_seconds: int | None = Field(
        default=None,
        ge=0,
        le=86_400,
        description="Class KEDA with minReplicas 0: quiet time before the last pod goes; 300 when not set.",
    )

    model_config = ApiModel.model_config | {
        "json_schema_extra": rules(
            cel(
                "!(self.class in ['HPA', 'KEDA']) || has(self.maxReplicas)",
                "classes HPA and KEDA need maxReplicas",
                field_path=".maxReplicas",
            ),
            *_only("HPA or KEDA", "maxReplicas", "cpuUtilizationPercent", "behavior"),
            *_only("KEDA", "requestsPerSecond", "concurrency", "idleSeconds"),
            cel(
                "self.class == 'KEDA' || !has(self.schedule) || size(self.schedule) == 0",
                "schedule has an effect only with class KEDA",
                field_path=".schedule",
            ),
            cel(
                "self.class != 'KEDA' || has(self.cpuUtilizationPercent) || has(self.requestsPerSecond) || "
                "has(self.concurrency) || (has(self.schedule) && size(self.schedule) > 0)",
                "class KEDA needs something to go by: set cpuUtilizationPercent, requestsPerSecond, concurrency or "
                "schedule",
            ),
            cel(
                "!has(self.maxReplicas) || self.maxReplicas >= self.minReplicas",
                "maxReplicas must not be less than minReplicas",
                field_path=".maxReplicas",
            ),
            cel(
                "!has(self.maxReplicas) || !has(self.schedule) || "
                "self.schedule.all(floor, floor.minReplicas <= self.maxReplicas)",
                "no floor may be above maxReplicas",
                field_path=".schedule",
            ),
            cel(
                "!has(self.minReplicas) || self.minReplicas > 0 || "
                "(self.class == 'KEDA' && has(self.schedule) && size(self.schedule) > 0)",
                "minReplicas 0 needs class KEDA with a schedule: nothing else wakes a model that has no pods",
                field_path=".minReplicas",
            ),
        )
    }

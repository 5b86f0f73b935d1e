"""`MarketingModel`: what should run and under which rules. Marquee reads its spec and never edits it."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar, Literal

from pydantic import Field, StringConstraints

from marquee.api.conditions import Condition
from marquee.api.metadata import Metadata
from marquee.api.types import (
    API_VERSION,
    ApiModel,
    LabelKey,
    LabelValue,
    Quantity,
    ResourceName,
    Timestamp,
    cel,
    extension,
    rules,
)


class UseCase(StrEnum):
    """The marketing question a model answers."""

    LEAD_SCORING = "LeadScoring"
    CHURN = "Churn"
    CUSTOMER_VALUE = "CustomerValue"
    RECOMMENDATION = "Recommendation"
    TEXT_SCORING = "TextScoring"
    CREATIVE_SCORING = "CreativeScoring"
    BIDDING = "Bidding"
    MEDIA_MIX = "MediaMix"
    PRICING = "Pricing"
    UPLIFT = "Uplift"
    SEGMENTATION = "Segmentation"
    GENERATION = "Generation"


class Owner(ApiModel):
    """Who answers for the model."""

    team: LabelValue = Field(description="A label of every object of the model.")
    contact: Annotated[str, StringConstraints(min_length=3, max_length=253)] = Field(
        description="Address or channel that is read; an annotation of every object of the model."
    )


class Track(ApiModel):
    """Follow the newest revision that carries these labels."""

    match_labels: dict[LabelKey, LabelValue] = Field(
        min_length=1,
        max_length=16,
        description="Labels of the ModelRevision; of those that carry all of them the newest runs.",
    )


class RevisionReference(ApiModel):
    """Which revision should run: a fixed one, or the newest one with certain labels."""

    name: ResourceName | None = Field(default=None, description="A ModelRevision of this model, pinned.")
    track: Track | None = None

    model_config = ApiModel.model_config | {
        "json_schema_extra": rules(
            cel(
                "has(self.name) != has(self.track)",
                "set exactly one of name (pinned) and track (newest with labels)",
            )
        )
    }


ComputeResource = Annotated[str, StringConstraints(min_length=1, max_length=63)]


class ResourceRequirements(ApiModel):
    """Requests and limits of the predictor container, as in a Pod."""

    requests: dict[ComputeResource, Quantity] = Field(
        default_factory=dict, max_length=8, description="What a node must have free for the pod."
    )
    limits: dict[ComputeResource, Quantity] = Field(
        default_factory=dict, max_length=8, description="What the pod may use at most."
    )


class ImagePullPolicy(StrEnum):
    """When the kubelet fetches the image."""

    ALWAYS = "Always"
    IF_NOT_PRESENT = "IfNotPresent"
    NEVER = "Never"


class Toleration(ApiModel):
    """A taint that the model's pods accept, as in a Pod."""

    key: Annotated[str, StringConstraints(max_length=317)] | None = None
    operator: Literal["Exists", "Equal"] = "Equal"
    value: Annotated[str, StringConstraints(max_length=63)] | None = None
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None

    model_config = ApiModel.model_config | {
        "json_schema_extra": rules(
            cel(
                "!(self.operator == 'Exists' && has(self.value))",
                "operator Exists takes no value",
                field_path=".value",
            ),
            cel("self.operator == 'Exists' || has(self.key)", "operator Equal needs a key", field_path=".key"),
        )
    }


class Serving(ApiModel):
    """How one pod serves."""

    service: Annotated[str, StringConstraints(max_length=200)] | None = Field(
        default=None,
        description="BentoML service behind the front, as package.module:Class; without it the front alone answers.",
        json_schema_extra=rules(
            cel(
                r"self.matches('^[A-Za-z_][A-Za-z0-9_.]*:[A-Za-z_][A-Za-z0-9_]*$')",
                "must be package.module:Class",
            )
        ),
    )
    image: Annotated[str, StringConstraints(min_length=1, max_length=512)] | None = Field(
        default=None,
        description="Predictor image. Without it a revision keeps the operator's default of the time it was first "
        "deployed, so that an upgrade of the operator restarts no pod.",
    )
    image_pull_policy: ImagePullPolicy | None = Field(
        default=None,
        description="When the kubelet fetches the image. Without it a revision keeps the operator's default, as with "
        "the image.",
    )
    resources: ResourceRequirements = Field(
        default=ResourceRequirements(
            requests={"cpu": "100m", "memory": "256Mi"},
            limits={"memory": "512Mi"},
        )
    )
    threads: int = Field(default=1, ge=1, le=64, description="Threads of the model's runtime in one pod.")
    max_request_bytes: int = Field(
        default=1_048_576, ge=1024, le=67_108_864, description="A larger request body gets 413."
    )
    node_selector: dict[LabelKey, Annotated[str, StringConstraints(max_length=63)]] = Field(
        default_factory=dict, max_length=16, description="Labels that a node must have."
    )
    tolerations: tuple[Toleration, ...] = Field(
        default=(),
        max_length=16,
        description="Taints that the pods accept.",
        json_schema_extra=extension(list_type="atomic"),
    )


class ScalingClass(StrEnum):
    """Who sets the number of replicas."""

    NONE = "None"
    HPA = "HPA"
    EXTERNAL = "External"


class Scaling(ApiModel):
    """Number of replicas. `kubectl scale` sets ``minReplicas``."""

    class_: ScalingClass = Field(
        default=ScalingClass.NONE,
        alias="class",
        description="None: always minReplicas. HPA: a HorizontalPodAutoscaler on CPU between minReplicas and "
        "maxReplicas. External: starts with minReplicas, then hands off.",
    )
    min_replicas: int = Field(default=1, ge=1, le=1000, description="Pods at least; with class None exactly.")
    max_replicas: int | None = Field(default=None, ge=1, le=1000, description="Pods at most; class HPA only.")
    cpu_utilization_percent: int | None = Field(
        default=None, ge=1, le=1000, description="HPA target, percent of the CPU request; 70 when not set."
    )

    model_config = ApiModel.model_config | {
        "json_schema_extra": rules(
            cel(
                "self.class != 'HPA' || has(self.maxReplicas)",
                "class HPA needs maxReplicas",
                field_path=".maxReplicas",
            ),
            cel(
                "self.class == 'HPA' || !has(self.maxReplicas)",
                "maxReplicas has an effect only with class HPA",
                field_path=".maxReplicas",
            ),
            cel(
                "self.class == 'HPA' || !has(self.cpuUtilizationPercent)",
                "cpuUtilizationPercent has an effect only with class HPA",
                field_path=".cpuUtilizationPercent",
            ),
            cel(
                "!has(self.maxReplicas) || self.maxReplicas >= self.minReplicas",
                "maxReplicas must not be less than minReplicas",
                field_path=".maxReplicas",
            ),
        )
    }


class Rollout(ApiModel):
    """How a new revision takes over."""

    progress_deadline_seconds: int = Field(
        default=600,
        ge=10,
        le=86_400,
        description="A revision that is not ready by then is reported as Stalled.",
    )
    drain_seconds: int = Field(
        default=10,
        ge=0,
        le=3600,
        description="How long the old revision's pods stay after the new one took over, for open connections.",
    )


class MarketingModelSpec(ApiModel):
    """The wish."""

    use_case: UseCase
    owner: Owner
    revision: RevisionReference
    serving: Serving = Field(default_factory=Serving, json_schema_extra={"default": {}})
    # the server checks a default against the block's CEL rules before it fills in the defaults within
    scaling: Scaling = Field(default_factory=Scaling, json_schema_extra={"default": {"class": "None"}})
    rollout: Rollout = Field(default_factory=Rollout, json_schema_extra={"default": {}})

    model_config = ApiModel.model_config | {
        "json_schema_extra": rules(
            cel(
                "self.scaling.class != 'HPA' || (has(self.serving.resources.requests) && "
                "'cpu' in self.serving.resources.requests)",
                "scaling class HPA measures CPU against its request: set serving.resources.requests.cpu",
                field_path=".serving.resources",
            ),
        )
    }


class Phase(StrEnum):
    """Where the model's rollout stands; derived from what is observed, never a source of truth."""

    BLOCKED = "Blocked"
    PREPARING = "Preparing"
    FAILED = "Failed"
    SWITCHING = "Switching"
    DRAINING = "Draining"
    SERVING = "Serving"


class ArmStatus(ApiModel):
    """One arm: a revision and its pods."""

    revision: Annotated[str, StringConstraints(max_length=63)]
    digest: Annotated[str, StringConstraints(max_length=71)]
    since: Timestamp
    replicas: int = 0
    ready_replicas: int = 0


class MarketingModelStatus(ApiModel):
    """What is; written by the operator alone."""

    observed_generation: int = 0
    phase: Phase | None = None
    conditions: tuple[Condition, ...] = Field(
        default=(), max_length=16, json_schema_extra=extension(list_type="map", list_map_keys=["type"])
    )
    stable: ArmStatus | None = Field(default=None, description="The revision that answers users.")
    canary: ArmStatus | None = Field(default=None, description="The revision on its way.")
    replicas: int = 0
    selector: Annotated[str, StringConstraints(max_length=512)] = ""
    url: Annotated[str, StringConstraints(max_length=512)] = ""


class MarketingModel(ApiModel):
    """What should run and under which rules."""

    KIND: ClassVar[str] = "MarketingModel"
    PLURAL: ClassVar[str] = "marketingmodels"

    api_version: Literal["marquee.dev/v1alpha1"] = API_VERSION  # type: ignore[assignment]
    kind: Literal["MarketingModel"] = "MarketingModel"
    metadata: Metadata
    spec: MarketingModelSpec
    status: MarketingModelStatus = Field(default_factory=MarketingModelStatus)

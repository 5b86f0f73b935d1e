"""`MarketingModel`: what should run and under which rules. Marquee reads its spec and never edits it."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar, Final, Literal

from pydantic import Field, StringConstraints

from marquee.api.conditions import Condition
from marquee.api.drift import Drift, DriftStatus
from marquee.api.governance import Governance, GovernanceStatus
from marquee.api.gpu import Gpu
from marquee.api.metadata import Metadata
from marquee.api.privacy import Privacy
from marquee.api.resources import ResourceRequirements
from marquee.api.retraining import Retraining, RetrainingStatus
from marquee.api.rollout import Rollout
from marquee.api.rollout_status import RolloutStatus
from marquee.api.safety import KillSwitch
from marquee.api.scaling import Scaling
from marquee.api.traffic import Traffic
from marquee.api.triton import Triton
from marquee.api.types import (
    API_VERSION,
    ApiModel,
    LabelKey,
    LabelValue,
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


class PredictionCache(ApiModel):
    """Answers of the model that a pod gives again for the same input. For models whose answer is all in their input."""

    ttl_seconds: int = Field(default=300, ge=1, le=86_400, description="How old an answer may become.")
    max_entries: int = Field(
        default=10_000,
        ge=1,
        le=100_000,
        description="Answers that a pod remembers, the most recently used ones; 10,000 take 3 MB, and 1 MB more for "
        "every three outputs of the model.",
    )


class Cost(ApiModel):
    """What a pod costs, so that its metrics can say what predictions cost."""

    per_pod_hour: float = Field(ge=0.0001, le=10_000, description="Price of one pod for one hour.")
    currency: Annotated[str, StringConstraints(min_length=3, max_length=3)] = Field(
        description="A label of the metrics.",
        json_schema_extra=rules(cel("self.matches('^[A-Z]{3}$')", "must be the three capital letters of ISO 4217")),
    )


class ServingClass(StrEnum):
    """Who deploys the pods and moves the traffic."""

    MARQUEE = "Marquee"
    EXTERNAL = "External"


class Serving(ApiModel):
    """Who serves, and how one pod does."""

    class_: ServingClass = Field(
        default=ServingClass.MARQUEE,
        alias="class",
        description="Marquee: the operator deploys the pods and moves the traffic. External: somebody else does, such "
        "as Argo Rollouts or Flagger, and asks the ledger for verdicts (docs/judge.md); nothing is deployed.",
        json_schema_extra=rules(
            cel(
                "self == oldSelf",
                "who serves cannot change while the model exists: delete it and create it anew",
            )
        ),
    )
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
    cache: PredictionCache | None = Field(default=None, description="Without it the model is asked each time.")
    cost: Cost | None = Field(default=None, description="Without it no cost is shown.")
    node_selector: dict[LabelKey, Annotated[str, StringConstraints(max_length=63)]] = Field(
        default_factory=dict, max_length=16, description="Labels that a node must have."
    )
    tolerations: tuple[Toleration, ...] = Field(
        default=(),
        max_length=16,
        description="Taints that the pods accept.",
        json_schema_extra=extension(list_type="atomic"),
    )
    runtime_class_name: ResourceName | None = Field(
        default=None,
        description="RuntimeClass of the pods, such as nvidia where the container runtime's default sees no GPU.",
    )
    gpu: Gpu | None = None
    triton: Triton | None = None

    model_config = ApiModel.model_config | {
        "json_schema_extra": rules(
            cel(
                "self.class == 'Marquee' || (!has(self.service) && !has(self.image) && !has(self.imagePullPolicy) && "
                "self.threads == 1 && self.maxRequestBytes == 1048576 && "
                "(!has(self.nodeSelector) || size(self.nodeSelector) == 0) && "
                "(!has(self.tolerations) || size(self.tolerations) == 0) && !has(self.triton) && "
                "!has(self.cache) && !has(self.cost) && !has(self.gpu) && !has(self.runtimeClassName))",
                "with class External somebody else deploys the pods: nothing but class has an effect here",
            ),
            cel(
                "!has(self.triton) || !has(self.triton.instanceGroups) || size(self.triton.instanceGroups) == 0 || "
                "has(self.gpu) == self.triton.instanceGroups.exists(group, group.kind == 'GPU')",
                "gpu and an instance group of kind GPU need each other: a GPU that no instance runs on is held for "
                "nothing, and without gpu the pod has none",
                field_path=".triton.instanceGroups",
            ),
            cel(
                "!has(self.gpu) || !has(self.triton) || self.triton.backend != 'python'",
                "Triton's backend python runs on the CPU, and the GPU would be held for nothing: use backend "
                "onnxruntime, or no gpu",
                field_path=".gpu",
            ),
            cel(
                "has(self.gpu) || !has(self.triton) || self.triton.backend != 'tensorrt'",
                "Triton's backend tensorrt runs on GPUs alone: ask for one in gpu",
                field_path=".triton.backend",
            ),
            cel(
                "!has(self.gpu) || !has(self.gpu.resource) || !has(self.triton) || "
                "!has(self.triton.instanceGroups) || self.triton.instanceGroups.all(group, !has(group.gpus) || "
                "group.gpus.all(index, index < self.gpu.count))",
                "the container has gpu.count GPUs, and their indexes begin with 0: name none that is not there",
                field_path=".triton.instanceGroups",
            ),
            cel(
                "self.class == 'Marquee' || (has(self.resources.requests) && size(self.resources.requests) == 2 && "
                "'cpu' in self.resources.requests && self.resources.requests['cpu'] == '100m' && "
                "'memory' in self.resources.requests && self.resources.requests['memory'] == '256Mi' && "
                "has(self.resources.limits) && size(self.resources.limits) == 1 && "
                "'memory' in self.resources.limits && self.resources.limits['memory'] == '512Mi')",
                "with class External somebody else deploys the pods: resources have no effect",
                field_path=".resources",
            ),
        )
    }


class ServiceLevel(ApiModel):
    """What users are promised."""

    latency_milliseconds: int = Field(
        ge=1,
        le=600_000,
        description="A request that takes longer in the pod counts as slow. One that would have to wait for more than "
        "half of it is turned away; without this block, for more than half a second.",
    )


_EXTERNAL_RULES: Final = (
    cel(
        "self.serving.class == 'External' || has(self.revision)",
        "revision is required: name a ModelRevision, or track the newest one with certain labels",
        field_path=".revision",
    ),
    cel(
        "self.serving.class == 'Marquee' || !has(self.revision)",
        "with serving.class External somebody else deploys the pods: revision has no effect",
        field_path=".revision",
    ),
    cel(
        "self.serving.class == 'Marquee' || !has(self.traffic)",
        "with serving.class External somebody else moves the traffic: traffic has no effect",
        field_path=".traffic",
    ),
    cel(
        "self.serving.class == 'Marquee' || !has(self.drift)",
        "with serving.class External no pod of Marquee counts what the model sees: drift has no effect",
        field_path=".drift",
    ),
    cel(
        "self.serving.class == 'Marquee' || !has(self.governance)",
        "with serving.class External somebody else moves the traffic: governance has no effect",
        field_path=".governance",
    ),
    cel(
        "self.serving.class == 'Marquee' || !has(self.killSwitch)",
        "with serving.class External somebody else moves the traffic: killSwitch has no effect",
        field_path=".killSwitch",
    ),
    cel(
        "self.serving.class == 'Marquee' || !has(self.retraining)",
        "with serving.class External somebody else chooses the revision: retraining has no effect",
        field_path=".retraining",
    ),
    cel(
        "self.serving.class == 'Marquee' || !has(self.privacy)",
        "with serving.class External no pod of Marquee asks for consent or keeps decisions: privacy has no effect",
        field_path=".privacy",
    ),
    cel(
        "self.serving.class == 'Marquee' || (self.scaling.class == 'None' && self.scaling.minReplicas == 1)",
        "with serving.class External somebody else deploys the pods: scaling has no effect",
        field_path=".scaling",
    ),
    cel(
        "self.serving.class == 'Marquee' || (has(self.rollout.steps) && size(self.rollout.steps) > 0 && "
        "has(self.rollout.analysis))",
        "serving.class External needs rollout.steps and rollout.analysis: a verdict is all that the model is for",
        field_path=".rollout",
    ),
    cel(
        "self.serving.class == 'Marquee' || (self.rollout.progressDeadlineSeconds == 600 && "
        "self.rollout.drainSeconds == 10 && !self.rollout.paused && "
        "(!has(self.rollout.windows) || size(self.rollout.windows) == 0) && "
        "(!has(self.rollout.freezes) || size(self.rollout.freezes) == 0) && (!has(self.rollout.steps) || "
        "self.rollout.steps.all(step, step.approval == 'Automatic')))",
        "with serving.class External somebody else moves the traffic: progressDeadlineSeconds, drainSeconds, "
        "paused, windows, freezes and a step's approval have no effect",
        field_path=".rollout",
    ),
)
"""What a model that Marquee only judges must have, and what would do nothing there."""


class MarketingModelSpec(ApiModel):
    """The wish."""

    use_case: UseCase
    owner: Owner
    revision: RevisionReference | None = Field(default=None, description="Serving class Marquee only, and always.")
    # the server checks a default against the block's CEL rules before it fills in the defaults within
    serving: Serving = Field(default_factory=Serving, json_schema_extra={"default": {"class": "Marquee"}})
    scaling: Scaling = Field(default_factory=Scaling, json_schema_extra={"default": {"class": "None"}})
    traffic: Traffic | None = None
    rollout: Rollout = Field(default_factory=Rollout, json_schema_extra={"default": {}})
    slo: ServiceLevel | None = None
    drift: Drift | None = Field(default=None, description="Without it what the pods count is compared with nothing.")
    kill_switch: KillSwitch | None = None
    governance: Governance | None = None
    retraining: Retraining | None = Field(default=None, description="Without it nothing is trained.")
    privacy: Privacy | None = Field(
        default=None, description="Without it no consent is asked for, nobody is suppressed and no decision is kept."
    )

    model_config = ApiModel.model_config | {
        "json_schema_extra": rules(
            cel(
                "!(self.scaling.class == 'HPA' || has(self.scaling.cpuUtilizationPercent)) || "
                "(has(self.serving.resources.requests) && 'cpu' in self.serving.resources.requests)",
                "scaling by CPU measures it against its request: set serving.resources.requests.cpu",
                field_path=".serving.resources",
            ),
            *_EXTERNAL_RULES,
            cel(
                "self.scaling.class != 'HPA' || !has(self.serving.triton) || "
                "(has(self.serving.triton.resources.requests) && "
                "'cpu' in self.serving.triton.resources.requests)",
                "scaling class HPA measures CPU against its request: set serving.triton.resources.requests.cpu",
                field_path=".serving.triton.resources",
            ),
            cel(
                "!has(self.rollout.steps) || has(self.traffic) || self.serving.class == 'External' || "
                "self.rollout.steps.all(step, step.weight <= 50)",
                "without traffic.gateway the canary's share is that of its pods beside all of stable's: "
                "a weight is at most 50",
                field_path=".rollout.steps",
            ),
            cel(
                "!has(self.rollout.steps) || size(self.rollout.steps) == 0 || has(self.traffic) || "
                "self.scaling.class == 'None'",
                "steps without traffic.gateway need scaling class None: a scaler would change the canary's share with "
                "the load, and shares that follow the load make the comparison wrong",
                field_path=".scaling.class",
            ),
            cel(
                "!has(self.killSwitch) || !has(self.killSwitch.fallback) || !has(self.rollout.steps) || "
                "size(self.rollout.steps) == 0 || has(self.traffic)",
                "steps without traffic.gateway reach every pod of the model, also those that stand by: a fallback "
                "needs traffic.gateway",
                field_path=".killSwitch.fallback",
            ),
            cel(
                "!has(self.rollout.steps) || !has(self.traffic) || self.rollout.steps.all(step, "
                "step.weight * (100 - self.traffic.assignment.holdoutPercent) % 10 == 0)",
                "with this holdoutPercent a weight is no whole number of buckets: weight times "
                "(100 - holdoutPercent) must be a multiple of 10",
                field_path=".rollout.steps",
            ),
            cel(
                "has(self.slo) || !has(self.rollout.analysis) || !has(self.rollout.analysis.guardrails) || "
                "!self.rollout.analysis.guardrails.exists(one, one.metric == 'SlowRequests')",
                "the guardrail SlowRequests needs slo.latencyMilliseconds",
                field_path=".rollout.analysis.guardrails",
            ),
            cel(
                "!has(self.retraining) || !has(self.retraining.triggers.performance) || "
                "!self.retraining.triggers.performance.conceptDrift || !has(self.drift) || has(self.drift.performance)",
                "a trigger by concept drift needs spec.drift.performance: without it no outcome is counted",
                field_path=".retraining.triggers.performance",
            ),
            cel(
                "has(self.drift) || !has(self.retraining) || (!self.retraining.triggers.drift && "
                "!has(self.retraining.triggers.performance))",
                "triggers by drift or performance need spec.drift: without it no window is judged",
                field_path=".retraining.triggers",
            ),
            cel(
                "!has(self.retraining) || !has(self.governance) || !has(self.governance.fairness) || "
                "self.retraining.gate.metrics.exists(one, one.name == self.governance.fairness.metric)",
                "a run tells the metrics of retraining.gate alone: name fairness.metric among them",
                field_path=".governance.fairness.metric",
            ),
        )
    }

    @property
    def splits_by_pods(self) -> bool:
        """Whether a rollout's weights are approximated by numbers of pods: it has steps, and no gateway."""
        return bool(self.rollout.steps) and self.traffic is None and self.serving.class_ is not ServingClass.EXTERNAL

    @property
    def pinned(self) -> str | None:
        """The revision that is wanted by its name."""
        return self.revision.name if self.revision is not None else None


class Phase(StrEnum):
    """Where the model's rollout stands; derived from what is observed, never a source of truth."""

    BLOCKED = "Blocked"
    PREPARING = "Preparing"
    FAILED = "Failed"
    CANARY = "Canary"
    ROLLED_BACK = "RolledBack"
    SWITCHING = "Switching"
    DRAINING = "Draining"
    SERVING = "Serving"
    EXTERNAL = "External"


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
    rollout: RolloutStatus | None = Field(default=None, description="The newest rollout with steps.")
    drift: DriftStatus | None = Field(default=None, description="What the stable revision's last window has shown.")
    governance: GovernanceStatus | None = Field(default=None, description="Approvals of the wanted revision.")
    retraining: RetrainingStatus | None = Field(default=None, description="What was trained, and what came of it.")
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

"""``spec.serving.triton``: a Triton Inference Server beside the front that runs the model."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from marquee.api.resources import ResourceRequirements
from marquee.api.types import ApiModel, cel, extension, rules
from marquee.contract.triton import Backend, InstanceKind

BatchSize = Annotated[int, Field(ge=1, le=1024)]
LimitName = Annotated[str, StringConstraints(max_length=31, pattern="^[a-z][a-z0-9]*$")]


class TritonRateLimit(ApiModel):
    """So many units of a named resource."""

    name: LimitName = Field(description="Any word of small letters and digits.")
    count: int = Field(default=1, ge=1, le=1000, description="Units of it.")


class TritonInstanceGroup(ApiModel):
    """Instances of the model that may run at the same time."""

    kind: InstanceKind = Field(
        default=InstanceKind.CPU, description="On what an instance runs; GPU needs spec.serving.gpu."
    )
    count: int = Field(default=1, ge=1, le=64, description="Instances; of kind GPU on each GPU.")
    gpus: tuple[Annotated[int, Field(ge=0, le=15)], ...] = Field(
        default=(),
        max_length=16,
        description="Indexes of the container's GPUs; none: all of them.",
        json_schema_extra=extension(list_type="atomic"),
    )
    rate_limits: tuple[TritonRateLimit, ...] = Field(
        default=(),
        max_length=8,
        description="What an instance holds of rateLimiter.resources while it runs.",
        json_schema_extra=extension(list_type="map", list_map_keys=["name"]),
    )

    model_config = ApiModel.model_config | {
        "json_schema_extra": rules(
            cel(
                "self.kind == 'GPU' || !has(self.gpus) || size(self.gpus) == 0",
                "gpus has an effect only with kind GPU",
                field_path=".gpus",
            )
        )
    }


class TritonDynamicBatching(ApiModel):
    """How requests that wait for an instance are joined into one call of the model."""

    preferred_batch_sizes: tuple[BatchSize, ...] = Field(
        default=(),
        max_length=8,
        description="Sizes that are run at once, without waiting for more; none: any size is.",
        json_schema_extra=extension(list_type="atomic"),
    )
    max_queue_delay_microseconds: int = Field(
        default=0, ge=0, le=1_000_000, description="How long a request may wait for company."
    )


class TritonResponseCache(ApiModel):
    """Answers by the bytes of their inputs, in Triton's memory."""

    size_bytes: int = Field(
        ge=1_048_576, le=68_719_476_736, description="Taken at the start; count it in triton.resources."
    )


class TritonRateLimiter(ApiModel):
    """Bounds on instances that run at the same time."""

    resources: tuple[TritonRateLimit, ...] = Field(
        min_length=1,
        max_length=8,
        description="What all instances share.",
        json_schema_extra=extension(list_type="map", list_map_keys=["name"]),
    )


class TritonWarmUp(ApiModel):
    """What each instance predicts before the pod is ready."""

    batch_sizes: tuple[BatchSize, ...] = Field(
        min_length=1,
        max_length=8,
        description="Rows of the artifact's example at once.",
        json_schema_extra=extension(list_type="atomic"),
    )
    rounds: int = Field(default=1, ge=1, le=100, description="How often each.")


class Triton(ApiModel):
    """A Triton container in the model's pods. The front keeps validation, ids, counters and exposures."""

    image: Annotated[str, StringConstraints(min_length=1, max_length=512)] | None = Field(
        default=None,
        description="Image with tritonserver on its PATH. Without it a revision keeps the operator's default of the "
        "time when it was first deployed with Triton.",
    )
    backend: Backend = Field(
        default=Backend.ONNXRUNTIME,
        description="onnxruntime: artifacts of flavour onnx. pytorch: TorchScript. tensorrt: plans, on the GPU that "
        "they were built for. python: flavours python and onnx, in Triton's Python, which needs NumPy, and onnxruntime "
        "for flavour onnx.",
    )
    max_batch_size: BatchSize = Field(
        default=64, description="Rows of one call of the model; a request of more rows is asked in parts."
    )
    instance_groups: tuple[TritonInstanceGroup, ...] = Field(
        default=(),
        max_length=8,
        description="None: one instance, on each GPU where there is spec.serving.gpu, else on the CPU.",
        json_schema_extra=extension(list_type="atomic"),
    )
    dynamic_batching: TritonDynamicBatching = Field(
        default_factory=TritonDynamicBatching, json_schema_extra={"default": {}}
    )
    response_cache: TritonResponseCache | None = None
    rate_limiter: TritonRateLimiter | None = None
    warm_up: TritonWarmUp | None = None
    timeout_milliseconds: int = Field(
        default=2_000, ge=1, le=600_000, description="A prediction that takes Triton longer is given up: 503."
    )
    resources: ResourceRequirements = Field(
        default=ResourceRequirements(
            requests={"cpu": "500m", "memory": "512Mi"},
            limits={"memory": "2Gi"},
        )
    )

    model_config = ApiModel.model_config | {
        "json_schema_extra": rules(
            cel(
                "self.backend != 'python' || !has(self.instanceGroups) || "
                "self.instanceGroups.all(group, group.kind == 'CPU')",
                "backend python runs on the CPU: use kind CPU, or backend onnxruntime",
                field_path=".instanceGroups",
            ),
            cel(
                "self.backend != 'tensorrt' || !has(self.instanceGroups) || "
                "self.instanceGroups.all(group, group.kind == 'GPU')",
                "backend tensorrt runs on GPUs alone: use kind GPU",
                field_path=".instanceGroups",
            ),
            cel(
                "!has(self.dynamicBatching.preferredBatchSizes) || "
                "self.dynamicBatching.preferredBatchSizes.all(size, size <= self.maxBatchSize)",
                "a preferred batch size must not be greater than maxBatchSize",
                field_path=".dynamicBatching.preferredBatchSizes",
            ),
            cel(
                "!has(self.warmUp) || self.warmUp.batchSizes.all(size, size <= self.maxBatchSize)",
                "a batch size of the warm-up must not be greater than maxBatchSize",
                field_path=".warmUp.batchSizes",
            ),
            cel(
                "!has(self.instanceGroups) || self.instanceGroups.all(group, !has(group.rateLimits) || "
                "group.rateLimits.all(held, has(self.rateLimiter) && "
                "self.rateLimiter.resources.exists(one, one.name == held.name && one.count >= held.count)))",
                "an instance holds more than rateLimiter.resources has: name the resource there, with a count that is "
                "no smaller",
                field_path=".instanceGroups",
            ),
        )
    }

"""What the operator and a predictor pod agree on about the Triton container beside the front.

The operator starts the server and passes `TritonSettings` on; the front, which knows the artifact, writes the model's
repository for the server, has it loaded by explicit control, and asks it for predictions.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from pydantic import Field

from marquee.contract.manifest import ContractModel

GRPC_ADDRESS: Final = "127.0.0.1:8001"
"""Nobody but the pod's own front reaches it."""
METRICS_PORT: Final = 8002
"""Triton's metrics and the kubelet's probes of it. The front shows the metrics on its own page."""
REPOSITORY_PATH: Final = "/var/lib/marquee/triton"
"""An emptyDir: written by the front, read by Triton."""


class Backend(StrEnum):
    """What runs the model within Triton."""

    ONNXRUNTIME = "onnxruntime"
    PYTORCH = "pytorch"
    TENSORRT = "tensorrt"
    PYTHON = "python"


FLAVOURS: Final[Mapping[Backend, tuple[str, ...]]] = {
    Backend.ONNXRUNTIME: ("onnx",),
    Backend.PYTORCH: ("torchscript",),
    Backend.TENSORRT: ("tensorrt",),
    Backend.PYTHON: ("onnx", "python"),
}
"""The flavours of artifacts that a backend runs."""


class InstanceKind(StrEnum):
    """On what an instance of the model runs."""

    CPU = "CPU"
    GPU = "GPU"


class RateLimit(ContractModel):
    """What an instance must hold while it runs: so many units of a named resource, shared with the other instances."""

    name: str
    count: int = Field(ge=1)


class InstanceGroup(ContractModel):
    """Instances of the model that may run at the same time."""

    kind: InstanceKind = InstanceKind.CPU
    count: int = Field(default=1, ge=1)
    gpus: tuple[int, ...] = ()
    """Indexes of the container's GPUs; each gets ``count`` instances. Empty: all of them."""
    rate_limits: tuple[RateLimit, ...] = ()


class DynamicBatching(ContractModel):
    """How requests that wait for an instance are joined into one call of the model."""

    preferred_batch_sizes: tuple[int, ...] = ()
    max_queue_delay_microseconds: int = Field(default=0, ge=0)


class WarmUp(ContractModel):
    """What each instance predicts before the model is ready."""

    batch_sizes: tuple[int, ...] = Field(min_length=1)
    rounds: int = Field(default=1, ge=1)


class TritonSettings(ContractModel):
    """What a pod is told about its Triton, as JSON in the variable ``MARQUEE_TRITON``."""

    backend: Backend = Backend.ONNXRUNTIME
    max_batch_size: int = Field(default=64, ge=1)
    """Rows of one call of the model; a request of more rows is asked in parts."""
    instance_groups: tuple[InstanceGroup, ...] = (InstanceGroup(),)
    dynamic_batching: DynamicBatching = DynamicBatching()
    response_cache: bool = False
    warm_up: WarmUp | None = None
    timeout_milliseconds: int = Field(default=2_000, ge=1)
    """How long a prediction may take before the front gives it up."""

"""The Triton container of a pod: a sidecar that starts before the front, and what both are told.

The kubelet starts an init container that restarts always before the others, goes on when its startup probe has passed,
restarts it on its own, and ends it after them, so that the front can drain.
"""

from __future__ import annotations

from typing import Any, Final

from marquee.api.gpu import Gpu
from marquee.api.marketing_model import Serving
from marquee.api.triton import Triton
from marquee.contract import pod
from marquee.contract.triton import (
    GRPC_ADDRESS,
    METRICS_PORT,
    REPOSITORY_PATH,
    Backend,
    DynamicBatching,
    InstanceGroup,
    InstanceKind,
    RateLimit,
    TritonSettings,
    WarmUp,
)
from marquee.control.render import names
from marquee.control.render.gpus import with_gpus
from marquee.control.snapshot import Defaults

EXIT_SECONDS: Final = 5
"""The front has drained before Triton is told to leave: nothing is in flight."""
SHARED_MEMORY_SIZE: Final = "256Mi"
"""The Python backend passes tensors in it; the container runtime's own is 64 MiB. It counts as the pod's memory."""

MODELS_MOUNT: Final = {"name": "triton-models", "mountPath": REPOSITORY_PATH}
"""Of the front, which writes there what Triton reads."""


def triton_volumes() -> list[dict[str, Any]]:
    """What the two containers share, and what Triton alone has."""
    return [
        {"name": "triton-models", "emptyDir": {}},
        {"name": "triton-tmp", "emptyDir": {}},
        {"name": "triton-memory", "emptyDir": {"medium": "Memory", "sizeLimit": SHARED_MEMORY_SIZE}},
    ]


def triton_container(serving: Serving, triton: Triton, defaults: Defaults) -> dict[str, Any]:
    """The sidecar. Its image's entrypoint, if it has one, gets ``tritonserver`` and options, as the vendor's does."""
    policy = serving.image_pull_policy.value if serving.image_pull_policy else defaults.image_pull_policy
    return {
        "name": names.SIDECAR,
        "image": triton.image or defaults.triton_image,
        "imagePullPolicy": policy,
        "restartPolicy": "Always",
        "args": ["tritonserver", *_options(triton)],
        "ports": [{"name": "triton-metrics", "containerPort": METRICS_PORT, "protocol": "TCP"}],
        "resources": with_gpus(triton.resources, serving.gpu),
        "volumeMounts": [
            MODELS_MOUNT | {"readOnly": True},
            {"name": "artifacts", "mountPath": pod.ARTIFACT_CACHE_PATH, "readOnly": True},
            {"name": "triton-tmp", "mountPath": "/tmp"},  # noqa: S108 - a path inside the container
            {"name": "triton-memory", "mountPath": "/dev/shm"},  # noqa: S108 - same
        ],
        # all else listens on the loopback; a server that shows metrics is one that works
        "startupProbe": _http_get() | {"periodSeconds": 1, "failureThreshold": 120},
        "livenessProbe": _http_get() | {"periodSeconds": 10, "failureThreshold": 3},
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }


def triton_settings(triton: Triton, gpu: Gpu | None) -> str:
    """What the front is told, as the text of its variable. Who names no instances gets them where the GPUs are."""
    kind = InstanceKind.CPU if gpu is None else InstanceKind.GPU
    settings = TritonSettings(
        backend=triton.backend,
        max_batch_size=triton.max_batch_size,
        instance_groups=tuple(
            InstanceGroup(
                kind=group.kind,
                count=group.count,
                gpus=group.gpus,
                rate_limits=tuple(RateLimit(name=held.name, count=held.count) for held in group.rate_limits),
            )
            for group in triton.instance_groups
        )
        or (InstanceGroup(kind=kind),),
        dynamic_batching=DynamicBatching(
            preferred_batch_sizes=triton.dynamic_batching.preferred_batch_sizes,
            max_queue_delay_microseconds=triton.dynamic_batching.max_queue_delay_microseconds,
        ),
        response_cache=triton.response_cache is not None,
        warm_up=_warm_up(triton),
        timeout_milliseconds=triton.timeout_milliseconds,
    )
    return settings.model_dump_json(by_alias=True, exclude_defaults=True)


def _warm_up(triton: Triton) -> WarmUp | None:
    asked = triton.warm_up
    return WarmUp(batch_sizes=asked.batch_sizes, rounds=asked.rounds) if asked is not None else None


def _options(triton: Triton) -> list[str]:
    host, _, port = GRPC_ADDRESS.rpartition(":")
    options = [
        f"--model-repository={REPOSITORY_PATH}",
        "--model-control-mode=explicit",
        "--allow-http=false",
        f"--grpc-address={host}",
        f"--grpc-port={port}",
        "--metrics-address=0.0.0.0",
        f"--metrics-port={METRICS_PORT}",
        f"--exit-timeout-secs={EXIT_SECONDS}",
    ]
    if triton.backend is Backend.PYTHON:
        # its configuration is complete; to ask the model would start a second Python
        options.append("--disable-auto-complete-config")
    if triton.response_cache is not None:
        options.append(f"--cache-config=local,size={triton.response_cache.size_bytes}")
    if triton.rate_limiter is not None:
        options.append("--rate-limit=execution_count")
        options += [f"--rate-limit-resource={one.name}:{one.count}" for one in triton.rate_limiter.resources]
    return options


def _http_get() -> dict[str, Any]:
    return {"httpGet": {"path": "/metrics", "port": "triton-metrics"}, "timeoutSeconds": 2}

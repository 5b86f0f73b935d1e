"""The Triton container of a pod, and what it and the front are told."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bentos.front.settings import Settings
from marquee.contract.triton import Backend, InstanceGroup, TritonSettings
from marquee.control.render import names
from marquee.control.render.defaults import recall, remember
from marquee.control.render.deployment import deployment
from tests.unit.control.builders import DEFAULTS, a_model, a_revision

TRITON = replace(DEFAULTS, triton_image="nvcr.io/nvidia/tritonserver:24.10-py3")
FULL: dict[str, Any] = {
    "backend": "onnxruntime",
    "maxBatchSize": 32,
    "instanceGroups": [{"kind": "GPU", "count": 2, "gpus": [0, 1], "rateLimits": [{"name": "lane", "count": 1}]}],
    "dynamicBatching": {"preferredBatchSizes": [8], "maxQueueDelayMicroseconds": 100},
    "responseCache": {"sizeBytes": 2**20},
    "rateLimiter": {"resources": [{"name": "lane", "count": 2}, {"name": "memory", "count": 3}]},
    "warmUp": {"batchSizes": [1, 8], "rounds": 2},
    "timeoutMilliseconds": 250,
    "resources": {"requests": {"cpu": 2}, "limits": {"memory": "4Gi"}},
}


def rendered(triton: dict[str, Any] | None, **serving: Any) -> dict[str, Any]:
    """The Deployment of a model with that block."""
    block = {"triton": triton} if triton is not None else {}
    return deployment(a_model(revision={"name": "churn-1"}, serving=block | serving), a_revision("churn-1"), TRITON)


def pod_of(manifest: dict[str, Any]) -> dict[str, Any]:
    spec: dict[str, Any] = manifest["spec"]["template"]["spec"]
    return spec


def sidecar(triton: dict[str, Any], **serving: Any) -> dict[str, Any]:
    """The one init container."""
    (container,) = pod_of(rendered(triton, **serving))["initContainers"]
    return dict(container)


def told(triton: dict[str, Any]) -> TritonSettings:
    """What the front makes of its variable."""
    (container,) = pod_of(rendered(triton))["containers"]
    environment = {entry["name"]: entry["value"] for entry in container["env"]}
    settings = Settings.from_environment(environment).triton
    assert settings is not None
    return settings


def test_without_the_block_nothing_is_there() -> None:
    """No container, volume, variable or remembered image: adding the feature restarted nobody."""
    text = str(rendered(None))
    assert "triton" not in text
    assert "initContainers" not in text


def test_it_starts_before_the_front_and_ends_after_it() -> None:
    """A native sidecar, whose start the kubelet waits for and whose hanging it ends."""
    container = sidecar({})
    assert (container["name"], container["restartPolicy"]) == ("triton", "Always")
    for probe in ("startupProbe", "livenessProbe"):
        assert container[probe]["httpGet"] == {"path": "/metrics", "port": "triton-metrics"}
    assert container["ports"] == [{"name": "triton-metrics", "containerPort": 8002, "protocol": "TCP"}]


def test_only_metrics_are_seen_from_outside_of_the_pod() -> None:
    """Predictions come by the front alone: gRPC is bound to the loopback, HTTP is off."""
    arguments = sidecar({})["args"]
    assert arguments[0] == "tritonserver"
    assert {"--allow-http=false", "--grpc-address=127.0.0.1", "--metrics-address=0.0.0.0"} <= set(arguments)
    assert "--model-control-mode=explicit" in arguments


def test_both_containers_share_the_repository_and_the_artifact() -> None:
    """The front writes them, Triton reads them at the same paths and cannot change them."""
    manifest = rendered({})
    (front,) = pod_of(manifest)["containers"]
    writes = {mount["name"]: mount for mount in front["volumeMounts"]}
    reads = {mount["name"]: mount for mount in sidecar({})["volumeMounts"]}
    for name in ("artifacts", "triton-models"):
        assert writes[name]["mountPath"] == reads[name]["mountPath"]
        assert "readOnly" not in writes[name]
        assert reads[name]["readOnly"] is True
    assert {volume["name"] for volume in pod_of(manifest)["volumes"]} >= set(reads)


def test_every_field_reaches_triton_or_the_front() -> None:
    """What the server must know at its start stands in its options, the rest in the front's variable."""
    container = sidecar(FULL)
    assert container["resources"] == {"requests": {"cpu": 2}, "limits": {"memory": "4Gi"}}
    assert container["args"][-4:] == [
        "--cache-config=local,size=1048576",
        "--rate-limit=execution_count",
        "--rate-limit-resource=lane:2",
        "--rate-limit-resource=memory:3",
    ]
    settings = told(FULL)
    assert settings == TritonSettings.model_validate(
        {
            "backend": "onnxruntime",
            "maxBatchSize": 32,
            "instanceGroups": FULL["instanceGroups"],
            "dynamicBatching": FULL["dynamicBatching"],
            "responseCache": True,
            "warmUp": FULL["warmUp"],
            "timeoutMilliseconds": 250,
        }
    )


def test_without_groups_there_is_one_instance() -> None:
    """On the CPU, with the settings' own defaults."""
    assert told({}) == TritonSettings(instance_groups=(InstanceGroup(),))


def test_a_python_model_is_not_asked_to_complete_its_configuration() -> None:
    """That would start a Python process for nothing; onnxruntime needs it to fill in the outputs."""
    option = "--disable-auto-complete-config"
    assert option in sidecar({"backend": Backend.PYTHON.value})["args"]
    assert option not in sidecar({})["args"]


def test_the_image_is_the_models_or_the_operators() -> None:
    """As the predictor's, with the same pull policy."""
    assert sidecar({})["image"] == TRITON.triton_image
    own = sidecar({"image": "example.com/triton:1"}, imagePullPolicy="Always")
    assert (own["image"], own["imagePullPolicy"]) == ("example.com/triton:1", "Always")


@pytest.mark.parametrize(("triton", "image"), [(None, ""), ({}, TRITON.triton_image)])
def test_the_image_is_remembered_where_it_is_used(triton: dict[str, Any] | None, image: str) -> None:
    """A revision keeps it over upgrades; a Deployment without Triton says nothing of it."""
    annotation = rendered(triton)["metadata"]["annotations"][names.ANNOTATION_DEFAULTS]
    remembered = recall(annotation)
    assert remembered == replace(TRITON, triton_image=image)
    assert annotation == remember(replace(TRITON, triton_image=image))

"""Who gets a pod's GPUs, and how they are asked for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bentos.front.settings import Settings
from marquee.contract.triton import InstanceKind
from marquee.control.render.deployment import deployment
from tests.unit.control.builders import DEFAULTS, a_model, a_revision

TWO = {"resource": "nvidia.com/gpu", "count": 2}
SLICE = {"resource": "nvidia.com/mig-1g.10gb"}
CLAIM = {"resourceClaimTemplateName": "one-gpu"}
OWN = {"requests": {"cpu": 1}, "limits": {"memory": "1Gi"}}


def _pod(**serving: Any) -> dict[str, Any]:
    model = a_model(revision={"name": "churn-1"}, serving=serving)
    manifest = deployment(model, a_revision("churn-1"), replace(DEFAULTS, triton_image="example.com/triton:1"))
    spec: dict[str, Any] = manifest["spec"]["template"]["spec"]
    return spec


def _resources(pod: dict[str, Any]) -> dict[str, Any]:
    """Of each container, by its name."""
    return {one["name"]: one["resources"] for one in (*pod["containers"], *pod.get("initContainers", ()))}


def _kinds(pod: dict[str, Any]) -> list[InstanceKind]:
    """On what Triton's instances run, as the front is told."""
    environment = {entry["name"]: entry["value"] for entry in pod["containers"][0]["env"]}
    settings = Settings.from_environment(environment).triton
    assert settings is not None
    return [group.kind for group in settings.instance_groups]


@pytest.mark.parametrize(
    ("gpu", "limit"),
    [(TWO, {"nvidia.com/gpu": "2"}), (SLICE, {"nvidia.com/mig-1g.10gb": "1"})],
    ids=["whole ones", "a slice"],
)
def test_the_predictor_gets_them_where_it_is_alone(gpu: dict[str, Any], limit: dict[str, str]) -> None:
    """Beside its own limits, and not among its requests: for a device the two are one."""
    pod = _pod(gpu=gpu, resources=OWN)
    assert _resources(pod) == {"predictor": OWN | {"limits": {"memory": "1Gi"} | limit}}
    assert "resourceClaims" not in pod


def test_triton_gets_them_where_there_is_one() -> None:
    """The front beside it computes nothing, and a GPU given to both would be two."""
    resources = _resources(_pod(gpu=TWO, resources=OWN, triton={"resources": OWN}))
    assert resources == {"predictor": OWN, "triton": OWN | {"limits": {"memory": "1Gi", "nvidia.com/gpu": "2"}}}


def test_a_claim_is_the_pods_and_named_by_one_container() -> None:
    """Dynamic resource allocation: a claim from the template for each pod."""
    pod = _pod(gpu=CLAIM, resources=OWN, triton={"resources": OWN})
    assert pod["resourceClaims"] == [{"name": "gpu", "resourceClaimTemplateName": "one-gpu"}]
    assert _resources(pod) == {"predictor": OWN, "triton": OWN | {"claims": [{"name": "gpu"}]}}


@pytest.mark.parametrize("gpu", [TWO, CLAIM], ids=["resource", "claim"])
def test_tritons_instances_are_where_the_gpus_are(gpu: dict[str, Any]) -> None:
    """Who asks for a GPU and names no instances does not want it idle; who names some gets those."""
    assert _kinds(_pod(gpu=gpu, triton={})) == [InstanceKind.GPU]
    assert _kinds(_pod(triton={})) == [InstanceKind.CPU]
    groups = [{"kind": "CPU"}, {"kind": "GPU"}]
    assert _kinds(_pod(gpu=gpu, triton={"instanceGroups": groups})) == [InstanceKind.CPU, InstanceKind.GPU]


def test_the_runtime_class_is_passed_on() -> None:
    """Where the container runtime's default sees no GPU; without it the pod names none."""
    assert _pod(runtimeClassName="nvidia")["runtimeClassName"] == "nvidia"
    assert not {"runtimeClassName", "resourceClaims"} & set(_pod())

"""Rendered pods against the Pod Security Standard `restricted`, field by field."""

from __future__ import annotations

from typing import Any

import pytest

from marquee.api.model_revision import ModelRevision
from marquee.control.render.deployment import deployment
from marquee.control.snapshot import Defaults
from tests.support import samples
from tests.unit.control.builders import DEFAULTS, MODEL, NAMESPACE, a_model, a_revision

ALLOWED_VOLUMES = {
    "configMap",
    "csi",
    "downwardAPI",
    "emptyDir",
    "ephemeral",
    "persistentVolumeClaim",
    "projected",
    "secret",
}

MODELS: dict[str, dict[str, Any]] = {
    "minimal": {},
    "full": {
        "serving": {
            "service": "bentos.churn:Churn",
            "image": "example.com/own:1",
            "imagePullPolicy": "Always",
            "resources": {"requests": {"cpu": 1}, "limits": {"memory": "1Gi", "example.com/gpu": 1}},
            "threads": 8,
            "nodeSelector": {"pool": "gpu"},
            "tolerations": [{"operator": "Exists"}],
        },
        "scaling": {"class": "HPA", "maxReplicas": 3},
    },
    "triton": {"serving": {"triton": {"backend": "python"}}},
    "GPU": {"serving": {"gpu": {"resource": "nvidia.com/gpu"}, "runtimeClassName": "nvidia", "triton": {}}},
    "claim": {"serving": {"gpu": {"resourceClaimTemplateName": "one-gpu"}}},
}
URIS = ["s3://models/churn/1", "pvc://claim/churn/1", "file:///srv/churn", "https://example.com/churn"]


@pytest.fixture(params=[(model, uri) for model in MODELS for uri in URIS], ids=" ".join)
def template(request: pytest.FixtureRequest) -> dict[str, Any]:
    """The pod template of every kind of model and artifact."""
    model, uri = request.param
    body = samples.revision("churn-1", of=MODEL, namespace=NAMESPACE, uri=uri)
    defaults = Defaults("example.com/p:1", image_pull_secrets=("pull",), triton_image="example.com/t:1")
    manifest = deployment(
        a_model(revision={"name": "churn-1"}, **MODELS[model]),
        ModelRevision.model_validate(body),
        defaults,
    )
    rendered: dict[str, Any] = manifest["spec"]["template"]
    return rendered


def _containers(template: dict[str, Any]) -> list[dict[str, Any]]:
    spec = template["spec"]
    return [*spec["containers"], *spec.get("initContainers", ()), *spec.get("ephemeralContainers", ())]


def test_nothing_of_the_host_is_shared(template: dict[str, Any]) -> None:
    """No namespaces, ports or paths of the node."""
    spec = template["spec"]
    assert not any(spec.get(field) for field in ("hostNetwork", "hostPID", "hostIPC", "hostname", "hostAliases"))
    assert not any(port.get("hostPort") for container in _containers(template) for port in container["ports"])
    probes = [container.get(name, {}) for container in _containers(template) for name in _PROBES]
    assert not any(probe.get("httpGet", {}).get("host") for probe in probes)


_PROBES = ("startupProbe", "readinessProbe", "livenessProbe")


def test_only_allowed_volumes_are_mounted(template: dict[str, Any]) -> None:
    """Each volume is of one type, and that one is allowed."""
    for volume in template["spec"]["volumes"]:
        kinds = set(volume) - {"name"}
        assert len(kinds) == 1
        assert kinds <= ALLOWED_VOLUMES


def test_an_artifact_on_a_volume_is_mounted_read_only(template: dict[str, Any]) -> None:
    """A predictor never writes where models are kept."""
    claims = {volume["name"] for volume in template["spec"]["volumes"] if "persistentVolumeClaim" in volume}
    mounts = [mount for container in _containers(template) for mount in container["volumeMounts"]]
    assert all(mount["readOnly"] for mount in mounts if mount["name"] in claims)
    assert {mount["name"] for mount in mounts} == {volume["name"] for volume in template["spec"]["volumes"]}


def test_it_cannot_become_root(template: dict[str, Any]) -> None:
    """User, group and volumes belong to an ordinary number, for the pod and for whatever a container says."""
    security = template["spec"]["securityContext"]
    assert security["runAsNonRoot"] is True
    assert security["runAsUser"] == security["runAsGroup"] == security["fsGroup"] > 1000
    for container in _containers(template):
        own = container["securityContext"]
        assert own.get("runAsNonRoot", True) is True
        assert own.get("runAsUser", 1) != 0
        assert own["allowPrivilegeEscalation"] is False
        assert not own.get("privileged")
        assert own.get("procMount", "Default") == "Default"


def test_it_has_no_capabilities(template: dict[str, Any]) -> None:
    """All are dropped, none is added."""
    for container in _containers(template):
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}


def test_system_calls_are_filtered(template: dict[str, Any]) -> None:
    """The runtime's own seccomp profile, and no exception from it or from AppArmor and SELinux."""
    assert template["spec"]["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    everyone = [template["spec"]["securityContext"], *(c["securityContext"] for c in _containers(template))]
    assert all(one.get("seccompProfile", {}).get("type", "RuntimeDefault") == "RuntimeDefault" for one in everyone)
    assert not any({"seLinuxOptions", "appArmorProfile", "sysctls", "windowsOptions"} & set(one) for one in everyone)


def test_its_root_file_system_is_read_only(template: dict[str, Any]) -> None:
    """What it writes goes to its own empty volumes."""
    assert all(container["securityContext"]["readOnlyRootFilesystem"] for container in _containers(template))
    writable = {volume["name"] for volume in template["spec"]["volumes"] if "emptyDir" in volume}
    assert writable - {"triton-models", "triton-tmp", "triton-memory"} == {"artifacts", "tmp"}


def test_it_has_no_access_to_the_cluster(template: dict[str, Any]) -> None:
    """No token of its account, and no addresses of other Services in its environment."""
    assert template["spec"]["automountServiceAccountToken"] is False
    assert template["spec"]["enableServiceLinks"] is False
    assert template["spec"]["serviceAccountName"] == "churn-predictor"


def test_the_operators_pull_secrets_are_used(template: dict[str, Any]) -> None:
    """An image of a private registry can be fetched."""
    assert template["spec"]["imagePullSecrets"] == [{"name": "pull"}]


def test_the_checks_can_fail() -> None:
    """A pod with a host path is not what these tests accept."""
    model = a_model(revision={"name": "churn-1"})
    rendered = deployment(model, a_revision("churn-1"), DEFAULTS)["spec"]["template"]
    rendered["spec"]["volumes"].append({"name": "host", "hostPath": {"path": "/"}})
    with pytest.raises(AssertionError):
        test_only_allowed_volumes_are_mounted(rendered)

"""The operator's Deployment and what belongs to it."""

from __future__ import annotations

from dataclasses import fields
from typing import Any, Final

import pytest

from marquee.control.settings import Settings, settings_from
from tests.support import chart

PREFIX: Final = "MARQUEE_OPERATOR_"
NOT_SET: Final = {
    "http_host": "the probes come from outside of the pod, so the default is the only address that works",
    "catch_up_seconds": "bounds a wait that nobody has had a reason to change",
}
DEMAND_URL: Final = f"http://marquee-metrics.{chart.NAMESPACE}.svc:8081/demand"
DIGEST: Final = "sha256:" + "ab" * 32


def test_every_setting_of_the_operator_is_set() -> None:
    """No setting is out of reach of the chart's values, and the chart sets none that does not exist."""
    own = {name for name in environment() if name.startswith(PREFIX)}
    assert {name.removeprefix(PREFIX).lower() for name in own} == (
        {setting.name for setting in fields(Settings)} - NOT_SET.keys()
    )


def test_default_values_are_the_default_settings() -> None:
    """An operator that is started by hand does what one does that Helm installed, but for the chart's own names."""
    given = {name: entry["value"] for name, entry in environment().items() if "value" in entry}
    defaults = {
        "user_name": f"system:serviceaccount:{chart.NAMESPACE}:{chart.RELEASE}",
        "lease_name": chart.RELEASE,
        "ledger_url": f"http://marquee-ledger.{chart.NAMESPACE}.svc:8090",
        "demand_url": DEMAND_URL,
        "audit_url": f"http://marquee-ledger.{chart.NAMESPACE}.svc:8090",
        "audit_key_path": "/etc/marquee/audit-author/key",
        "audit_author": f"{chart.NAMESPACE}/{chart.RELEASE}/operator",
    }
    assert settings_from(given) == Settings(**defaults)  # type: ignore[arg-type]


def test_settings_come_from_their_values() -> None:
    """Each value reaches its own setting."""
    environment_ = environment(
        {
            "watchNamespaces": ["growth", "retention"],
            "ledger": {"enabled": False, "url": "http://ledger:8090"},
            "keda": {"namespace": "keda"},
            "predictor": {
                "image": {"repository": "registry.example.com/predictor", "tag": "2", "pullPolicy": "Always"},
                "imagePullSecrets": ["one", "two"],
            },
            "trainer": {"image": {"repository": "registry.example.com/trainer", "tag": "3", "pullPolicy": "Always"}},
            "operator": {
                "workers": 3,
                "resyncSeconds": 60,
                "probeTimeoutSeconds": 2.5,
                "evidenceSeconds": 30,
                "driftSeconds": 60,
                "logLevel": "DEBUG",
                "logFormat": "console",
            },
        }
    )
    settings = settings_from({name: entry["value"] for name, entry in environment_.items() if "value" in entry})
    assert settings == Settings(
        predictor_image="registry.example.com/predictor:2",
        predictor_image_pull_policy="Always",
        predictor_image_pull_secrets=("one", "two"),
        trainer_image="registry.example.com/trainer:3",
        trainer_image_pull_policy="Always",
        watch_namespaces=("growth", "retention"),
        user_name=f"system:serviceaccount:{chart.NAMESPACE}:{chart.RELEASE}",
        lease_name=chart.RELEASE,
        workers=3,
        resync_seconds=60,
        probe_timeout_seconds=2.5,
        ledger_url="http://ledger:8090",
        audit_key_path="/etc/marquee/audit-author/key",
        audit_author=f"{chart.NAMESPACE}/{chart.RELEASE}/operator",
        demand_url=DEMAND_URL,
        demand_authentication=f"marquee-demand-{chart.NAMESPACE}",
        demand_token_path="/etc/marquee/demand/token",
        evidence_seconds=30,
        drift_seconds=60,
        log_level="DEBUG",
        log_format="console",
    )


def test_identity_comes_from_the_pod() -> None:
    """Each replica has a name of its own in the Lease, which lies in the release's namespace."""
    given = environment()
    assert given[f"{PREFIX}POD_NAME"]["valueFrom"] == {"fieldRef": {"fieldPath": "metadata.name"}}
    assert given[f"{PREFIX}POD_NAMESPACE"]["valueFrom"] == {"fieldRef": {"fieldPath": "metadata.namespace"}}


@pytest.mark.parametrize(
    ("image", "reference"),
    [
        ({}, "marquee/operator:0.1.0"),
        ({"tag": "dev"}, "marquee/operator:dev"),
        ({"repository": "registry.example.com:5000/marquee"}, "registry.example.com:5000/marquee:0.1.0"),
        ({"digest": DIGEST}, f"marquee/operator:0.1.0@{DIGEST}"),
    ],
)
def test_image_reference(image: dict[str, str], reference: str) -> None:
    """The tag is the chart's appVersion unless told otherwise; a digest pins the bytes."""
    assert container({"image": image})["image"] == reference


def test_pod_is_restricted() -> None:
    """Nothing that the Pod Security level `restricted` forbids, and nothing writable."""
    pod = pod_spec()
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container()["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert all(mount["readOnly"] for mount in container()["volumeMounts"])


def test_only_the_operators_pod_has_a_token() -> None:
    """The ServiceAccount gives no token to a pod that does not ask for it."""
    assert chart.the(chart.render(), "ServiceAccount")["automountServiceAccountToken"] is False
    assert pod_spec()["automountServiceAccountToken"] is True


def test_token_for_the_ledger_is_projected_where_the_operator_looks() -> None:
    """With a ledger the pod has a token for its audience alone, at the setting's path; nothing else changes."""
    values = {"ledger": {"enabled": False, "url": "http://ledger:8090"}}
    volume, _ = pod_spec(values)["volumes"]
    mount, _ = container(values)["volumeMounts"]
    (source,) = volume["projected"]["sources"]
    assert source["serviceAccountToken"] == {"path": "token", "audience": "marquee-ledger", "expirationSeconds": 3600}
    assert mount == {"name": volume["name"], "mountPath": "/var/run/secrets/marquee-ledger", "readOnly": True}
    assert f"{mount['mountPath']}/token" == environment(values)[f"{PREFIX}LEDGER_TOKEN_PATH"]["value"]
    without = {name: part for name, part in pod_spec(values).items() if name not in ("containers", "volumes")}
    alone = pod_spec({"ledger": {"enabled": False}})
    assert without == {name: part for name, part in alone.items() if name != "containers"}


@pytest.mark.parametrize("url", ["ledger:8090", "ftp://ledger", "http://", "http://ledger?a=b"])
def test_address_of_the_ledger_is_checked(url: str) -> None:
    """Helm refuses what is no address, before anything starts."""
    assert "ledger" in chart.refusal({"ledger": {"url": url}})


def test_probes_ask_the_pages_of_the_operator() -> None:
    """The kubelet asks where the operator answers."""
    probes = container()
    (port,) = probes["ports"]
    assert port == {"name": "metrics", "containerPort": Settings().http_port, "protocol": "TCP"}
    assert probes["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "metrics"}
    for kind in ("livenessProbe", "startupProbe"):
        assert probes[kind]["httpGet"] == {"path": "/healthz", "port": "metrics"}


@pytest.mark.parametrize(("replicas", "budgets"), [(0, 0), (1, 0), (2, 1), (3, 1)])
def test_disruption_budget_needs_a_standby(replicas: int, budgets: int) -> None:
    """A single replica has no budget, which would block every node drain or mean nothing."""
    rendered = chart.render({"replicas": replicas})
    assert chart.the(rendered, "Deployment")["spec"]["replicas"] == replicas
    assert len(chart.of_kind(chart.of_part(rendered, "operator"), "PodDisruptionBudget")) == budgets


@pytest.mark.parametrize(
    ("kind", "path"), [("Service", ["spec", "selector"]), ("PodDisruptionBudget", ["spec", "selector", "matchLabels"])]
)
def test_selectors_match_the_pods(kind: str, path: list[str]) -> None:
    """Service and budget mean the operator's pods, whatever labels people add."""
    rendered = chart.render({"podLabels": {"app.kubernetes.io/name": "mine", "team": "platform"}})
    selected = chart.the(rendered, kind)
    for step in path:
        selected = selected[step]
    template = chart.the(rendered, "Deployment")["spec"]["template"]["metadata"]["labels"]
    assert selected.items() <= template.items()
    assert template["team"] == "platform"


def test_scheduling_values_reach_the_pod() -> None:
    """What decides where and how the operator runs is passed on unchanged."""
    values: dict[str, Any] = {
        "imagePullSecrets": [{"name": "registry"}],
        "priorityClassName": "important",
        "nodeSelector": {"disk": "ssd"},
        "tolerations": [{"key": "dedicated", "operator": "Exists"}],
        "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": []}}},
    }
    pod = pod_spec(values)
    assert {key: pod[key] for key in values} == values
    assert not {"affinity", "imagePullSecrets", "nodeSelector", "priorityClassName", "tolerations"} & pod_spec().keys()


def test_annotations_and_variables_reach_the_pod() -> None:
    """Annotations and variables of people's own are added."""
    variable = {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "login", "key": "token"}}}
    values = {"podAnnotations": {"example.com/a": "b"}, "extraEnv": [variable]}
    template = chart.the(chart.render(values), "Deployment")["spec"]["template"]
    assert template["metadata"]["annotations"] == {"example.com/a": "b"}
    assert template["spec"]["containers"][0]["env"][-1] == variable


def test_network_policy_admits_only_the_pages() -> None:
    """When it is wanted, nothing but health and metrics of the operator can be reached."""
    assert chart.of_kind(chart.render(), "NetworkPolicy") == []
    policy = chart.the(chart.render({"networkPolicy": {"enabled": True}}), "NetworkPolicy")["spec"]
    assert policy["policyTypes"] == ["Ingress"]
    assert policy["ingress"] == [{"ports": [{"protocol": "TCP", "port": "metrics"}]}]


def container(values: dict[str, Any] | None = None) -> dict[str, Any]:
    """The operator's container."""
    (only,) = pod_spec(values)["containers"]
    return dict(only)


def pod_spec(values: dict[str, Any] | None = None) -> dict[str, Any]:
    """The operator's pod."""
    return dict(chart.the(chart.render(values), "Deployment")["spec"]["template"]["spec"])


def environment(values: dict[str, Any] | None = None) -> dict[str, dict[str, Any]]:
    """The container's variables by name."""
    return {entry["name"]: entry for entry in container(values)["env"]}

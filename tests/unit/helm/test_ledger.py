"""The ledger's objects: SQLite on a volume, or PostgreSQL and replicas; its key, its one permission, its settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import pytest

from marquee.contract.pod import LEDGER_AUDIENCE
from marquee.ledger.access.masterkeys import MasterKeys
from marquee.ledger.settings import PREFIX, Settings, settings_from
from tests.support import chart

POSTGRESQL: Final[dict[str, Any]] = {"ledger": {"database": {"urlSecret": "ledger-database"}}}
KEYS: Final[dict[str, Any]] = {"ledger": {"apiKeysSecret": "ledger-keys"}}
REVIEWS: Final = {"apiGroups": ["authentication.k8s.io"], "resources": ["tokenreviews"], "verbs": ["create"]}
MODELS: Final = {"apiGroups": ["marquee.dev"], "resources": ["marketingmodels"], "verbs": ["get"]}
NOT_SET: Final = {
    "http_host": "the probes come from outside of the pod, so the default is the only address that works",
    "service_account_path": "the kubelet mounts it at the default place",
    "service_accounts": "without them predictors could send nothing",
    "unauthenticated": "is for loopback addresses only",
}
OFFICERS: Final = (f"{chart.NAMESPACE}:{chart.RELEASE}-privacy-officer",)
WITNESSES: Final[dict[str, Any]] = {"audit": {"witnesses": [{"key": "w+0a1b2c3d+BA==", "url": "http://w:8091"}]}}
AUDIT: Final = {
    "audit_path": Path("/var/lib/marquee/audit"),
    "audit_origin": f"{chart.NAMESPACE}/{chart.RELEASE}",
}
"""The log that the one pod keeps on its volume."""
VARIANTS: Final = pytest.mark.parametrize("values", [{}, POSTGRESQL, KEYS], ids=["sqlite", "postgresql", "API keys"])


def workload(values: dict[str, Any] | None = None) -> dict[str, Any]:
    """The StatefulSet or Deployment."""
    (body,) = chart.of_kind(chart.of_part(chart.render(values), "ledger"), "StatefulSet", "Deployment")
    return body


def container(values: dict[str, Any] | None = None) -> dict[str, Any]:
    """Its container."""
    (only,) = workload(values)["spec"]["template"]["spec"]["containers"]
    return dict(only)


def environment(values: dict[str, Any] | None = None) -> dict[str, Any]:
    """The container's variables by name."""
    return {entry["name"]: entry for entry in container(values)["env"]}


def test_sqlite_has_one_pod_and_a_volume() -> None:
    """A file has one writer, so the set has one pod, whatever the number of replicas says."""
    body = workload({"ledger": {"replicas": 5, "persistence": {"size": "50Gi", "storageClass": "fast"}}})
    assert (body["kind"], body["spec"]["replicas"]) == ("StatefulSet", 1)
    (claim,) = body["spec"]["volumeClaimTemplates"]
    assert claim["spec"] == {
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": "fast",
        "resources": {"requests": {"storage": "50Gi"}},
    }
    (mount,) = [mount for mount in container()["volumeMounts"] if mount["name"] == "data"]
    database = environment()[PREFIX + "DATABASE_URL"]["value"]
    assert database == f"sqlite:///{mount['mountPath']}/ledger.db" == Settings().database_url
    assert environment()["SQLITE_TMPDIR"]["value"] == mount["mountPath"], "the one folder that can be written to"


def test_default_storage_class_is_left_to_the_cluster() -> None:
    """An empty class would mean none; no field means the cluster's default."""
    (claim,) = workload()["spec"]["volumeClaimTemplates"]
    assert "storageClassName" not in claim["spec"]


def test_trial_without_a_volume() -> None:
    """Without persistence the book lies in the pod."""
    body = workload({"ledger": {"persistence": {"enabled": False}}})
    assert "volumeClaimTemplates" not in body["spec"]
    assert {"name": "data", "emptyDir": {}} in body["spec"]["template"]["spec"]["volumes"]


def test_postgresql_has_replicas_and_no_volume() -> None:
    """The URL, with its password, comes from the Secret and is written nowhere else."""
    body = workload({"ledger": {"database": {"urlSecret": "ledger-database"}, "replicas": 3}})
    assert (body["kind"], body["spec"]["replicas"]) == ("Deployment", 3)
    volumes = body["spec"]["template"]["spec"]["volumes"]
    assert [volume["name"] for volume in volumes] == ["prediction-keys"]
    reference = environment(POSTGRESQL)[PREFIX + "DATABASE_URL"]["valueFrom"]
    assert reference == {"secretKeyRef": {"name": "ledger-database", "key": "url"}}
    assert chart.the(chart.render(POSTGRESQL), "PodDisruptionBudget", part="ledger")["spec"]["maxUnavailable"] == 1


@VARIANTS
def test_pod_is_restricted(values: dict[str, Any]) -> None:
    """Nothing that the Pod Security level `restricted` forbids; the volume alone can be written to."""
    pod = workload(values)["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["fsGroup"] == pod["securityContext"]["runAsUser"] == 65532
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container(values)["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    mounts = container(values)["volumeMounts"]
    assert [mount["name"] for mount in mounts if not mount.get("readOnly")] == (
        [] if values == POSTGRESQL else ["data"]
    )


def test_every_setting_of_the_ledger_is_set() -> None:
    """No setting is out of reach of the chart's values, and the chart sets none that does not exist."""
    given = environment(KEYS | WITNESSES) | environment(POSTGRESQL)
    names = {name.removeprefix(PREFIX).lower() for name in given if name.startswith(PREFIX)}
    assert names == set(Settings.model_fields) - NOT_SET.keys()


def test_default_values_are_the_default_settings() -> None:
    """A ledger that is started by hand does what one does that Helm installed."""
    given = {name: entry["value"] for name, entry in environment().items()}
    assert settings_from(given) == Settings(
        operators=(f"{chart.NAMESPACE}:{chart.RELEASE}",), privacy_officers=OFFICERS, **AUDIT
    )


def test_settings_come_from_their_values() -> None:
    """Each value reaches its own setting."""
    quotas = {"exposuresPerSecond": 7, "outcomesPerSecond": 8, "burstSeconds": 9}
    values = {
        "ledger": KEYS["ledger"] | {"quotas": quotas, "logLevel": "DEBUG"},
        "serviceAccount": {"name": "mine"},
    }
    settings = settings_from({name: entry["value"] for name, entry in environment(values).items()})
    assert settings == Settings(
        operators=(f"{chart.NAMESPACE}:mine",),
        privacy_officers=OFFICERS,
        api_keys_path=Path("/etc/marquee/api-keys/keys.json"),
        exposures_per_second=7,
        outcomes_per_second=8,
        burst_seconds=9,
        log_level="DEBUG",
        **AUDIT,
    )


def test_only_permissions_are_to_ask_whose_a_token_is_and_to_read_one_model() -> None:
    """TokenReview, create, and MarketingModel, get; for the ledger's account alone."""
    rendered = chart.render()
    role = chart.the(rendered, "ClusterRole", part="ledger")
    assert role["rules"] == [REVIEWS, MODELS]
    assert chart.of_kind(chart.of_part(rendered, "ledger"), "Role", "RoleBinding") == []
    binding = chart.the(rendered, "ClusterRoleBinding", part="ledger")
    account = chart.the(rendered, "ServiceAccount", part="ledger")
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    assert binding["subjects"] == [
        {"kind": "ServiceAccount", "name": account["metadata"]["name"], "namespace": chart.NAMESPACE}
    ]
    assert workload()["spec"]["template"]["spec"]["serviceAccountName"] == account["metadata"]["name"]
    assert account["automountServiceAccountToken"] is False


def test_namespaced_ledger_reads_models_of_its_namespaces_alone() -> None:
    """With watchNamespaces there is a Role in each of them; only a question without a namespace is for the cluster."""
    rendered = chart.of_part(chart.render({"watchNamespaces": ["growth", "retention"]}), "ledger")
    assert [role["rules"] for role in chart.of_kind(rendered, "ClusterRole")] == [[REVIEWS]]
    roles = {role["metadata"]["namespace"]: role for role in chart.of_kind(rendered, "Role")}
    assert {namespace: role["rules"] for namespace, role in roles.items()} == {
        "growth": [MODELS],
        "retention": [MODELS],
    }
    account = chart.the(rendered, "ServiceAccount", part="ledger")["metadata"]
    for binding in chart.of_kind(rendered, "RoleBinding"):
        assert binding["roleRef"]["name"] == roles[binding["metadata"]["namespace"]]["metadata"]["name"]
        assert binding["subjects"] == [
            {"kind": "ServiceAccount", "name": account["name"], "namespace": account["namespace"]}
        ]


@VARIANTS
def test_selectors_match_the_pods(values: dict[str, Any]) -> None:
    """Service, policy and workload mean the ledger's pods, and not the operator's."""
    rendered = chart.render(values | {"networkPolicy": {"enabled": True}})
    labels = workload(values)["spec"]["template"]["metadata"]["labels"]
    service = chart.the(rendered, "Service", part="ledger")["spec"]
    assert service["selector"].items() <= labels.items()
    assert (service["ports"][0]["port"], service["ports"][0]["targetPort"]) == (Settings().http_port, "http")
    policy = chart.the(rendered, "NetworkPolicy", part="ledger")["spec"]
    assert policy["podSelector"]["matchLabels"].items() <= labels.items()
    operator = chart.the(rendered, "Deployment")["spec"]["selector"]["matchLabels"]
    assert not operator.items() <= labels.items()
    assert container(values)["ports"] == [{"name": "http", "containerPort": Settings().http_port, "protocol": "TCP"}]
    assert container(values)["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "http"}


def test_generated_key_is_one_that_the_ledger_takes(tmp_path: Path) -> None:
    """The Secret is laid out as the folder of master keys; it outlives the release, as prediction ids do."""
    secrets = [chart.the(chart.installed_anew(), "Secret", part="ledger") for _ in range(2)]
    for number, secret in enumerate(secrets):
        assert secret["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
        folder = tmp_path / str(number)
        chart.mount(secret, folder)
        assert len(MasterKeys(folder).get(0) or b"") == 32
    assert secrets[0]["data"] != secrets[1]["data"]


def test_key_of_ones_own_is_used() -> None:
    """With a Secret of somebody else's the chart makes none, and the ledger mounts that one: it alone holds keys."""
    rendered = chart.render({"ledger": {"masterKeySecret": "theirs"}})
    assert chart.of_kind(chart.of_part(rendered, "ledger"), "Secret") == []
    mounted = {"name": "prediction-keys", "secret": {"secretName": "theirs"}}
    assert mounted in chart.the(rendered, "StatefulSet", part="ledger")["spec"]["template"]["spec"]["volumes"]
    assert "theirs" not in str(chart.the(rendered, "Deployment", part="operator"))


def test_operator_is_told_where_the_ledger_is() -> None:
    """Its URL, and a token for the ledger's audience."""
    rendered = chart.render()
    pod = chart.the(rendered, "Deployment")["spec"]["template"]["spec"]
    given = {entry["name"]: entry.get("value") for entry in pod["containers"][0]["env"]}
    service = chart.the(rendered, "Service", part="ledger")["metadata"]["name"]
    assert given["MARQUEE_OPERATOR_LEDGER_URL"] == f"http://{service}.{chart.NAMESPACE}.svc:8090"
    mount, _ = pod["containers"][0]["volumeMounts"]
    assert given["MARQUEE_OPERATOR_LEDGER_TOKEN_PATH"] == mount["mountPath"] + "/token"
    volume, _ = pod["volumes"]
    assert volume["projected"]["sources"][0]["serviceAccountToken"]["audience"] == LEDGER_AUDIENCE


def test_installation_without_a_ledger() -> None:
    """Switched off, nothing of it is left, in the operator neither."""
    rendered = chart.render({"ledger": {"enabled": False}})
    assert chart.of_part(rendered, "ledger") == []
    pod = chart.the(rendered, "Deployment")["spec"]["template"]["spec"]
    assert "volumes" not in pod
    (url,) = [entry["value"] for entry in pod["containers"][0]["env"] if entry["name"].endswith("LEDGER_URL")]
    assert url == ""

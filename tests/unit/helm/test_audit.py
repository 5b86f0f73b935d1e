"""The audit log in the chart: one pod writes it, its two keys lie in two Secrets, and each process has one of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import pytest

from marquee.audit.keys import load_named
from marquee.control.settings import Settings as OperatorSettings
from marquee.control.settings import settings_from as operator_settings_from
from marquee.ledger.settings import Settings, settings_from
from marquee.ledger.witnessing import read_witnesses
from tests.support import chart
from tests.support.audit.logs import WITNESSES

POSTGRESQL: Final[dict[str, Any]] = {"ledger": {"database": {"urlSecret": "ledger-database"}, "replicas": 3}}
OF_OTHERS: Final[dict[str, Any]] = {"ledger": {"enabled": False, "url": "http://ledger:8090"}}


def pod_of(body: dict[str, Any]) -> dict[str, Any]:
    """The pod's spec of a workload."""
    return dict(body["spec"]["template"]["spec"])


def writer(values: dict[str, Any] | None = None) -> dict[str, Any]:
    """The workload that keeps the log."""
    bodies = chart.of_kind(chart.render(values), "StatefulSet", "Deployment")
    (only,) = [body for body in bodies if "MARQUEE_LEDGER_AUDIT_PATH" in str(pod_of(body))]
    return only


def ledger_settings(values: dict[str, Any] | None = None) -> Settings:
    """What it runs with."""
    (container,) = pod_of(writer(values))["containers"]
    return settings_from({entry["name"]: entry["value"] for entry in container["env"] if "value" in entry})


def operator_settings(values: dict[str, Any] | None = None) -> OperatorSettings:
    """What the operator runs with."""
    (container,) = pod_of(chart.the(chart.render(values), "Deployment"))["containers"]
    return operator_settings_from({entry["name"]: entry["value"] for entry in container["env"] if "value" in entry})


def secrets_of(pod: dict[str, Any]) -> set[str]:
    """The Secrets that a pod mounts."""
    return {volume["secret"]["secretName"] for volume in pod.get("volumes", ()) if "secret" in volume}


@pytest.mark.parametrize("values", [{}, POSTGRESQL], ids=["sqlite", "postgresql"])
def test_one_pod_writes_the_log_on_a_volume_of_its_own(values: dict[str, Any]) -> None:
    """A log has one writer: the ledger's only pod, or where it has replicas one beside them."""
    body = writer(values)
    assert (body["kind"], body["spec"]["replicas"]) == ("StatefulSet", 1)
    (claim,) = body["spec"]["volumeClaimTemplates"]
    (container,) = pod_of(body)["containers"]
    (mount,) = [mount for mount in container["volumeMounts"] if mount["name"] == claim["metadata"]["name"]]
    settings = ledger_settings(values)
    assert settings.audit_path is not None
    assert settings.audit_path.is_relative_to(mount["mountPath"])
    assert settings.audit_keys_path == Settings().audit_keys_path
    assert settings.audit_origin == f"{chart.NAMESPACE}/{chart.RELEASE}"


@pytest.mark.parametrize("values", [{}, POSTGRESQL], ids=["sqlite", "postgresql"])
def test_the_operator_finds_who_writes_it(values: dict[str, Any]) -> None:
    """Its entries go to the pod that keeps the log, whoever counts the outcomes."""
    url = operator_settings(values).audit_url
    name = url.removeprefix("http://").partition(".")[0]
    (service,) = [body for body in chart.of_kind(chart.render(values), "Service") if body["metadata"]["name"] == name]
    assert service["spec"]["selector"].items() <= writer(values)["spec"]["template"]["metadata"]["labels"].items()
    assert url == f"http://{name}.{chart.NAMESPACE}.svc:{service['spec']['ports'][0]['port']}"
    ledgers = chart.of_kind(chart.of_part(chart.render(values), "ledger"), "Service")
    others = [body["spec"]["selector"] for body in ledgers if body["metadata"]["name"] != name]
    labels = writer(values)["spec"]["template"]["metadata"]["labels"]
    assert not [selector for selector in others if selector.items() <= labels.items()]


@pytest.mark.parametrize("values", [{}, POSTGRESQL], ids=["sqlite", "postgresql"])
def test_nobody_has_both_keys(values: dict[str, Any]) -> None:
    """Whoever had the log's and the author's could write another history alone."""
    keeps, enters = "marquee-audit-log-key", "marquee-audit-author-key"
    bodies = chart.of_kind(chart.render(values), "StatefulSet", "Deployment")
    mounted = {body["metadata"]["name"]: secrets_of(pod_of(body)) & {keeps, enters} for body in bodies}
    assert mounted.pop(writer(values)["metadata"]["name"]) == {keeps}
    assert mounted.pop(chart.RELEASE) == {enters}
    assert not any(mounted.values())


def test_keys_are_ones_that_both_take(tmp_path: Path) -> None:
    """Made once, kept when the release goes, different from each other and from another installation's."""
    made: set[str] = set()
    for number in range(2):
        for secret in chart.of_kind(chart.of_part(chart.installed_anew(), "audit"), "Secret"):
            assert secret["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
            assert secret["metadata"]["namespace"] == chart.NAMESPACE
            folder = tmp_path / f"{number}-{secret['metadata']['name']}"
            chart.mount(secret, folder)
            (key,) = load_named(folder / Path(operator_settings().audit_key_path).name, ledger_settings().audit_origin)
            made.add(key.text)
    assert len(made) == 4


def test_keys_of_ones_own_are_used() -> None:
    """The chart then makes none."""
    values = {"audit": {"logKeySecret": "mine", "authorKeySecret": "hers", "origin": "logs.example/shop"}}
    assert chart.of_part(chart.render(values), "audit") == []
    assert "mine" in secrets_of(pod_of(writer(values)))
    assert "hers" in secrets_of(pod_of(chart.the(chart.render(values), "Deployment")))
    assert ledger_settings(values).audit_origin == "logs.example/shop"
    assert operator_settings(values).audit_author == "logs.example/shop/operator"


def test_a_ledger_of_others_keeps_their_log() -> None:
    """The operator enters what it decides there, by a key of its own."""
    rendered = chart.render(OF_OTHERS)
    (secret,) = chart.of_part(rendered, "audit")
    assert secret["metadata"]["name"] in secrets_of(pod_of(chart.the(rendered, "Deployment")))
    settings = operator_settings(OF_OTHERS)
    assert (settings.audit_url, settings.ledger_url) == ("", "http://ledger:8090")
    assert settings.audit_key_path


@pytest.mark.parametrize(
    "values",
    [{"audit": {"enabled": False}}, POSTGRESQL | {"audit": {"enabled": False}}, {"ledger": {"enabled": False}}],
    ids=["switched off", "with replicas", "no ledger"],
)
def test_without_a_log_nothing_of_it_is_left(values: dict[str, Any]) -> None:
    """No Secret, no volume, no setting."""
    rendered = chart.render(values)
    assert chart.of_part(rendered, "audit") == []
    assert not [body for body in chart.of_kind(rendered, "StatefulSet", "Deployment") if "audit" in str(pod_of(body))]


def test_the_writer_is_restricted_and_reached_like_the_ledger() -> None:
    """Where it is a pod of its own it is the same pod: restricted, probed, and behind a policy where one is wanted."""
    values = POSTGRESQL | {"networkPolicy": {"enabled": True}}
    rendered = chart.render(values)
    ledger = pod_of(chart.the(rendered, "Deployment", part="ledger"))
    own = pod_of(writer(values))
    for name in ("securityContext", "serviceAccountName"):
        assert own[name] == ledger[name]
    for name in ("securityContext", "readinessProbe", "livenessProbe", "image", "command"):
        assert own["containers"][0][name] == ledger["containers"][0][name]
    policy = chart.the(rendered, "NetworkPolicy", part="audit")["spec"]
    labels = writer(values)["spec"]["template"]["metadata"]["labels"]
    assert policy["podSelector"]["matchLabels"].items() <= labels.items()
    assert policy["ingress"] == [{"ports": [{"protocol": "TCP", "port": "http"}]}]


def test_witnesses_are_asked_where_the_log_is_kept() -> None:
    """As the ledger reads them."""
    key = WITNESSES[0].public.text
    given = {"audit": {"witnesses": [{"key": key, "url": "https://witness.example:8091"}] * 2, "quorum": 2}}
    settings = ledger_settings(given)
    assert settings.audit_witnesses == (f"{key} https://witness.example:8091",) * 2
    assert settings.audit_quorum == 2
    assert [str(one.url) for one in read_witnesses(settings.audit_witnesses)] == ["https://witness.example:8091"] * 2


def test_replicas_say_where_erasures_go() -> None:
    """With PostgreSQL all pods have the same database, and one has the log."""
    (replicas,) = chart.of_kind(chart.of_part(chart.render(POSTGRESQL), "ledger"), "Deployment")
    (container,) = pod_of(replicas)["containers"]
    settings = settings_from({entry["name"]: entry["value"] for entry in container["env"] if "value" in entry})
    assert settings.audit_url == "http://marquee-audit.marquee-system.svc:8090"
    assert ledger_settings(POSTGRESQL).audit_url == ""
    assert settings.privacy_officers == ("marquee-system:marquee-privacy-officer",)

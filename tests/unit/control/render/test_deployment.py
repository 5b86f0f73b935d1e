"""The Deployment of one revision."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from marquee.api.model_revision import ModelRevision
from marquee.contract import pod
from marquee.control.render import deployment as rendering
from marquee.control.render import names
from marquee.control.render.defaults import recall
from marquee.control.snapshot import Defaults
from tests.support import samples
from tests.unit.control.builders import DEFAULTS, MODEL, NAMESPACE, a_model, a_revision, digest_of


def _render(uri: str = "s3://models/churn/1", **spec: Any) -> dict[str, Any]:
    body = samples.revision("churn-1", of=MODEL, namespace=NAMESPACE, uri=uri, digest=digest_of("churn-1"))
    model = a_model(revision={"name": "churn-1"}, **spec)
    return rendering.deployment(model, ModelRevision.model_validate(body), DEFAULTS)


def _pod(manifest: dict[str, Any]) -> dict[str, Any]:
    spec: dict[str, Any] = manifest["spec"]["template"]["spec"]
    return spec


def _container(manifest: dict[str, Any]) -> dict[str, Any]:
    (container,) = _pod(manifest)["containers"]
    return dict(container)


def _settings(manifest: dict[str, Any]) -> dict[str, str]:
    return {entry["name"]: entry["value"] for entry in _container(manifest)["env"]}


def test_the_replicas_are_left_out() -> None:
    """An apply can never reset what a scaler has set."""
    assert "replicas" not in _render()["spec"]


def test_it_selects_its_own_pods_alone() -> None:
    """The selector names model and revision, is part of the pods' labels, and holds nothing that may change."""
    spec = _render(owner={"team": "other", "contact": "abc"})["spec"]
    assert spec["selector"]["matchLabels"] == {"marquee.dev/model": "churn", "marquee.dev/revision": "churn-1"}
    assert spec["selector"]["matchLabels"].items() <= spec["template"]["metadata"]["labels"].items()
    assert spec["template"]["metadata"]["labels"]["marquee.dev/team"] == "other"


def test_a_change_never_takes_a_pod_away_first() -> None:
    """New pods are ready before old ones go."""
    strategy = _render()["spec"]["strategy"]
    assert strategy == {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}


def test_the_pod_is_told_which_bytes_to_serve() -> None:
    """Model, revision, artifact and digest reach the predictor by the names of the contract."""
    assert _settings(_render(serving={"threads": 3, "maxRequestBytes": 2048})) == {
        "MARQUEE_MODEL": "churn",
        "MARQUEE_NAMESPACE": "crm",
        "MARQUEE_REVISION": "churn-1",
        "MARQUEE_ARTIFACT_URI": "s3://models/churn/1",
        "MARQUEE_ARTIFACT_DIGEST": digest_of("churn-1"),
        "MARQUEE_MAX_REQUEST_BYTES": "2048",
        "MARQUEE_THREADS": "3",
        "MARQUEE_DRAIN_SECONDS": "10",
    }


def test_cache_and_cost_reach_the_predictor() -> None:
    """What the model asks for is set, with the API's defaults; without it the pod's settings stay as they were."""
    serving = {"cache": {"ttlSeconds": 60}, "cost": {"perPodHour": 0.05, "currency": "EUR"}}
    added = _settings(_render(serving=serving)).items() - _settings(_render()).items()
    assert dict(added) == {
        "MARQUEE_PREDICTION_CACHE_TTL_SECONDS": "60",
        "MARQUEE_PREDICTION_CACHE_MAX_ENTRIES": "10000",
        "MARQUEE_COST_PER_POD_HOUR": "0.05",
        "MARQUEE_COST_CURRENCY": "EUR",
    }


def test_explanations_reach_the_predictor_where_they_are_on() -> None:
    """Other parts of governance restart no pod."""
    added = _settings(_render(governance={"explanations": True})).items() - _settings(_render()).items()
    assert dict(added) == {"MARQUEE_EXPLANATIONS": "true"}
    assert _render(governance={"approvals": {"required": 1}, "riskClass": "Limited"}) == _render()


def test_a_service_behind_the_front_is_named() -> None:
    """`spec.serving.service` reaches the predictor, and only when it is set."""
    assert _settings(_render(serving={"service": "bentos.churn:Churn"}))["MARQUEE_SERVICE"] == "bentos.churn:Churn"
    assert "MARQUEE_SERVICE" not in _settings(_render())


def test_a_volume_is_mounted_where_the_contract_says() -> None:
    """``pvc://CLAIM/PATH`` is found under the claim's name."""
    manifest = _render(uri="pvc://claim-1/churn/1")
    assert {"name": "source", "persistentVolumeClaim": {"claimName": "claim-1", "readOnly": True}} in _pod(manifest)[
        "volumes"
    ]
    mounts = {mount["name"]: mount["mountPath"] for mount in _container(manifest)["volumeMounts"]}
    assert mounts == {
        "artifacts": pod.ARTIFACT_CACHE_PATH,
        "tmp": "/tmp",  # noqa: S108 - a path inside the container
        "source": f"{pod.PVC_MOUNT_ROOT}/claim-1",
    }


@pytest.mark.parametrize(
    ("uri", "claim"),
    [
        ("pvc://claim/a/b", "claim"),
        ("pvc://claim/", "claim"),
        ("pvc://team.claim-2/a", "team.claim-2"),
        ("s3://claim/a", None),
        ("file:///pvc://claim/a", None),
    ],
)
def test_the_claim_is_the_authority_of_the_uri(uri: str, claim: str | None) -> None:
    """Only a pvc artifact lies on a claim."""
    assert rendering.claim_of(uri) == claim


def test_an_artifact_elsewhere_mounts_nothing() -> None:
    """Without a claim there are only the pod's own volumes."""
    assert [volume["name"] for volume in _pod(_render())["volumes"]] == ["artifacts", "tmp"]


def test_ports_and_probes_speak_the_contract() -> None:
    """Predictions and metrics on their ports; health by the Open Inference Protocol's paths."""
    container = _container(_render())
    assert {port["name"]: port["containerPort"] for port in container["ports"]} == {
        "http": pod.SERVING_PORT,
        "metrics": pod.METRICS_PORT,
    }
    assert container["startupProbe"]["httpGet"] == {"path": "/v2/health/ready", "port": "http"}
    assert container["readinessProbe"]["httpGet"] == {"path": "/v2/health/ready", "port": "http"}
    assert container["livenessProbe"]["httpGet"] == {"path": "/v2/health/live", "port": "http"}


def test_a_slow_start_has_the_time_of_the_deadline() -> None:
    """The kubelet kills no pod that may still become ready before the rollout gives up."""
    manifest = _render(rollout={"progressDeadlineSeconds": 900})
    probe = _container(manifest)["startupProbe"]
    assert probe["periodSeconds"] * probe["failureThreshold"] == manifest["spec"]["progressDeadlineSeconds"] == 900


def test_there_is_time_to_drain() -> None:
    """The grace period holds the wait before SIGTERM and the front's own draining, with a margin."""
    spec = _pod(_render())
    before = _container(_render())["lifecycle"]["preStop"]["sleep"]["seconds"]
    draining = int(_settings(_render())["MARQUEE_DRAIN_SECONDS"])
    assert before >= 1
    assert spec["terminationGracePeriodSeconds"] > before + draining


def test_requests_and_limits_are_passed_on() -> None:
    """What the spec says, in its own words; what it leaves out is left out."""
    resources = {"requests": {"cpu": "1000m"}, "limits": {"example.com/gpu": 1}}
    assert _container(_render(serving={"resources": resources}))["resources"] == resources
    assert _container(_render(serving={"resources": {}}))["resources"] == {}
    assert _container(_render())["resources"] == {
        "requests": {"cpu": "100m", "memory": "256Mi"},
        "limits": {"memory": "512Mi"},
    }


def test_where_pods_run_is_passed_on() -> None:
    """Node selector and tolerations, as in a Pod."""
    tolerations = [
        {"key": "spot", "operator": "Equal", "value": "true", "effect": "NoSchedule"},
        {"operator": "Exists"},
    ]
    spec = _pod(_render(serving={"nodeSelector": {"pool": "gpu"}, "tolerations": tolerations}))
    assert spec["nodeSelector"] == {"pool": "gpu"}
    assert spec["tolerations"] == tolerations
    assert not {"nodeSelector", "tolerations", "imagePullSecrets"} & set(_pod(_render()))


@pytest.mark.parametrize(("asked", "expected"), [(None, "IfNotPresent"), ("Always", "Always"), ("Never", "Never")])
def test_the_pull_policy_is_the_models_or_the_operators(asked: str | None, expected: str) -> None:
    """A model may say when its image is fetched."""
    serving = {} if asked is None else {"imagePullPolicy": asked}
    assert _container(_render(serving=serving))["imagePullPolicy"] == expected


def test_the_defaults_are_remembered_whether_they_are_used_or_not() -> None:
    """A model that stops naming an image of its own goes back to the defaults of its first deployment."""
    defaults = Defaults("example.com/default:1", image_pull_policy="Always", image_pull_secrets=("one", "two"))
    own = {"image": "example.com/own:1", "imagePullPolicy": "Never"}
    model = a_model(revision={"name": "churn-1"}, serving=own)
    manifest = rendering.deployment(model, a_revision("churn-1"), defaults)
    assert recall(manifest["metadata"]["annotations"][names.ANNOTATION_DEFAULTS]) == defaults
    assert _container(manifest).items() >= own.items()


@pytest.mark.parametrize("text", [None, "", "{", "{}", '{"predictor_image": 1}', "[]"])
def test_defaults_that_cannot_be_read_are_none(text: str | None) -> None:
    """Somebody's edit of the annotation must not stop the operator: those of today are taken."""
    assert recall(text) is None


LEDGER = replace(DEFAULTS, ledger_url="http://marquee-ledger.marquee-system:8090")


def _with_ledger() -> dict[str, Any]:
    return rendering.deployment(a_model(revision={"name": "churn-1"}), a_revision("churn-1"), LEDGER)


def test_a_pod_reports_to_the_ledger_that_the_operator_has() -> None:
    """It gets the address, a token for the ledger alone, and a spool that outlives its container."""
    manifest = _with_ledger()
    environment = _settings(manifest)
    assert environment["MARQUEE_LEDGER_URL"] == LEDGER.ledger_url
    volumes = {volume["name"]: volume for volume in _pod(manifest)["volumes"]}
    (source,) = volumes["ledger-token"]["projected"]["sources"]
    assert source["serviceAccountToken"]["audience"] == "marquee-ledger"
    mounts = {mount["name"]: mount["mountPath"] for mount in _container(manifest)["volumeMounts"]}
    folder, file = environment["MARQUEE_LEDGER_TOKEN_PATH"].rsplit("/", 1)
    assert (mounts["ledger-token"], source["serviceAccountToken"]["path"]) == (folder, file)
    assert mounts["spool"] == environment["MARQUEE_SPOOL_PATH"]
    assert "emptyDir" in volumes["spool"]


def test_without_a_ledger_nothing_is_mounted_for_one() -> None:
    """A pod that reports nowhere has neither token nor spool, and its annotation does not mention a ledger."""
    text = str(_render())
    assert "ledger" not in text
    assert "spool" not in text


def test_a_revision_keeps_reporting_where_it_did_at_first() -> None:
    """The ledger's address is one of the defaults that a Deployment remembers."""
    annotation = _with_ledger()["metadata"]["annotations"][names.ANNOTATION_DEFAULTS]
    assert recall(annotation) == LEDGER


def test_the_latency_objective_reaches_the_pod() -> None:
    """What is slow is counted where it is known: in the pod."""
    assert _settings(_render(slo={"latencyMilliseconds": 250}))["MARQUEE_SLO_P99_MILLISECONDS"] == "250"

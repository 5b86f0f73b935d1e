"""What the API server fills in, and what it keeps apart, on a real API server."""

from __future__ import annotations

from typing import Any

import pytest

from marquee.api.marketing_model import MarketingModel
from marquee.api.traffic import GatewayReference, Traffic
from tests.support.apiserver import ApiServer, collection_of
from tests.support.samples import model, revision


def _create(server: ApiServer, namespace: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = server.create(collection_of(body["kind"], namespace), body)
    assert answer.accepted, answer.message
    return answer.body


def _ramp(name: str, namespace: str, **traffic: Any) -> dict[str, Any]:
    """A model with one step, judged by a mean and a guardrail, and nothing that has a default."""
    analysis = {
        "primary": {"outcome": "revenue", "kind": "Mean", "values": {"cap": 250, "deviation": 31.5}},
        "guardrails": [{"metric": "Errors"}],
    }
    return model(
        name,
        revision="x",
        namespace=namespace,
        traffic={"gateway": {"name": "public"}} | traffic,
        rollout={"steps": [{"weight": 10}], "analysis": analysis},
    )


def test_blocks_that_are_left_out_are_filled_in(server: ApiServer, namespace: str) -> None:
    """`serving`, `scaling` and `rollout` have the documented defaults in the stored object, not only in code."""
    spec = _create(server, namespace, model("churn", revision="churn-1", namespace=namespace))["spec"]
    assert spec["serving"] == {
        "class": "Marquee",
        "threads": 1,
        "maxRequestBytes": 1_048_576,
        "resources": {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"memory": "512Mi"}},
        "tolerations": [],
    }
    assert spec["scaling"] == {"class": "None", "minReplicas": 1, "schedule": []}
    assert spec["rollout"] == {
        "progressDeadlineSeconds": 600,
        "drainSeconds": 10,
        "steps": [],
        "paused": False,
        "windows": [],
        "freezes": [],
    }
    assert not {"traffic", "slo"} & spec.keys()


def test_blocks_of_a_ramp_are_filled_in(server: ApiServer, namespace: str) -> None:
    """Gateway, weight and primary outcome are enough: the rest of a judged ramp has the documented defaults."""
    spec = _create(server, namespace, _ramp("churn", namespace))["spec"]
    assert spec["traffic"] == {
        "gateway": {"name": "public"},
        "hostnames": [],
        "pathPrefix": "/",
        "assignment": {"unit": "User", "holdoutPercent": 0},
    }
    assert spec["rollout"]["steps"] == [
        {"weight": 10, "minExposures": 100, "minDurationSeconds": 0, "approval": "Automatic"}
    ]
    assert spec["rollout"]["analysis"] == {
        "primary": {"outcome": "revenue", "kind": "Mean", "direction": "HigherIsBetter", "margin": 0.05}
        | {"values": {"cap": 250, "deviation": 31.5, "plannedExposures": 100_000}},
        "guardrails": [{"metric": "Errors", "direction": "LowerIsBetter", "margin": 0.1}],
        "alpha": 0.05,
        "onInconclusive": "Hold",
    }


def test_an_empty_assignment_is_filled_in_like_an_absent_one(server: ApiServer, namespace: str) -> None:
    """``assignment: {}`` means the same as no `assignment` at all, and as the types' own default."""
    absent = _create(server, namespace, _ramp("absent", namespace))["spec"]["traffic"]
    empty = _create(server, namespace, _ramp("empty", namespace, assignment={}))["spec"]["traffic"]
    assert empty == absent
    assert Traffic.model_validate(absent) == Traffic(gateway=GatewayReference(name="public"))


@pytest.mark.parametrize("block", ["serving", "scaling", "rollout"])
def test_an_empty_block_is_filled_in_like_an_absent_one(server: ApiServer, namespace: str, block: str) -> None:
    """``scaling: {}`` means the same as no `scaling` at all."""
    absent = _create(server, namespace, model("absent", revision="x", namespace=namespace))["spec"]
    empty = _create(server, namespace, model("empty", revision="x", namespace=namespace, **{block: {}}))["spec"]
    assert empty[block] == absent[block]


@pytest.mark.parametrize("ramp", [False, True])
def test_the_types_have_the_same_defaults_as_the_schema(server: ApiServer, namespace: str, ramp: bool) -> None:
    """An object reads the same before the server has filled it in as after."""
    body = _ramp("churn", namespace) if ramp else model("churn", revision="churn-1", namespace=namespace)
    stored = _create(server, namespace, body)
    assert MarketingModel.model_validate(stored).spec == MarketingModel.model_validate(body).spec


def test_status_is_not_written_with_the_spec(server: ApiServer, namespace: str) -> None:
    """A status in a create or an update of the object itself is dropped."""
    body = model("churn", revision="churn-1", namespace=namespace) | {"status": {"phase": "Serving"}}
    stored = _create(server, namespace, body)
    assert "status" not in stored
    path = f"{collection_of('MarketingModel', namespace)}/churn"
    updated = server.send("PUT", path, stored | {"status": {"phase": "Serving"}})
    assert updated.accepted, updated.message
    assert "status" not in server.get(path)


def test_spec_is_not_written_with_the_status(server: ApiServer, namespace: str) -> None:
    """A write to the status subresource changes the status alone, and not the generation."""
    stored = _create(server, namespace, model("churn", revision="churn-1", namespace=namespace))
    changed = stored | {"spec": stored["spec"] | {"useCase": "Pricing"}, "status": {"phase": "Serving"}}
    path = f"{collection_of('MarketingModel', namespace)}/churn"
    answer = server.send("PUT", f"{path}/status", changed)
    assert answer.accepted, answer.message
    now = server.get(path)
    assert now["spec"] == stored["spec"]
    assert now["status"]["phase"] == "Serving"
    assert now["metadata"]["generation"] == stored["metadata"]["generation"]


def test_the_spec_of_a_revision_never_changes(server: ApiServer, namespace: str) -> None:
    """Any part of a ModelRevision's spec may be written once; labels stay free, since tracking uses them."""
    stored = _create(server, namespace, revision("churn-1", of="churn", namespace=namespace))
    path = f"{collection_of('ModelRevision', namespace)}/churn-1"
    artifact = stored["spec"]["artifact"]
    for part in (
        {"description": "better"},
        {"artifact": artifact | {"digest": "sha256:" + "1" * 64}},
        {"artifact": artifact | {"uri": "s3://elsewhere/churn"}},
    ):
        answer = server.send("PUT", path, stored | {"spec": stored["spec"] | part})
        assert "a ModelRevision is immutable: create a new one with another name" in answer.message
    metadata = stored["metadata"] | {"labels": {"stage": "production"}}
    labelled = server.send("PUT", path, stored | {"metadata": metadata})
    assert labelled.accepted, labelled.message
    assert labelled.body["metadata"]["generation"] == 1


@pytest.mark.parametrize(
    "uri",
    [
        "file:///srv/models/churn",
        "pvc://models/churn/1",
        "pvc://team.models-2/churn",
        "s3://bucket/churn",
        "gs://bucket/churn",
        "https://example.com/churn",
        "models:/churn/7",
    ],
)
def test_every_documented_place_of_an_artifact_is_accepted(server: ApiServer, namespace: str, uri: str) -> None:
    """Each URI scheme of the design can be stored."""
    _create(server, namespace, revision("churn-1", of="churn", namespace=namespace, uri=uri))


@pytest.mark.parametrize(
    "uri", ["/srv/models", "file://models", "pvc:///churn", "pvc://UPPER/churn", "s3://", "http://example.com/churn"]
)
def test_other_places_of_an_artifact_are_refused(server: ApiServer, namespace: str, uri: str) -> None:
    """A URI that no predictor could fetch is refused where it is written, and not when a pod starts."""
    body = revision("churn-1", of="churn", namespace=namespace, uri=uri)
    answer = server.create(collection_of("ModelRevision", namespace), body)
    assert "spec.artifact.uri: " in answer.message
    assert "must start with file:///" in answer.message

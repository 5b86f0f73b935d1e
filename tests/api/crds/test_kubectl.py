"""What people see of Marquee's kinds through kubectl, on a real API server."""

from __future__ import annotations

import json

import pytest

from localcluster import ControlPlane, LocalClusterError
from tests.support.apiserver import ApiServer, collection_of
from tests.support.crds import samples
from tests.support.samples import model, revision

_COLUMNS = ["NAME", "READY", "REASON", "STABLE", "CANARY", "STEP", "WEIGHT", "VERDICT", "DRIFT", "REPLICAS", "AGE"]


@pytest.fixture
def serving(server: ApiServer, namespace: str) -> str:
    """A namespace with one model that serves, and its revision."""
    for body in (
        revision("churn-1", of="churn", namespace=namespace),
        model("churn", revision="churn-1", namespace=namespace),
    ):
        answer = server.create(collection_of(body["kind"], namespace), body)
        assert answer.accepted, answer.message
    condition = {
        "type": "Ready",
        "status": "True",
        "reason": "Serving",
        "message": "revision churn-1 serves",
        "lastTransitionTime": "2024-11-22T12:00:00Z",
        "observedGeneration": 1,
    }
    arm = {"digest": "sha256:" + "0" * 64, "since": "2024-11-22T12:00:00Z", "replicas": 2, "readyReplicas": 2}
    status = {
        "conditions": [condition],
        "stable": arm | {"revision": "churn-1"},
        "canary": arm | {"revision": "churn-2"},
        "replicas": 2,
        "selector": "marquee.dev/model=churn",
    }
    written = server.send(
        "PUT", f"{collection_of('MarketingModel', namespace)}/churn/status", answer.body | {"status": status}
    )
    assert written.accepted, written.message
    return namespace


def test_models_are_listed_with_what_a_person_asks_first(plane: ControlPlane, serving: str) -> None:
    """`kubectl get mm` shows readiness, the reason, both arms and the pods, and with -o wide the message.

    Without a ramp its columns stay empty.
    """
    header, line = plane.kubectl("get", "mm", "-n", serving).splitlines()
    assert header.split() == _COLUMNS
    assert line.split()[:-1] == ["churn", "True", "Serving", "churn-1", "churn-2", "2"]
    wide = plane.kubectl("get", "mm", "-n", serving, "-o", "wide")
    assert "USE CASE" in wide
    assert "revision churn-1 serves" in wide


def test_a_ramp_is_listed_with_its_step_weight_and_verdict(
    plane: ControlPlane, server: ApiServer, serving: str
) -> None:
    """`kubectl get mm` tells where a rollout stands: step of steps, the canary's percent, what the evidence says."""
    path = f"{collection_of('MarketingModel', serving)}/churn"
    stored = server.get(path)
    moment = "2024-11-22T12:00:00Z"
    rollout = {"name": "churn-3", "revision": "churn-2", "step": 1, "progress": "2/3", "weight": 25, "verdict": "Hold"}
    status = stored["status"] | {"rollout": rollout | {"started": moment, "stepStarted": moment}}
    written = server.send("PUT", f"{path}/status", stored | {"status": status})
    assert written.accepted, written.message
    _, line = plane.kubectl("get", "mm", "-n", serving).splitlines()
    assert line.split()[:-1] == ["churn", "True", "Serving", "churn-1", "churn-2", "2/3", "25", "Hold", "2"]


def test_revisions_are_listed_with_their_artifact(plane: ControlPlane, serving: str) -> None:
    """`kubectl get mrev` shows whose version it is and where its bytes are."""
    header, line = plane.kubectl("get", "mrev", "-n", serving).splitlines()
    assert header.split() == ["NAME", "MODEL", "ARTIFACT", "AGE"]
    assert line.split()[:-1] == ["churn-1", "churn", "pvc://models/churn-1"]


def test_the_category_lists_both_kinds(plane: ControlPlane, serving: str) -> None:
    """`kubectl get marquee` shows everything of Marquee in a namespace."""
    listed = plane.kubectl("get", "marquee", "-n", serving, "-o", "name").split()
    assert sorted(listed) == ["marketingmodel.marquee.dev/churn", "modelrevision.marquee.dev/churn-1"]


def test_kubectl_scale_sets_the_minimum_of_replicas(plane: ControlPlane, server: ApiServer, serving: str) -> None:
    """`kubectl scale` works on a model: it writes spec.scaling.minReplicas and reads the status."""
    plane.kubectl("scale", "mm/churn", "-n", serving, "--replicas=5")
    path = f"{collection_of('MarketingModel', serving)}/churn"
    assert server.get(path)["spec"]["scaling"] == {"class": "None", "minReplicas": 5, "schedule": []}
    scale = server.get(f"{path}/scale")
    assert scale["spec"] == {"replicas": 5}
    assert scale["status"] == {"replicas": 2, "selector": "marquee.dev/model=churn"}


def test_kubectl_scale_keeps_to_the_bounds(plane: ControlPlane, serving: str) -> None:
    """A number of replicas that the schema does not allow is refused on this way too."""
    with pytest.raises(
        LocalClusterError, match=r"spec\.scaling\.minReplicas in body should be less than or equal to 1000"
    ):
        plane.kubectl("scale", "mm/churn", "-n", serving, "--replicas=1001")


@pytest.mark.parametrize("name", ["marketingmodel-unknown-field", "marketingmodel-malformed", "modelrevision-digest"])
def test_kubectl_apply_refuses_with_the_same_words(plane: ControlPlane, namespace: str, name: str) -> None:
    """What a person applies with kubectl is refused like what the tests send: strictly, and naming the place."""
    sample = next(found for found in samples.invalid() if found.name == name)
    with pytest.raises(LocalClusterError) as refused:
        plane.kubectl("apply", "-n", namespace, "-f", "-", input=sample.documents[0])
    assert sample.is_expected(str(refused.value))


def test_fields_are_explained(plane: ControlPlane) -> None:
    """`kubectl explain` has a text for every field of a revision's artifact, and of a ramp's steps."""
    text = plane.kubectl("explain", "modelrevision.spec.artifact", "--output=plaintext-openapiv2")
    assert "SHA-256 of the artifact's manifest.json" in text
    assert "The artifact's folder" in text
    steps = plane.kubectl("explain", "marketingmodel.spec.rollout.steps", "--output=plaintext-openapiv2")
    assert "Percent of the units that the canary answers" in steps


def test_the_crds_are_applied_by_kubectl_over_themselves(plane: ControlPlane) -> None:
    """Applying the same CRD files again changes nothing: an upgrade without changes is silent."""
    files = [str(samples.ROOT.parent / f"{plural}.yaml") for plural in ("marketingmodels", "modelrevisions")]
    arguments = [word for file in files for word in ("-f", file)]
    plane.kubectl("apply", "--server-side", "--force-conflicts", *arguments)
    before = _generations(plane)
    plane.kubectl("apply", "--server-side", *arguments)
    assert _generations(plane) == before


def _generations(plane: ControlPlane) -> list[int]:
    listed = json.loads(plane.kubectl("get", "crds", "-o", "json"))
    return [item["metadata"]["generation"] for item in listed["items"]]

"""From what the API server sends to what decisions need."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from marquee.control.kinds import DEPLOYMENT, JOB, POD, SERVICE
from marquee.control.observe import transforms
from marquee.control.snapshot import JobPhase, TrainerPodState

METADATA = {
    "name": "churn-1",
    "namespace": "crm",
    "uid": "uid-1",
    "generation": 3,
    "resourceVersion": "77",
    "labels": {"marquee.dev/model": "churn", "marquee.dev/revision": "churn-1", "pod-template-hash": "abc"},
    "annotations": {"marquee.dev/contact": "crm@example.com", "kubectl.kubernetes.io/last-applied": "{}"},
    "managedFields": [{"manager": "marquee"}],
    "ownerReferences": [
        {"kind": "Other", "name": "o", "uid": "uid-other"},
        {"kind": "MarketingModel", "name": "churn", "uid": "uid-model", "controller": True},
    ],
}
DEPLOYED = {
    "metadata": METADATA,
    "spec": {"replicas": 3, "template": {}},
    "status": {
        "observedGeneration": 3,
        "replicas": 4,
        "updatedReplicas": 2,
        "readyReplicas": 3,
        "availableReplicas": 1,
        "conditions": [
            {"type": "Progressing", "status": "True", "reason": "ReplicaSetUpdated"},
            {"type": "Available", "status": "True"},
        ],
    },
}


def _pod(**status: Any) -> dict[str, Any]:
    metadata = METADATA | {"creationTimestamp": "2024-11-22T12:00:00Z"}
    return {"metadata": metadata, "spec": {}, "status": status}


def _container(**fields: Any) -> dict[str, Any]:
    return {"containerStatuses": [{"name": "mesh", "restartCount": 9}, {"name": "predictor"} | fields]}


def test_a_child_keeps_what_a_manifest_may_name() -> None:
    """Status, bookkeeping and other people's annotations are dropped: most of the bytes, and never compared."""
    child = transforms.child(SERVICE, {"metadata": METADATA, "spec": {"a": 1}, "status": {"loadBalancer": {}}})
    assert child.manifest() == {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {key: METADATA[key] for key in ("name", "namespace", "labels", "ownerReferences")}
        | {"annotations": {"marquee.dev/contact": "crm@example.com"}},
        "spec": {"a": 1},
    }
    assert (child.namespace, child.name, child.model, child.uid, child.generation) == (
        "crm",
        "churn-1",
        "churn",
        "uid-1",
        3,
    )


def test_the_owner_is_the_controller() -> None:
    """Of several owners the one that controls counts; without one nobody owns it."""
    assert transforms.child(SERVICE, {"metadata": METADATA}).owner_uid == "uid-model"
    unowned = {key: value for key, value in METADATA.items() if key != "ownerReferences"}
    assert transforms.child(SERVICE, {"metadata": unowned}).owner_uid == ""


def test_what_is_on_its_way_out_is_marked() -> None:
    """A deletion timestamp is what tells."""
    assert not transforms.child(SERVICE, {"metadata": METADATA}).deleting
    going = METADATA | {"deletionTimestamp": "2024-11-22T12:00:00Z"}
    assert transforms.child(SERVICE, {"metadata": going}).deleting
    assert transforms.pod(POD, _pod() | {"metadata": going}).deleting


def test_an_object_without_labels_belongs_to_nobody() -> None:
    """Labels and annotations may be missing altogether."""
    bare = {"name": "x", "namespace": "crm", "uid": "u"}
    child = transforms.child(SERVICE, {"metadata": bare})
    assert (child.model, dict(child.annotations), child.generation) == ("", {}, 0)


def test_a_deployments_progress_is_read() -> None:
    """Each number of the status has its place."""
    state = transforms.deployment(DEPLOYMENT, DEPLOYED)
    assert (state.replicas, state.observed_generation, state.total_replicas) == (3, 3, 4)
    assert (state.updated_replicas, state.ready_replicas, state.available_replicas) == (2, 3, 1)
    assert (state.deadline_exceeded, state.creation_failure) == (False, "")
    assert (state.namespace, state.model, state.child.name) == ("crm", "churn", "churn-1")


def test_a_new_deployment_has_no_progress() -> None:
    """Before its controller has looked there is no status; the server's default is one replica."""
    state = transforms.deployment(DEPLOYMENT, {"metadata": METADATA, "spec": {}})
    assert (state.replicas, state.observed_generation, state.available_replicas) == (1, 0, 0)
    assert not state.settled


@pytest.mark.parametrize(
    ("reason", "exceeded"), [("ProgressDeadlineExceeded", True), ("NewReplicaSetAvailable", False)]
)
def test_the_progress_deadline_is_a_reason(reason: str, exceeded: bool) -> None:
    """The condition's reason tells, not its status."""
    body = copy.deepcopy(DEPLOYED)
    body["status"]["conditions"] = [{"type": "Progressing", "status": "False", "reason": reason}]
    assert transforms.deployment(DEPLOYMENT, body).deadline_exceeded is exceeded


@pytest.mark.parametrize(("status", "message"), [("True", "exceeded quota"), ("False", "")])
def test_refused_pods_are_read(status: str, message: str) -> None:
    """A ReplicaFailure that is over is none."""
    body = copy.deepcopy(DEPLOYED)
    body["status"]["conditions"] = [
        {"type": "ReplicaFailure", "status": status, "reason": "FailedCreate", "message": "exceeded quota"}
    ]
    assert transforms.deployment(DEPLOYMENT, body).creation_failure == message


SETTLED = {"observedGeneration": 3, "replicas": 3, "updatedReplicas": 3, "readyReplicas": 3, "availableReplicas": 3}


@pytest.mark.parametrize(
    ("status", "settled"),
    [
        ({}, True),
        ({"observedGeneration": 2}, False),
        ({"updatedReplicas": 2}, False),
        ({"availableReplicas": 2}, False),
        ({"replicas": 4}, False),
        ({"observedGeneration": 4}, True),
    ],
)
def test_settled_means_all_pods_current_and_available(status: dict[str, int], settled: bool) -> None:
    """Nothing is settled while its controller has not seen it, or a former pod is left."""
    body = {"metadata": METADATA, "spec": {"replicas": 3}, "status": SETTLED | status}
    assert transforms.deployment(DEPLOYMENT, body).settled is settled


def test_a_pod_is_read() -> None:
    """Who it is, where it answers and whether it does."""
    state = transforms.pod(POD, _pod(podIP="198.18.0.9", conditions=[{"type": "Ready", "status": "True"}]))
    assert (state.namespace, state.name, state.model, state.revision) == ("crm", "churn-1", "churn", "churn-1")
    assert (state.uid, state.ip, state.ready, state.deleting, state.template) == (
        "uid-1",
        "198.18.0.9",
        True,
        False,
        "abc",
    )
    assert state.created == "2024-11-22T12:00:00Z"


@pytest.mark.parametrize("status", ["False", "Unknown"])
def test_only_ready_is_ready(status: str) -> None:
    """A pod on a node that is lost is not ready."""
    assert not transforms.pod(POD, _pod(conditions=[{"type": "Ready", "status": status}])).ready
    assert not transforms.pod(POD, _pod()).ready
    assert not transforms.pod(POD, {"metadata": METADATA}).ready


def test_a_waiting_container_says_why() -> None:
    """The kubelet's words about the predictor, whatever other containers do."""
    waiting = {"waiting": {"reason": "ImagePullBackOff", "message": "Back-off pulling image"}}
    state = transforms.pod(POD, _pod(**_container(state=waiting, restartCount=0)))
    assert (state.waiting_reason, state.waiting_message) == ("ImagePullBackOff", "Back-off pulling image")
    assert state.restarts == 0


def test_the_last_end_is_what_is_told() -> None:
    """While it waits or runs again, the former end counts; an end of now counts more."""
    former = {"terminated": {"reason": "OOMKilled", "exitCode": 137}}
    now = {"terminated": {"reason": "Error", "message": "digest", "exitCode": 78}}
    again = transforms.pod(POD, _pod(**_container(state={"running": {}}, lastState=former, restartCount=2)))
    assert (again.termination_reason, again.termination_message, again.restarts) == ("OOMKilled", "", 2)
    ended = transforms.pod(POD, _pod(**_container(state=now, lastState=former)))
    assert (ended.termination_reason, ended.termination_message) == ("Error", "digest")


def test_a_pod_that_no_node_takes_says_why() -> None:
    """The scheduler's words, while they hold."""
    waiting = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes"}
    assert transforms.pod(POD, _pod(conditions=[waiting])).unschedulable == "0/3 nodes"
    placed = {"type": "PodScheduled", "status": "True"}
    assert transforms.pod(POD, _pod(conditions=[placed])).unschedulable == ""


def test_long_words_are_cut() -> None:
    """A cache of thousands of pods does not keep pages of each."""
    state = transforms.pod(POD, _pod(**_container(state={"waiting": {"reason": "x", "message": "y" * 9000}})))
    assert len(state.waiting_message) == 4096


def test_the_model_of_an_object_is_its_label() -> None:
    """An object without it belongs to no model."""
    assert transforms.model_of({"metadata": METADATA}) == "churn"
    assert not transforms.model_of({"metadata": {"name": "x"}})
    assert not transforms.model_of({"metadata": {"labels": None}})


WAITING = {"name": "predictor", "ready": False, "state": {"waiting": {"reason": "PodInitializing"}}}
PULLING = {"name": "triton", "ready": False, "restartCount": 2, "state": {"waiting": {"reason": "ErrImagePull"}}}


def test_a_sidecar_that_is_not_ready_is_what_keeps_the_pod() -> None:
    """While the predictor waits for it, the pod's state is the sidecar's."""
    state = transforms.pod(POD, _pod(containerStatuses=[WAITING], initContainerStatuses=[PULLING]))
    assert (state.container, state.waiting_reason, state.restarts) == ("triton", "ErrImagePull", 2)


def test_a_predictor_that_said_why_is_heard_whatever_its_sidecar_does() -> None:
    """The pod's own words come first: Triton may end because the front has."""
    said = WAITING | {"lastState": {"terminated": {"message": "refused"}}}
    state = transforms.pod(POD, _pod(containerStatuses=[said], initContainerStatuses=[PULLING]))
    assert (state.container, state.termination_message) == ("predictor", "refused")


def test_a_sidecar_that_is_ready_is_not_looked_at() -> None:
    """Then it is the predictor that is not there yet."""
    ready = PULLING | {"ready": True}
    state = transforms.pod(POD, _pod(containerStatuses=[WAITING], initContainerStatuses=[ready]))
    assert (state.container, state.waiting_reason) == ("predictor", "PodInitializing")


def trainer(container: dict[str, Any] | None = None, **status: Any) -> TrainerPodState:
    """A trainer's pod in that state."""
    labels = {"marquee.dev/trains": "churn", "batch.kubernetes.io/job-name": "churn-a"}
    statuses = {"containerStatuses": [{"name": "trainer", "state": container}]} if container is not None else {}
    return transforms.trainer_pod(POD, {"metadata": METADATA | {"labels": labels}, "status": statuses | status})


@pytest.mark.parametrize(
    ("message", "kept", "cut"),
    [
        ("", 0, False),
        ("x" * 4_096, 4_096, False),
        ("x" * 4_097, 4_096, True),
        ("é" * 2_048, 4_096, False),
        ("é" * 2_049, 4_096, True),
        ("x" + "é" * 2_048, 4_095, True),
        ("x" * 10_000_000, 4_096, True),
    ],
)
def test_no_more_of_a_message_is_kept_than_a_kubelet_keeps(message: str, kept: int, cut: bool) -> None:
    """Bytes, not characters; and it is known that there was more."""
    found = trainer({"terminated": {"exitCode": 0, "reason": "Completed", "message": message}})
    assert (len(found.message.encode()), found.cut, found.exit_code) == (kept, cut, 0)


def test_a_trainer_that_waits_says_why() -> None:
    """The kubelet's words; and one that has only been evicted has those of its status."""
    waits = trainer({"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}})
    assert (waits.reason, waits.message, waits.exit_code, waits.run) == (
        "ImagePullBackOff",
        "no such image",
        None,
        "churn-a",
    )
    assert trainer(reason="Evicted").reason == "Evicted"
    assert trainer().message == ""


@pytest.mark.parametrize(
    ("conditions", "phase", "reason"),
    [
        ([], JobPhase.RUNNING, ""),
        ([{"type": "FailureTarget", "status": "True", "reason": "PodFailurePolicy"}], JobPhase.RUNNING, ""),
        ([{"type": "Complete", "status": "False"}], JobPhase.RUNNING, ""),
        (
            [{"type": "SuccessCriteriaMet", "status": "True"}, {"type": "Complete", "status": "True"}],
            JobPhase.COMPLETE,
            "",
        ),
        ([{"type": "Failed", "status": "True", "reason": "DeadlineExceeded"}], JobPhase.FAILED, "DeadlineExceeded"),
    ],
)
def test_a_job_is_over_when_its_controller_says_so(
    conditions: list[dict[str, Any]], phase: JobPhase, reason: str
) -> None:
    """And not before: its pods may still be there."""
    told = [one | {"lastTransitionTime": "2024-11-22T12:00:00Z"} for one in conditions]
    metadata = METADATA | {"creationTimestamp": "2024-11-22T11:00:00Z"}
    state = transforms.job(JOB, {"metadata": metadata, "spec": {}, "status": {"conditions": told}})
    assert (state.phase, state.reason, state.model) == (phase, reason, "churn")
    assert (state.finished is None) == (phase is JobPhase.RUNNING)
    assert state.created.isoformat() == "2024-11-22T11:00:00+00:00"

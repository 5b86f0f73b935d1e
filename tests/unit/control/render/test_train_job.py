"""TrainJob and TrainingRuntime of a run: the Job's pod, once for each node, and names that nothing else has."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from marquee.api.retraining import MAX_NODES, Retraining
from marquee.contract.distributed import EXIT_CODE_PEER_LOST
from marquee.control.kinds import TRAIN_JOB
from marquee.control.observe import transforms
from marquee.control.render import children, names
from marquee.control.render.retraining import RunOrder, job, read_order
from marquee.control.render.train_job import train_job, train_job_name, training_runtime
from marquee.judging.retraining import run_name
from tests.unit.control.builders import a_revision
from tests.unit.control.looping import SPEC
from tests.unit.control.render.test_retraining import MODEL_BODY, ORDER, TRAINER

RUN = {"nodes": 4, "processesPerNode": 2, "command": ["torchrun"], "deadlineSeconds": 600}


def rendered(order: RunOrder = ORDER) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """TrainJob, TrainingRuntime, and the Job that they stand for."""
    retraining = Retraining.model_validate(SPEC | {"run": RUN})
    others = (order, [a_revision("churn-1")], TRAINER)
    return (
        train_job(MODEL_BODY, retraining, order),
        training_runtime(MODEL_BODY, retraining, *others),
        job(MODEL_BODY, retraining, *others),
    )


def nodes_of(runtime: dict[str, Any]) -> dict[str, Any]:
    """The Job of all nodes."""
    (found,) = runtime["spec"]["template"]["spec"]["replicatedJobs"]
    assert (found["name"], found["replicas"]) == ("node", 1)
    assert found["template"]["metadata"]["labels"] == {"trainer.kubeflow.org/trainjob-ancestor-step": "trainer"}
    return dict(found["template"]["spec"])


def test_how_many_where_and_for_how_long() -> None:
    """On the TrainJob; a PyTorch run, so that its pods are told of each other."""
    made, runtime, _ = rendered()
    reference = {"apiGroup": "trainer.kubeflow.org", "kind": "TrainingRuntime", "name": runtime["metadata"]["name"]}
    assert made["spec"] == {
        "runtimeRef": reference,
        "trainer": {"numNodes": 4, "numProcPerNode": 2},
        "activeDeadlineSeconds": 600,
    }
    assert runtime["spec"]["mlPolicy"] == {"numNodes": 4, "torch": {}}


def test_every_node_is_the_jobs_pod() -> None:
    """With the same restrictions, volumes and settings; the container has the name that Kubeflow Trainer looks for."""
    _, runtime, alone = rendered()
    template, expected = nodes_of(runtime)["template"], alone["spec"]["template"]
    (container,), (wanted,) = template["spec"]["containers"], expected["spec"]["containers"]
    assert container == wanted | {"name": "node"}
    assert template["spec"] | {"containers": []} == expected["spec"] | {"containers": []}
    assert template["metadata"]["labels"] == expected["metadata"]["labels"] | {names.LABEL_RUN: ORDER.run}
    policy = children.network_policy(MODEL_BODY)["spec"]["podSelector"]["matchLabels"]
    assert not policy.items() <= template["metadata"]["labels"].items()


def test_a_lost_node_starts_all_again_and_an_error_ends_the_run() -> None:
    """What a peer has lost counts like the loss itself; the rules are read from the first on."""
    _, runtime, _ = rendered()
    nodes, policy = nodes_of(runtime), runtime["spec"]["template"]["spec"]["failurePolicy"]
    rules = nodes["podFailurePolicy"]["rules"]
    assert [rule["action"] for rule in rules] == ["Count", "Count", "FailJob"]
    assert rules[1]["onExitCodes"] == {"containerName": "node", "operator": "In", "values": [EXIT_CODE_PEER_LOST]}
    assert (nodes["backoffLimit"], policy["maxRestarts"]) == (0, 3)
    assert {rule["action"]: rule["onJobFailureReasons"] for rule in policy["rules"]} == {
        "FailJobSet": ["PodFailurePolicy"],
        "RestartJobSet": ["BackoffLimitExceeded"],
    }


def test_the_order_comes_back_with_the_run() -> None:
    """From what the API server stores."""
    made, _, alone = rendered()
    metadata = made["metadata"] | {"uid": "u", "creationTimestamp": "2024-11-22T11:00:00Z"}
    state = transforms.job(TRAIN_JOB, made | {"metadata": metadata})
    assert (state.run, state.child.kind) == (ORDER.run, TRAIN_JOB)
    assert read_order(state.child.annotations[names.ANNOTATION_ORDER]) == ORDER
    assert made["metadata"]["labels"].items() >= alone["metadata"]["labels"].items()


@given(st.from_regex(r"[a-z]([-a-z0-9]{0,48}[a-z0-9])?", fullmatch=True), st.text(max_size=5))
def test_names_fit_and_are_nobody_elses(model: str, trigger: str) -> None:
    """JobSet adds a replicated job, two indexes and five letters; a revision of the run's name may have a Service."""
    run = run_name(f"crm/{model}", data_window="", code_digest="", trigger=trigger)
    name = train_job_name(run)
    assert len(f"{name}-node-0-{MAX_NODES - 1}-abcde") <= 63
    assert (name[0], name[-6:], name == run) == (model[0], "-train", False)
    assert run.rpartition("-")[2] in name
    made, runtime, _ = rendered(replace(ORDER, run=run))
    assert made["metadata"]["name"] == runtime["metadata"]["name"] == name

"""Runs on many nodes, with Kubeflow Trainer's own kinds on a real API server; what its controllers do the test does."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from datetime import datetime

import pytest

from localcluster import trainer
from tests.api.operator.team import QUICK, Team
from tests.support.crds.installing import kinds_of
from tests.support.kinds import Object, collection
from tests.support.operator import OperatorProcess
from tests.support.retraining import SPEC, a_result, ended
from tests.support.simulation import SimulatedCluster, simulated_cluster
from tests.support.train_jobs import NODES, node_pods, over

CONDITION = "RetrainingUpToDate"


@pytest.fixture(scope="module")
def equipped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatedCluster]:
    """One that has Kubeflow Trainer's kinds, and an operator."""
    folder = tmp_path_factory.mktemp("trainer")
    kinds = kinds_of(trainer.crds)
    with (
        simulated_cluster(folder / "cluster", kinds) as cluster,
        OperatorProcess(cluster.plane.kubeconfig, folder / "operator.log"),
    ):
        yield cluster


@pytest.fixture
def team(equipped: SimulatedCluster) -> Team:
    """A model that serves and is trained again on two nodes; in a namespace of its own."""
    namespace = f"crm-{uuid.uuid4().hex[:8]}"
    assert equipped.server.create("/api/v1/namespaces", {"metadata": {"name": namespace}}).accepted
    team = Team(equipped, namespace)
    team.revision("lead-v1", labels={"line": "main"})
    retraining = SPEC | NODES | {"maxPerWeek": 14}
    team.model("lead", {"track": {"matchLabels": {"line": "main"}}}, rollout=QUICK, retraining=retraining)
    team.serves("lead", "lead-v1")
    created = datetime.fromisoformat(team.the("ModelRevision", "lead-v1")["metadata"]["creationTimestamp"])
    # they have whole seconds, and of two revisions of one second the name says which is newer
    team.wait(lambda: time.time() >= created.timestamp() + 1, "the next second")
    return team


def ask(team: Team, request: str) -> Object:
    """As the plugin does it; the TrainJob that comes of it."""
    known = set(team.names("TrainJob"))
    team.edit("MarketingModel", "lead", {"metadata": {"annotations": {"marquee.dev/retrain": request}}})
    team.wait(lambda: set(team.names("TrainJob")) - known, "another TrainJob")
    (name,) = set(team.names("TrainJob")) - known
    return team.the("TrainJob", name)


def start(team: Team, train_job: Object) -> list[str]:
    """The pods of all nodes."""
    pods = node_pods(team.the("TrainingRuntime", train_job["spec"]["runtimeRef"]["name"]), train_job)
    for pod in pods:
        answer = team.cluster.server.create(collection("Pod", team.namespace), pod)
        assert answer.accepted, answer.message
    return [pod["metadata"]["name"] for pod in pods]


def leaves(team: Team, pod: str, status: Object) -> None:
    """What a kubelet writes when a trainer ends."""
    team.edit("Pod", pod, {"status": status}, subresource="status")


def ends(team: Team, train_job: Object, status: Object) -> None:
    """What Kubeflow Trainer writes then."""
    team.edit("TrainJob", train_job["metadata"]["name"], {"status": status}, subresource="status")


def becomes(team: Team, reason: str) -> Object:
    """Wait for the condition."""
    team.wait(lambda: team.condition("lead", CONDITION).get("reason") == reason, f"{CONDITION} says {reason}", 60)
    return team.condition("lead", CONDITION)


def test_the_first_nodes_result_becomes_the_revision(team: Team) -> None:
    """Stored as rendered, refused by nobody, and served."""
    train_job = ask(team, "first")
    run = train_job["metadata"]["labels"]["marquee.dev/run"]
    assert (train_job["spec"]["trainer"]["numNodes"], team.names("Job")) == (2, [])
    becomes(team, "InFlight")
    first, second = start(team, train_job)
    leaves(team, second, ended(""))
    leaves(team, first, ended(a_result(run)))
    ends(team, train_job, over("Complete", "AllJobsCompleted"))
    team.serves("lead", run)
    becomes(team, "GatePassed")
    assert team.the("ModelRevision", run)["metadata"]["labels"] == {"line": "main", "marquee.dev/run": run}
    team.rests("lead")


def test_each_end_has_its_reason_and_with_the_block_everything_goes(team: Team) -> None:
    """Suspended, refused, deleted; nothing is tried again, and nothing stays."""
    refused = ask(team, "the one that is refused")
    team.edit("TrainJob", refused["metadata"]["name"], {"spec": {"suspend": True}})
    assert becomes(team, "RunSuspended")["status"] == "Unknown"
    ends(team, refused, over("Failed", "TrainingRuntimeNotSupported", "unsupported runtime"))
    assert "unsupported runtime" in becomes(team, "RuntimeUnsupported")["message"]
    deleted = ask(team, "the one that is deleted")["metadata"]["name"]
    team.delete("TrainJob", deleted)
    becomes(team, "RunRemoved")
    team.wait(lambda: deleted not in team.names("TrainingRuntime"), "its TrainingRuntime goes")
    team.model("lead", {"track": {"matchLabels": {"line": "main"}}})
    team.wait(lambda: team.names("TrainJob") + team.names("TrainingRuntime") == [], "nothing of it is left")
    team.wait(lambda: team.condition("lead").get("status") == "True", "the model is ready")

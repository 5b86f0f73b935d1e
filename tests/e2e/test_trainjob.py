"""A real Kubeflow Trainer runs a retraining on two pods, which train one model together, and its candidate serves."""

from __future__ import annotations

import json

import pytest

from demo.target import Target
from localcluster.stages import Stages
from marquee.judging.gating import Ruling
from tests.support.closed_loop import ClosedLoop, Object
from tests.support.place import Place
from tests.support.retraining import TRAINER_LABEL
from tests.support.seasons import SPRING
from tests.support.waiting import wait_for

pytestmark = [pytest.mark.usefixtures("trained"), pytest.mark.first]
ROWS = 2_000
AT_FIRST_IN_VAIN = """
import os, pathlib, signal, sys, time
from marquee.cli.main import main
from marquee.contract.distributed import EXIT_CODE_PEER_LOST, read_standing
from marquee.contract.training import TrainingError
from models.distributed import together

signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
met = pathlib.Path("/mnt/artifacts/models/met")
if met.exists():
    sys.exit(main(["retrain", "lead-scoring"]))
try:
    with together(read_standing(os.environ)) as team:
        if not team.is_first:
            met.touch()
            time.sleep(3600)
except TrainingError as error:
    print(error)
    sys.exit(EXIT_CODE_PEER_LOST)
"""
"""Whoever trains for the first time waits for the other one, which waits to be evicted."""


@pytest.fixture(scope="module")
def trained(operator: Target) -> Target:
    """The cluster with Kubeflow Trainer."""
    assert operator.local is not None
    operator.local.trainer(Stages())
    return operator


def test_two_pods_train_one_model(place: Place) -> None:
    """From the question to the revision that serves; both pods have done their part, and nothing of it stays."""
    loop = _asked(place)
    run, told = loop.ends(Ruling.GATE_PASSED, set())
    assert told["trigger"] == "Manual"
    loop.serves(run)
    ended = {_rank(pod): _terminated(pod) for pod in loop.pods(TRAINER_LABEL)}
    assert [(rank, ended[rank]["exitCode"]) for rank in sorted(ended)] == [("0", 0), ("1", 0)]
    assert run in ended["0"]["message"]
    assert not ended["1"].get("message")
    assert loop.entered() == ["Started", "Finished", "GatePassed"]
    loop.forget()
    wait_for("the TrainJob and its TrainingRuntime to go", lambda: _is_clean(place) or None, timeout_seconds=90)


def test_a_lost_node_starts_all_again(place: Place) -> None:
    """One pod is evicted in the middle; the other one notices, and both train once more: it is the same run."""
    loop = _asked(place, command=["python3", "-c", AT_FIRST_IN_VAIN])
    wait_for("the nodes to meet", lambda: (place.volume / "met").exists() or None, timeout_seconds=120)
    (lost,) = (pod["metadata"]["name"] for pod in loop.pods(TRAINER_LABEL) if _rank(pod) == "1")
    loop.tell(f"{lost} is evicted")
    _evict(place, lost)
    run, _ = loop.ends(Ruling.GATE_PASSED, set())
    (job_set,) = place.target.list("jobsets", place.namespace)
    assert job_set["status"]["restarts"] == 1
    loop.serves(run)
    assert loop.entered() == ["Started", "Finished", "GatePassed"]


def _asked(place: Place, **run: object) -> ClosedLoop:
    """A model whose training on two nodes somebody asks for."""
    loop = ClosedLoop(place, run={"nodes": 2} | run)
    loop.write("spring", SPRING.columns(ROWS, start=loop.ago(46), end=loop.ago(2)))
    loop.apply()
    loop.becomes("RetrainingUpToDate", "UpToDate", timeout_seconds=180)
    loop.ask()
    return loop


def _evict(place: Place, pod: str) -> None:
    """As ``kubectl drain`` does it."""
    metadata = {"name": pod, "namespace": place.namespace}
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": metadata}
    path = f"/api/v1/namespaces/{place.namespace}/pods/{pod}/eviction"
    place.target.kubectl("create", "--raw", path, "-f", "-", input=json.dumps(eviction))


def _rank(pod: Object) -> str:
    return str(pod["metadata"]["labels"]["batch.kubernetes.io/job-completion-index"])


def _terminated(pod: Object) -> Object:
    (container,) = pod["status"]["containerStatuses"]
    found: Object = container["state"]["terminated"]
    return found


def _is_clean(place: Place) -> bool:
    kinds = ("trainjobs", "trainingruntimes", "jobsets")
    return not any(place.target.list(kind, place.namespace) for kind in kinds)

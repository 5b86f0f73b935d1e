"""A real Kubeflow Trainer runs a retraining on two pods, which train one model together, and its candidate serves."""

from __future__ import annotations

import pytest

from demo.target import Target, wait_for
from localcluster.stages import Stages
from marquee.judging.gating import Ruling
from tests.support.closed_loop import ClosedLoop, Object
from tests.support.place import Place
from tests.support.retraining import TRAINER_LABEL
from tests.support.seasons import SPRING

ROWS = 2_000


@pytest.fixture(scope="module")
def trained(operator: Target) -> Target:
    """The cluster with Kubeflow Trainer."""
    assert operator.local is not None
    operator.local.trainer(Stages())
    return operator


@pytest.mark.usefixtures("trained")
def test_two_pods_train_one_model(place: Place) -> None:
    """From the question to the revision that serves; both pods have done their part, and nothing of it stays."""
    loop = ClosedLoop(place, nodes=2)
    loop.write("spring", SPRING.columns(ROWS, start=loop.ago(46), end=loop.ago(2)))
    loop.apply()
    loop.becomes("RetrainingUpToDate", "UpToDate", timeout_seconds=180)
    loop.ask()
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


def _rank(pod: Object) -> str:
    return str(pod["metadata"]["labels"]["batch.kubernetes.io/job-completion-index"])


def _terminated(pod: Object) -> Object:
    (container,) = pod["status"]["containerStatuses"]
    found: Object = container["state"]["terminated"]
    return found


def _is_clean(place: Place) -> bool:
    kinds = ("trainjobs", "trainingruntimes", "jobsets")
    return not any(place.target.list(kind, place.namespace) for kind in kinds)

"""Runs on many nodes, decision by decision: TrainJob and TrainingRuntime, what their pods leave, and how they end."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import pytest

from marquee.api.conditions import Reason
from marquee.api.types import timestamp
from marquee.contract.distributed import EXIT_CODE_PEER_LOST
from marquee.control.decide import decide
from marquee.control.kinds import JOB, TRAIN_JOB, TRAINING_RUNTIME
from marquee.control.snapshot import Trouble
from tests.support.retraining import ended
from tests.unit.control.builders import NOW
from tests.unit.control.looping import Killed, Loop, node_of

TWO: Final = {"run": {"nodes": 2}}
LOST: Final = '{"reason": "PeerLost", "message": "process 0 of 2 has lost another one"}'


def running(**spec: Any) -> tuple[Loop, str]:
    """A run that somebody has asked for, and its name."""
    loop = Loop(TWO | spec, request="a1")
    loop.settle()
    (run,) = loop.started
    return loop, run


def leaves(loop: Loop, run: str, rank: int, message: str, *, code: int = 0, reason: str = "") -> None:
    """What one node leaves."""
    loop.pods[f"{run}-{rank}"] = node_of(run, rank, ended(message, code=code, reason=reason))


def test_the_runtime_comes_before_what_refers_to_it() -> None:
    """One step, in which both are made; the order is on the TrainJob, and the run has the name that a Job's would."""
    loop = Loop(TWO, request="a1")
    step = loop.step().retraining
    assert step is not None
    assert step.runtime is not None
    assert step.kind == TRAIN_JOB
    assert step.manifest["spec"]["runtimeRef"]["name"] == step.runtime["metadata"]["name"]
    alone = Loop(request="a1").step().retraining
    assert alone is not None
    assert (alone.kind, alone.runtime) == (JOB, None)
    assert loop.started == [alone.manifest["metadata"]["name"]]


def test_the_first_node_tells_the_result() -> None:
    """The others have nothing to say; and until it has been heard, nothing is decided."""
    loop, run = running()
    assert loop.condition.reason == "InFlight"
    leaves(loop, run, 1, "")
    loop.end_job(run, "Complete")
    loop.settle()
    assert loop.condition.reason == "InFlight"
    leaves(loop, run, 0, loop.result(run))
    loop.settle()
    assert loop.condition.reason == "GatePassed"
    assert list(loop.revisions) == [run]


@pytest.mark.parametrize("culprit", [0, 1])
def test_a_node_that_has_only_lost_another_is_not_the_cause(culprit: int) -> None:
    """Both end; the one that says why is believed, whichever it is and whichever ended last."""
    loop, run = running()
    leaves(loop, run, 1 - culprit, LOST, code=EXIT_CODE_PEER_LOST)
    leaves(loop, run, culprit, "", code=137, reason="OOMKilled")
    loop.end_job(run, "Failed", "FailJobSetFailurePolicyAction")
    loop.settle()
    assert (loop.condition.reason, loop.entries) == ("OutOfMemory", ["Started", "Failed"])


@pytest.mark.parametrize(
    ("of_trainer", "reason", "words"),
    [
        ("DeadlineExceeded", "DeadlineExceeded", "deadlineSeconds"),
        ("ReachedMaxRestarts", "RunLost", "nodes"),
        ("TrainingRuntimeNotSupported", "RuntimeUnsupported", "docs/install.md"),
        ("FailedJobs", "RunFailed", "FailedJobs"),
    ],
)
def test_what_kubeflow_trainer_says_has_its_reason(of_trainer: str, reason: str, words: str) -> None:
    """Although no pod has left a word; where one may still come it is waited for."""
    loop, run = running()
    loop.end_job(run, "Failed", of_trainer)
    loop.settle()
    loop.after(seconds=31)
    loop.settle()
    assert (loop.condition.reason, loop.condition.status) == (reason, "False")
    assert words in loop.condition.message


def test_a_run_that_is_suspended_waits_and_is_told() -> None:
    """By a queue, or a person; it goes on where it is let."""
    loop, run = running()
    loop.jobs[run]["spec"]["suspend"] = True
    loop.after(seconds=60)
    loop.settle()
    assert (loop.condition.reason, loop.condition.status) == ("RunSuspended", "Unknown")
    assert f"{loop.jobs[run]['metadata']['name']} is suspended" in loop.condition.message
    loop.jobs[run]["spec"]["suspend"] = False
    loop.settle()
    assert loop.condition.reason == "InFlight"
    assert "kubectl describe trainjob" in loop.condition.message


def test_without_kubeflow_trainer_it_says_what_to_install() -> None:
    """Before anybody asks; and a run starts once it is there."""
    loop = Loop(TWO, has_train_jobs=False)
    plan = loop.settle()
    assert (loop.condition.reason, loop.condition.status) == ("TrainerUnavailable", "False")
    assert "install Kubeflow Trainer" in loop.condition.message
    assert plan.requeue_after_seconds == 30
    loop.request = "a1"
    loop.settle()
    assert loop.started == []
    loop.has_train_jobs = True
    loop.settle()
    assert len(loop.started) == 1


def test_both_go_with_the_block_and_with_age() -> None:
    """And a TrainingRuntime whose TrainJob was deleted, or never made."""
    loop = Loop(TWO | {"maxPerWeek": 14})
    for number in range(5):
        loop.request = f"a{number}"
        loop.settle()
        leaves(loop, run := loop.started[-1], 0, "", code=1)
        loop.end_job(run, "Failed", "FailJobSetFailurePolicyAction")
        loop.settle()
        loop.step()
        loop.after(minutes=1)
    assert list(loop.jobs) == loop.started[-3:]
    assert set(loop.runtimes) == {body["metadata"]["name"] for body in loop.jobs.values()}
    del loop.jobs[loop.started[-1]]
    loop.settle()
    assert len(loop.runtimes) == 2
    observed = loop.observe()
    spec = observed.model.spec.model_copy(update={"retraining": None})
    plan = decide(replace(observed, model=observed.model.model_copy(update={"spec": spec})))
    assert sorted(delete.kind.kind for delete in plan.deletes) == ["TrainJob"] * 2 + ["TrainingRuntime"] * 2


def test_a_runtime_whose_train_job_is_about_to_come_stays() -> None:
    """Also while the step rests, as the TrainJob was refused."""
    loop = Loop(TWO, request="a1", writes_left=2)
    with pytest.raises(Killed):
        loop.step()
    assert (len(loop.runtimes), loop.started) == (1, [])
    loop.restart()
    loop.trouble = Trouble(Reason.APPLY_REJECTED, "exceeded quota", NOW)
    assert not [delete for delete in loop.step().deletes if delete.kind == TRAINING_RUNTIME]
    loop.request = ""
    loop.settle()
    assert loop.runtimes == {}


def test_one_run_whichever_kind_it_has() -> None:
    """The number of nodes changes while a Job runs: it is looked after, and no TrainJob starts beside it."""
    loop = Loop(request="a1")
    loop.settle()
    loop.spec = TWO
    loop.settle()
    assert [body["kind"] for body in loop.jobs.values()] == ["Job"]
    loop.finish()
    loop.settle()
    assert loop.condition.reason == "GatePassed"


@pytest.mark.parametrize("auc", [0.8, 0.6])
def test_one_run_and_one_verdict_with_the_operator_killed_at_any_write(auc: float) -> None:
    """Between TrainingRuntime and TrainJob too: one of each, one revision at most, each entry once, the same words."""
    reference = _play(Loop(TWO, request="a1"), auc, killed_after=None)
    for killed_after in range(12):
        loop = _play(Loop(TWO, request="a1"), auc, killed_after=killed_after)
        assert (loop.started, list(loop.revisions)) == (reference.started, list(reference.revisions))
        assert (loop.entries, list(loop.runtimes)) == (reference.entries, list(reference.runtimes))
        assert loop.condition.message == reference.condition.message
    assert (len(reference.started), len(reference.runtimes)) == (1, 1)
    assert len(reference.revisions) == (auc > 0.7)


def _play(loop: Loop, auc: float, *, killed_after: int | None) -> Loop:
    loop.writes_left = killed_after
    _through(loop)
    (run,) = loop.started
    leaves(loop, run, 0, loop.result(run, auc=auc))
    leaves(loop, run, 1, "")
    condition = {"type": "Complete", "status": "True", "lastTransitionTime": timestamp(loop.now)}
    loop.jobs[run]["status"] = {"conditions": [condition]}
    _through(loop)
    return loop


def _through(loop: Loop) -> None:
    try:
        loop.settle()
    except Killed:
        loop.restart()
        loop.settle()

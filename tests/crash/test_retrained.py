"""One retraining with the operator killed at each of its writes: one Job or TrainJob, one revision, each entry once."""

from __future__ import annotations

from typing import Any, Final

import pytest

from tests.crash.bench import Bench
from tests.crash.entries import Entries
from tests.crash.runs import Run, Scenario, play_all
from tests.crash.scenarios import leave_nothing, prepared_worlds
from tests.crash.test_killed import each_once, must_have_struck
from tests.crash.world import World
from tests.support import samples
from tests.support.kinds import Object, collection
from tests.support.retraining import SPEC, a_result, ended
from tests.support.train_jobs import NODES, node_pods, over

pytestmark = pytest.mark.asyncio(loop_scope="session")
_ASK: Final = {"marquee.dev/retrain": "once"}
_ENTERED: Final = ["Started ", "Finished ", "GatePassed GatePassed"]


async def serve(world: World) -> None:
    """A model that may be trained again, whose candidates wait for a person."""
    await world.create(samples.revision("lead-v1", of="lead", uri="s3://models/lead-v1"))
    await world.create(samples.model("lead", revision="lead-v1", rollout={"drainSeconds": 0}, retraining=SPEC))


async def ask(world: World) -> None:
    """A person asks; what trains, trains; and its pod leaves a result."""
    await world.annotate_model(**_ASK)
    await world.wait(lambda: bool(_trainers(world)), "a trainer runs")
    (pod,) = _trainers(world)
    run = pod["metadata"]["labels"]["batch.kubernetes.io/job-name"]
    path = f"{collection('Pod', world.namespace)}/{pod['metadata']['name']}/status"
    await world.api.send("PATCH", path, {"status": ended(a_result(run))}, merge=True)


async def serve_of_many(world: World) -> None:
    """The same, trained on two nodes."""
    await world.create(samples.revision("lead-v1", of="lead", uri="s3://models/lead-v1"))
    spec = SPEC | NODES
    await world.create(samples.model("lead", revision="lead-v1", rollout={"drainSeconds": 0}, retraining=spec))


async def ask_many(world: World) -> None:
    """A person asks; Kubeflow Trainer starts two pods, and the first of them leaves a result."""
    await world.annotate_model(**_ASK)
    await world.wait(lambda: bool(world.names("TrainJob")), "a TrainJob is made")
    (train_job,), (runtime,) = world.objects("TrainJob"), world.objects("TrainingRuntime")
    run = train_job["metadata"]["labels"]["marquee.dev/run"]
    pods = collection("Pod", world.namespace)
    for pod, message in zip(node_pods(runtime, train_job), (a_result(run), ""), strict=True):
        await world.create(pod)
        path = f"{pods}/{pod['metadata']['name']}/status"
        await world.api.send("PATCH", path, {"status": ended(message)}, merge=True)
    path = f"{collection('TrainJob', world.namespace)}/{train_job['metadata']['name']}/status"
    await world.api.send("PATCH", path, {"status": over("Complete", "AllJobsCompleted")}, merge=True)


async def is_told(world: World) -> None:
    """The outcome is in the status, and the condition says how to take the candidate."""
    await world.wait(lambda: _reason(world) == "CandidateWaiting", "the candidate waits")


def _reason(world: World) -> str:
    conditions = world.status.get("conditions", ())
    return next((str(one["reason"]) for one in conditions if one["type"] == "RetrainingUpToDate"), "")


def _trainers(world: World) -> list[Object]:
    return [pod for pod in world.objects("Pod") if "marquee.dev/trains" in pod["metadata"]["labels"]]


async def test_one_training_for_one_question_whoever_dies(bench: Bench) -> None:
    """Killed before and after every write, entries of the log included: the same Job, revision, words and entries."""
    settings = bench.judging
    served = Scenario(serve, lambda world: world.settles("lead-v1", pods=1), settings)
    asked = Scenario(ask, is_told, settings)
    (first,) = await prepared_worlds(bench, 1, served)
    reference = await Run(bench, first, None).play(asked)
    strikes = each_once(reference.writes)
    assert {"POST jobs", "POST modelrevisions", "POST entries"} <= {strike.what for strike in strikes}
    worlds = await prepared_worlds(bench, len(strikes), served)
    outcomes = await play_all(bench, asked, worlds, strikes)
    must_have_struck(outcomes, strikes)
    for world, outcome in zip([first, *worlds], [reference, *outcomes], strict=True):
        assert outcome.troubles == [], outcome
        assert _came_to(bench, world) == {"jobs": 1, "revisions": 1, "runs": ["GatePassed"], "entries": _ENTERED}, (
            outcome
        )
        assert len(_trainers(world)) == 1, outcome
        assert world.serves("lead-v1"), outcome
    await leave_nothing([first, *worlds])


async def test_one_training_on_many_nodes_whoever_dies(bench: Bench) -> None:
    """Killed before and after TrainingRuntime and TrainJob are made; the other writes are those of one node's run."""
    settings = bench.judging
    served = Scenario(serve_of_many, lambda world: world.settles("lead-v1", pods=1), settings)
    asked = Scenario(ask_many, is_told, settings)
    (first,) = await prepared_worlds(bench, 1, served)
    reference = await Run(bench, first, None).play(asked)
    made = {"POST trainingruntimes", "POST trainjobs"}
    strikes = [strike for strike in each_once(reference.writes) if strike.what in made]
    assert len(strikes) == 2 * len(made)
    worlds = await prepared_worlds(bench, len(strikes), served)
    outcomes = await play_all(bench, asked, worlds, strikes)
    must_have_struck(outcomes, strikes)
    for world, outcome in zip([first, *worlds], [reference, *outcomes], strict=True):
        assert outcome.troubles == [], outcome
        expected = {"jobs": 0, "revisions": 1, "runs": ["GatePassed"], "entries": _ENTERED}
        assert _came_to(bench, world) == expected, outcome
        assert (len(world.names("TrainJob")), len(world.names("TrainingRuntime"))) == (1, 1), outcome
        assert world.serves("lead-v1"), outcome
    await leave_nothing([first, *worlds])


def _came_to(bench: Bench, world: World) -> dict[str, Any]:
    """All that a retraining leaves."""
    entered = Entries(bench.ledger).of_runs(world.namespace)
    return {
        "jobs": len(world.objects("Job")),
        "revisions": len(world.names("ModelRevision")) - 1,
        "runs": [run["outcome"] for run in world.status["retraining"]["runs"]],
        "entries": [f"{one.change} {one.outcome}" for one in entered],
    }

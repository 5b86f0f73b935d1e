"""The API server refuses, is slow to accept, cuts its watches, or is gone for a while: the end is the same."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.crash.bench import Bench
from tests.crash.proxy import Reply, Write
from tests.crash.runs import Blow, Run, Strike, play_all, strikes_at
from tests.crash.scenarios import CREATE, UPDATE, leave_nothing, must_be_alike, serving_worlds
from tests.support import parts

pytestmark = pytest.mark.asyncio(loop_scope="session")


def refusal(status: int, reason: str, **headers: str) -> Blow:
    """The write is answered with a failure, and not done."""
    body: dict[str, Any] = {"kind": "Status", "code": status, "reason": reason, "message": f"{reason}, says the test"}

    async def refuse(run: Run, _: Write) -> Reply:  # noqa: ARG001 - as blows are called
        return Reply(status, body, headers)

    return Blow(f"{status} {reason}", before=refuse)


async def _refuse_for_good(run: Run, write: Write) -> Reply:
    """As an admission rule does; once the model says so, it is touched, lest the run wait for the next attempt."""
    asyncio.get_running_loop().create_task(_touch_when_told(run))
    message = f"{write.what} breaks a rule of the test"
    return Reply(422, {"kind": "Status", "code": 422, "reason": "Invalid", "message": message})


async def _touch_when_told(run: Run) -> None:
    await run.world.wait(lambda: run.world.reason() in {"ApplyRejected", "Serving"}, "the model says what was refused")
    await run.world.touch_model()


async def _cut(run: Run, _: Write) -> None:
    run.proxy.cut_watches()


REFUSALS = (
    refusal(409, "Conflict"),
    refusal(429, "TooManyRequests", **{"Retry-After": "1"}),
    refusal(500, "InternalError"),
    refusal(503, "ServiceUnavailable"),
    Blow("422 Invalid", before=_refuse_for_good),
)
CUT = Blow("watches cut", before=_cut)


async def test_a_rollout_survives_every_refusal(bench: Bench) -> None:
    """Whatever the server answers to one of the writes, the operator lives on and gets there."""
    first, *worlds = await serving_worlds(bench, 11)
    reference = await Run(bench, first, None).play(UPDATE)
    strikes = [strikes_at(reference.writes, blow)[n % len(reference.writes)] for n, blow in enumerate(REFUSALS * 2)]
    outcomes = await play_all(bench, UPDATE, worlds, strikes)
    must_be_alike(reference, outcomes)
    assert {outcome.operators for outcome in outcomes} == {1}
    await leave_nothing([first, *worlds])


async def test_a_rollout_survives_cut_watches(bench: Bench) -> None:
    """All watches break at every single write, in the middle of what they were about to say."""
    first, second = await serving_worlds(bench, 2)
    reference = await Run(bench, first, None).play(UPDATE)
    outcomes = await play_all(bench, UPDATE, [second], [Strike(CUT)])
    must_be_alike(reference, outcomes)
    await leave_nothing([first, second])


async def test_a_rollout_survives_the_death_of_the_api_server(bench: Bench) -> None:
    """SIGKILL on the API server in the middle of rollouts; it comes back, and so do the operators if they must."""
    first, *worlds = await serving_worlds(bench, 4)
    reference = await Run(bench, first, None).play(UPDATE)
    plane = bench.cluster.plane
    server = parts.pid_of(plane, "kube-apiserver")

    async def end_the_server(run: Run, _: Write) -> None:  # noqa: ARG001 - as blows are called
        if not ended:
            ended.append("now")
            parts.kill(plane, "kube-apiserver")

    ended: list[str] = []

    blow = Blow("API server killed", after=end_the_server)
    outcomes = await play_all(bench, UPDATE, worlds, strikes_at(reference.writes, blow)[1:4])
    must_be_alike(reference, outcomes)
    assert parts.pid_of(plane, "kube-apiserver") != server
    await leave_nothing([first, *worlds])


async def test_a_create_without_watches_gets_there(bench: Bench) -> None:
    """The same from nothing: what a cut watch did not tell is found by listing again."""
    first, second = [await bench.world(), await bench.world()]
    reference = await Run(bench, first, None).play(CREATE)
    outcomes = await play_all(bench, CREATE, [second], [Strike(CUT)])
    must_be_alike(reference, outcomes)
    await leave_nothing([first, second])

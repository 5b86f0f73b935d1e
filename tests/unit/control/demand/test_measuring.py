"""Revisions measured over real connections to pods that are small servers, each with an address of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from marquee.control.demand import measuring
from marquee.control.demand.measuring import Demand, DemandUnknownError, Meter, RevisionUnknownError
from marquee.control.demand.page import demand_route
from marquee.control.demand.sampling import Rates
from marquee.control.snapshot import PodState
from tests.support.operator import free_port
from tests.unit.control.builders import Arm, a_pod, snapshot

KEY = ("crm", "churn", "churn-1")


@dataclass
class Pod:
    """A pod that answers a steady number of requests between two looks at it."""

    address: str
    step: int = 10
    broken: bool = False
    looks: int = 0

    async def page(self, _: web.Request) -> web.Response:
        """Its metrics."""
        self.looks += 1
        if self.broken:
            return web.Response(status=500)
        labels = '{model="churn",endpoint="predict",status="2xx"}'
        count = self.step * self.looks
        seconds = f'marquee_predictor_request_duration_seconds_sum{{endpoint="predict"}} {count / 10}'
        return web.Response(text=f"marquee_predictor_requests_total{labels} {count}.0\n{seconds}\n")


@dataclass
class Cluster:
    """What the operator's caches hold."""

    pods: list[Pod]
    meter: Meter
    states: list[PodState] = field(default_factory=list)
    replicas: int = 0


@asynccontextmanager
async def _cluster(*pods: Pod, replicas: int | None = None) -> AsyncIterator[Cluster]:
    port = free_port()
    async with AsyncExitStack() as stack:
        session = await stack.enter_async_context(aiohttp.ClientSession())
        for pod in pods:
            app = web.Application()
            app.router.add_get("/metrics", pod.page)
            runner = web.AppRunner(app)
            await runner.setup()
            stack.push_async_callback(runner.cleanup)
            await web.TCPSite(runner, pod.address, port).start()
        states = [a_pod("churn-1", number, ip=pod.address) for number, pod in enumerate(pods)]
        arms = {"churn-1": Arm(replicas=len(pods) if replicas is None else replicas)}
        observed = snapshot(stable="churn-1", arms=arms)
        meter = Meter(session, lambda _, __: observed.deployments, lambda _, __: states, port=port)
        yield Cluster(list(pods), meter, states)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks may be close together."""
    monkeypatch.setattr(measuring, "APART_SECONDS", 0.1)


def _run(scenario: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(scenario())  # type: ignore[arg-type]


def test_the_first_answer_takes_two_looks() -> None:
    """Counters say nothing of a rate: a pod that was never seen is looked at twice, and both pods are added up."""

    async def scenario() -> None:
        async with _cluster(Pod("127.0.0.1"), Pod("127.0.0.2", step=30)) as cluster:
            demand = await cluster.meter.demand(KEY)
            assert [pod.looks for pod in cluster.pods] == [2, 2]
            assert demand.pods == 2
            assert demand.rates.requests_per_second == pytest.approx(40 / 0.1, rel=0.5)
            assert demand.rates.concurrency == pytest.approx(demand.rates.requests_per_second / 10)

    _run(scenario)


def test_who_asks_at_once_shares_the_answer() -> None:
    """Two triggers and two autoscalers cost the pods one look; later ones another, and no second wait."""

    async def scenario() -> None:
        async with _cluster(Pod("127.0.0.1")) as cluster:
            answers = await asyncio.gather(*(cluster.meter.demand(KEY) for _ in range(5)))
            assert len(set(map(id, answers))) == 1
            assert cluster.pods[0].looks == 2
            await asyncio.sleep(0.15)
            await cluster.meter.demand(KEY)
            assert cluster.pods[0].looks == 3

    _run(scenario)


def test_a_silent_pod_is_taken_for_an_average_one() -> None:
    """It is ready, so it has its share of the load."""

    async def scenario() -> None:
        async with _cluster(Pod("127.0.0.1"), Pod("127.0.0.2", broken=True)) as cluster:
            demand = await cluster.meter.demand(KEY)
            alone = Pod("127.0.0.1").step / 0.1
            assert demand.rates.requests_per_second == pytest.approx(2 * alone, rel=0.5)

    _run(scenario)


def test_nobody_heard_is_no_zero() -> None:
    """An autoscaler that took silence for quiet would remove the pods of a revision in trouble."""

    async def scenario() -> None:
        async with _cluster(Pod("127.0.0.1", broken=True)) as cluster:
            with pytest.raises(DemandUnknownError, match="1 ready pods of revision churn-1"):
                await cluster.meter.demand(KEY)
            cluster.states[0] = replace(cluster.states[0], ready=False)
            await asyncio.sleep(0.15)
            with pytest.raises(DemandUnknownError, match="none of the 0 ready pods"):
                await cluster.meter.demand(KEY)

    _run(scenario)


def test_a_revision_without_pods_has_no_load() -> None:
    """Scaled to zero, nobody is answered: that is known without asking."""

    async def scenario() -> None:
        async with _cluster(replicas=0) as cluster:
            assert await cluster.meter.demand(KEY) == Demand(Rates(0.0, 0.0), 0)

    _run(scenario)


def test_an_unknown_revision_is_refused() -> None:
    """There is nothing to measure."""

    async def scenario() -> None:
        async with _cluster(Pod("127.0.0.1")) as cluster:
            with pytest.raises(RevisionUnknownError, match="no pods of a revision churn-9"):
                await cluster.meter.demand(("crm", "churn", "churn-9"))

    _run(scenario)


def test_a_pod_that_started_again_is_measured_anew() -> None:
    """Its counters begin at zero: what was remembered of it would make a negative rate."""

    async def scenario() -> None:
        async with _cluster(Pod("127.0.0.1")) as cluster:
            await cluster.meter.demand(KEY)
            cluster.pods[0].looks = 0
            await asyncio.sleep(0.15)
            demand = await cluster.meter.demand(KEY)
            assert demand.rates.requests_per_second > 0

    _run(scenario)


@pytest.mark.parametrize(
    ("path", "token", "status", "says"),
    [
        ("churn-1", "Bearer secret", 200, '"pods": 1'),
        ("churn-9", "Bearer secret", 404, "no pods of a revision churn-9"),
        ("churn-1", "Bearer other", 401, "Authorization"),
        ("churn-1", "", 401, "Authorization"),
    ],
)
def test_the_page_answers_those_who_bear_the_token(
    tmp_path: Path, path: str, token: str, status: int, says: str
) -> None:
    """Measuring costs requests to pods: whoever may not ask causes none."""
    (tmp_path / "token").write_text("secret\n")
    answered, body, looks = asyncio.run(_ask(path, token, tmp_path / "token"))
    assert (answered, says in body) == (status, True), body
    assert (looks > 0) == (status == 200)


def test_an_unreadable_or_empty_token_lets_nobody_in(tmp_path: Path) -> None:
    """A Secret that is not there yet is no open door."""
    assert asyncio.run(_ask("churn-1", "Bearer ", tmp_path / "missing"))[0] == 401
    (tmp_path / "token").write_text("")
    assert asyncio.run(_ask("churn-1", "Bearer ", tmp_path / "token"))[0] == 401


def test_silence_is_answered_with_503() -> None:
    """KEDA takes it for a failure of its source, and leaves the number alone."""
    status, body, _ = asyncio.run(_ask("churn-1", "", None, broken=True))
    assert (status, "tells its counters" in body) == (503, True)


async def _ask(revision: str, token: str, file: Path | None, *, broken: bool = False) -> tuple[int, str, int]:
    """Status, body, and how often the pod was looked at."""
    async with _cluster(Pod("127.0.0.1", broken=broken)) as cluster:
        app = web.Application()
        app.add_routes([demand_route(cluster.meter.demand, file)])
        runner, port = web.AppRunner(app), free_port()
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", port).start()
            url = f"http://127.0.0.1:{port}/demand/crm/churn/{revision}"
            async with aiohttp.ClientSession() as session, session.get(url, headers={"authorization": token}) as answer:
                return answer.status, await answer.text(), cluster.pods[0].looks
        finally:
            await runner.cleanup()

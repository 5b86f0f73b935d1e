"""The local cluster's Gateway splits, pins and stamps requests as a rollout needs it, and loses none."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest

from demo.target import Target
from localcluster import bases
from localcluster.gateway import Gateway
from localcluster.stages import Stages
from marquee.contract.cohort import Arm, Cohort
from marquee.contract.pod import HEADER_ARM, HEADER_BUCKET, HEADER_COHORT
from tests.support import echo
from tests.support.load import Load
from tests.support.waiting import wait_for

CANARY_BUCKETS = "0[0-4][0-9]"


@dataclass(frozen=True, slots=True)
class Split:
    """Two backends behind one route."""

    target: Target
    gateway: Gateway
    namespace: str

    @property
    def url(self) -> str:
        """Where the route answers."""
        return f"{self.gateway.url}/{self.namespace}/predict"

    def set(self, stable: int, canary: int, *, step: int = 1) -> None:
        """Give the arms these weights."""
        weights = (stable, canary)
        buckets = CANARY_BUCKETS
        self.target.apply(echo.route(self.gateway, self.namespace, step=step, weights=weights, buckets=buckets))

    async def ask(self, count: int, headers: Mapping[str, str] | None = None) -> list[dict[str, Any]]:
        """What reached the backends of so many requests with these headers."""
        async with aiohttp.ClientSession(headers=headers) as session:
            return [await _get(session, self.url) for _ in range(count)]

    async def until_cohort(self, cohort: Cohort, *, limit_seconds: float = 30.0) -> float:
        """Seconds until the first request that was stamped so."""
        started = time.perf_counter()
        async with aiohttp.ClientSession() as session:
            while time.perf_counter() - started < limit_seconds:
                answer = await _get(session, self.url)
                if answer.get("headers", {}).get(HEADER_COHORT) == str(cohort):
                    return time.perf_counter() - started
        raise AssertionError(f"no request was stamped {cohort} within {limit_seconds} s")


async def _get(session: aiohttp.ClientSession, url: str) -> dict[str, Any]:
    async with session.get(url) as answer:
        found: dict[str, Any] = await answer.json(content_type=None) if answer.status == 200 else {}
        return found


@pytest.fixture(scope="module")
def split(target: Target, gateway: Gateway) -> Iterator[Split]:
    """Both arms run, and nine of ten requests go to stable."""
    assert target.local is not None
    image = bases.ensure(echo.IMAGE_BASE, Stages())
    target.local.load_image(image)
    namespace = f"gateway-{uuid.uuid4().hex[:8]}"
    target.apply(*echo.backends(namespace, image))
    for arm in Arm:
        target.kubectl("rollout", "status", f"deployment/{arm.label}", "-n", namespace, "--timeout=60s")
    split = Split(target, gateway, namespace)
    split.set(90, 10)
    wait_for("the route", lambda: _all_answer(split), timeout_seconds=30)
    yield split
    target.kubectl("delete", "namespace", namespace, "--wait=false")


def _all_answer(split: Split) -> bool | None:
    return True if all(asyncio.run(split.ask(20))) else None


async def test_weights_are_the_shares(split: Split) -> None:
    """Of 1,000 requests without a bucket 10 % go to the canary (five standard deviations are 4.7 points), each
    stamped with the cohort of the arm that answered it."""
    answers = await split.ask(1000)
    assert {(a["revision"], a["headers"][HEADER_COHORT]) for a in answers} == {
        (arm.label, str(Cohort(echo.ROLLOUT, 1, arm))) for arm in Arm
    }
    assert 53 <= Counter(a["revision"] for a in answers)[Arm.CANARY.label] <= 147


async def test_forced_arm_wins(split: Split) -> None:
    """The exact header sends testers to the canary, whatever their bucket; another value does not."""
    forced = await split.ask(50, {HEADER_ARM: "canary", HEADER_BUCKET: "900"})
    assert {a["revision"] for a in forced} == {"canary"}
    almost = await split.ask(100, {HEADER_ARM: "canary2"})
    assert Counter(a["revision"] for a in almost)["stable"] > 50


@pytest.mark.parametrize("bucket", ["000", "049"])
async def test_buckets_of_the_canary_go_there(split: Split, bucket: str) -> None:
    """The regular expression takes the first and the last bucket of the interval, always."""
    assert {a["revision"] for a in await split.ask(50, {HEADER_BUCKET: bucket})} == {"canary"}


@pytest.mark.parametrize("bucket", ["050", "0000", "1049", "04"])
async def test_expression_must_match_the_whole_value(split: Split, bucket: str) -> None:
    """A value that only contains a bucket of the canary is split like one without."""
    assert Counter(a["revision"] for a in await split.ask(100, {HEADER_BUCKET: bucket}))["stable"] > 50


async def test_clients_cannot_choose_their_cohort(split: Split) -> None:
    """A cohort that the client sends is replaced, not joined by the true one."""
    forged = {HEADER_COHORT: str(Cohort(echo.ROLLOUT, 9, Arm.CANARY))}
    for headers in (forged, forged | {HEADER_ARM: "canary"}, forged | {HEADER_BUCKET: "001"}):
        for answer in await split.ask(20, headers):
            arm = Arm[answer["revision"].upper()]
            assert answer["headers"][HEADER_COHORT] == str(Cohort(echo.ROLLOUT, 1, arm))


async def test_moving_weights_loses_no_request(split: Split) -> None:
    """200 requests/s over a whole ramp: each is answered, each change in force within seconds, the ends are pure."""
    load = Load(split.url, {}, rate=200)
    running = asyncio.create_task(load.run(limit_seconds=60))
    delays = []
    for step, canary in enumerate((0, 5, 25, 50, 100), start=2):
        await asyncio.to_thread(split.set, 100 - canary, canary, step=step)
        delays.append(await split.until_cohort(Cohort(echo.ROLLOUT, step, Arm.CANARY if canary else Arm.STABLE)))
        await asyncio.sleep(2)
    load.stop()
    report = await running
    print(f"weights in force after {', '.join(f'{delay:.2f}' for delay in delays)} s; {report.total} requests")
    assert report.failures == []
    assert max(delays) < 15
    assert set(report.order[-100:]) == {"canary"}
    assert set(report.answered) == {"stable", "canary"}

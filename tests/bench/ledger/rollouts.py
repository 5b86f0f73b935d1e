"""A thousand rollouts as a busy installation has them: five steps, two arms, two outcomes each."""

from __future__ import annotations

import asyncio
import secrets
import time
from typing import Any, Final

import aiohttp

from marquee.contract.cohort import Arm, Cohort
from marquee.contract.exposures import CONTENT_TYPE, EXPOSURES_PATH, ExposureBatch, ExposureGroup
from marquee.contract.ledger import OUTCOMES_PATH, ROLLOUTS_PATH
from marquee.contract.prediction import Issuer, derive_secret
from tests.bench.ledger.load import MODEL
from tests.support.ledger import KEY_ID, MASTER

STEPS: Final = 5
METRICS: Final[list[dict[str, Any]]] = [{"outcome": "buy"}, {"outcome": "spend", "kind": "Mean", "cap": 100}]
_AT_ONCE: Final = 20
_COHORTS: Final = [(step, arm) for step in range(STEPS) for arm in Arm]


def fill(url: str, rollouts: int) -> None:
    """Declare the rollouts, and give each of their cohorts a unit with both outcomes."""
    asyncio.run(_fill(url, rollouts))


async def _fill(url: str, rollouts: int) -> None:
    names = iter([f"rollout-{number}" for number in range(rollouts)])
    async with aiohttp.ClientSession(url) as session:

        async def work() -> None:
            for name in names:
                await _fill_one(session, name)

        await asyncio.gather(*(work() for _ in range(_AT_ONCE)))


async def _fill_one(session: aiohttp.ClientSession, rollout: str) -> None:
    units = [secrets.token_bytes(8) for _ in _COHORTS]
    cohorts = [Cohort(rollout, step, arm) for step, arm in _COHORTS]
    groups = tuple(ExposureGroup(cohort, unit) for cohort, unit in zip(cohorts, units, strict=True))
    issuer = Issuer(key_id=KEY_ID, secret=derive_secret(MASTER, MODEL), model=MODEL, revision="r1")
    outcomes = []
    for cohort, unit in zip(cohorts, units, strict=True):
        prediction = issuer.issue(cohort, unit, round(time.time() * 1_000))
        outcomes += [{"predictionId": prediction, "outcome": metric["outcome"]} for metric in METRICS]
    batch = ExposureBatch(secrets.token_bytes(16), MODEL, groups).to_bytes()
    async with session.put(f"{ROLLOUTS_PATH}/{MODEL}/{rollout}", json={"metrics": METRICS}) as answer:
        answer.raise_for_status()
    async with session.post(EXPOSURES_PATH, data=batch, headers={"content-type": CONTENT_TYPE}) as answer:
        answer.raise_for_status()
    async with session.post(OUTCOMES_PATH, json=outcomes) as answer:
        answer.raise_for_status()

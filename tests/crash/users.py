"""Users of a rollout, as the ledger hears of them: so many come in each arm, and so many of them buy."""

from __future__ import annotations

import asyncio
import secrets
import time
from dataclasses import dataclass
from typing import Final

from marquee.contract.assignment import UNIT_HASH_BYTES
from marquee.contract.cohort import Arm, Cohort
from marquee.contract.exposures import ExposureBatch, ExposureGroup
from tests.crash.routes import Split
from tests.support.ledger import Sender
from tests.support.plainhttp import http_client

OUTCOME: Final = "conversion"
USERS: Final = 400


@dataclass(frozen=True, slots=True)
class Crowd:
    """How many users of each arm buy."""

    canary: int
    stable: int


PLEASED: Final = Crowd(canary=50, stable=10)
"""Of 80 and 320 at a weight of 20 %: enough to show that nothing is lost."""
HARMED: Final = Crowd(canary=0, stable=80)
"""Enough to show harm."""
SILENT: Final = Crowd(canary=0, stable=0)
"""They are counted, and change no evidence: that is as it was before them."""


async def come(ledger: str, model: str, split: Split, crowd: Crowd) -> None:
    """All of a step's users at once: the ledger never holds a part of what they do but all of it.

    Args:
        ledger: its URL.
        model: ``namespace/name``.
        split: the step; arms get exactly its shares.
        crowd: who of them buys.

    """
    await asyncio.to_thread(_come, ledger, model, split, crowd)


def _come(ledger: str, model: str, split: Split, crowd: Crowd) -> None:
    canary = USERS * split.weight // 100
    units = {arm: secrets.token_bytes(UNIT_HASH_BYTES * count) for arm, count in _counts(canary)}
    cohorts = {arm: Cohort(split.rollout, split.step, arm) for arm in Arm}
    groups = tuple(ExposureGroup(cohorts[arm], units[arm]) for arm in Arm)
    with http_client(ledger, timeout=20) as http:
        sender = Sender(http, model)
        issuer, now = sender.issuer(), round(time.time() * 1_000)
        outcomes = [
            {"predictionId": issuer.issue(cohorts[arm], unit, now), "outcome": OUTCOME}
            for arm, count in ((Arm.CANARY, crowd.canary), (Arm.STABLE, crowd.stable))
            for unit in _first(units[arm], count)
        ]
        answer = sender.expose(ExposureBatch(secrets.token_bytes(16), model, groups))
        assert answer.is_success, answer.text
        if outcomes:
            answer = sender.report(*outcomes)
            assert answer.is_success, answer.text


def _counts(canary: int) -> tuple[tuple[Arm, int], ...]:
    return ((Arm.CANARY, canary), (Arm.STABLE, USERS - canary))


def _first(units: bytes, count: int) -> list[bytes]:
    return [units[at : at + UNIT_HASH_BYTES] for at in range(0, count * UNIT_HASH_BYTES, UNIT_HASH_BYTES)]

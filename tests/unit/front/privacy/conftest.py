"""A front with a guard, and what its reporter would get."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any

import httpx
import pytest

from bentos.front.app import Front
from bentos.front.caching import PredictionCache
from bentos.front.drift.gathering import Gathering
from bentos.front.ids import PredictionIds, signed_ids
from bentos.front.logs import RequestLog
from bentos.front.metrics import Metrics
from bentos.front.predictor import Predictor
from bentos.front.privacy.answering import endpoints_of
from bentos.front.privacy.decisions import DecisionLog, Form
from bentos.front.privacy.guarding import Guard
from bentos.front.privacy.making import guard_of
from bentos.front.privacy.suppressions import Suppressions
from bentos.front.reporting.counting import Counting
from bentos.front.reporting.statistics import Statistics
from bentos.front.settings import Settings
from marquee.contract.prediction import Issuer
from marquee.contract.privacy import PrivacySettings
from tests.unit.front.conftest import LIMIT, Behind
from tests.unit.front.privacy.tokens import MODEL, keys_in


class Watched(Gathering):
    """Stands in drift's place and notes what would be counted."""

    def __init__(self) -> None:
        self.rows = self.scores = self.refused = 0

    def accept(self, rows: Any) -> None:
        self.rows += len(rows)

    def answer(self, values: Any) -> None:
        self.scores += len(values[0])

    def refuse(self, errors: Any) -> None:  # noqa: ARG002 - as Gathering's
        self.refused += 1

    def forget(self) -> None:
        pass


@dataclass
class World:
    """One front, and everything that it tells."""

    front: Front
    guard: Guard
    settings: Settings
    counting: Counting
    watched: Watched
    statistics: Statistics
    cache: PredictionCache
    decisions: DecisionLog | None
    log: StringIO = field(default_factory=StringIO)

    @asynccontextmanager
    async def client(self) -> AsyncIterator[httpx.AsyncClient]:
        transport = httpx.ASGITransport(self.front, raise_app_exceptions=True)
        async with httpx.AsyncClient(transport=transport, base_url="http://pod") as client:
            yield client

    def exposed(self) -> int:
        """Units that would be reported as exposed."""
        return sum(len(tally.units) // 8 for tally in self.counting.take())


Build = Callable[..., World]


@pytest.fixture
def build(predictor: Predictor, tmp_path: Path) -> Build:
    """Makes a world of `PrivacySettings`."""

    def make(suppressed: Suppressions | None = None, **privacy: Any) -> World:
        told = PrivacySettings(**privacy)
        if told.by_token:
            keys_in(tmp_path / "keys")
        settings = Settings(
            model="fixture",
            namespace="ns",
            revision="fixture-1",
            artifact_uri="/nowhere",
            artifact_digest="sha256:" + "0" * 64,
            privacy=told.model_copy(update={"log_permille": 0}),
            purpose_keys_path=tmp_path / "keys",
        )
        guard = guard_of(settings)
        assert guard is not None
        guard.suppressions = suppressed
        log, metrics, statistics = StringIO(), Metrics(), Statistics()
        counting = Counting(statistics, lambda: None)
        front = Front(
            namespace="ns",
            model="fixture",
            revision="fixture-1",
            max_request_bytes=LIMIT,
            metrics=metrics,
            request_log=RequestLog(1.0, log),
            counting=counting,
            asks_consent=guard.consent is not None,
        )
        decisions = None
        if told.log_permille:
            form = Form(MODEL, "fixture-1", told, predictor.schema, predictor.outputs)
            decisions = DecisionLog(form, statistics, lambda: None)
        watched, cache = Watched(), PredictionCache(ttl_seconds=600, max_entries=100)
        endpoints = endpoints_of(
            guard,
            predictor,
            decisions=decisions,
            namespace="ns",
            model="fixture",
            revision="fixture-1",
            metrics=metrics,
            new_id=_signed(),
            cache=cache,
            gathering=watched,
        )
        front.serve(endpoints, Behind())
        return World(front, guard, settings, counting, watched, statistics, cache, decisions, log)

    return make


def _signed() -> PredictionIds:
    return signed_ids(Issuer(key_id=1, secret=b"k" * 32, model=MODEL, revision="fixture-1"))

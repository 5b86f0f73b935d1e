"""What became of a model's answers, as the ledger tells it."""

from __future__ import annotations

import random
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from marquee.api.drift import Drift
from marquee.contract.drift import SLICE_SECONDS, DriftBatch, DriftReply, Layout, ProfileReport
from marquee.contract.ledger import MetricDeclaration
from marquee.contract.performance import PerformanceReply, PerformanceWindow
from marquee.ledger.book.entries import CountDrift, DeclarePerformance, Describe, Entry, Outcome, Report, Scored
from marquee.ledger.book.posting import post
from marquee.ledger.store.database import Database
from tests.support.drift import FIRST, PROFILE, counters_of, reply

OUTCOME: Final = "purchase"
METRIC: Final = MetricDeclaration(outcome=OUTCOME)
SPEC: Final = {"outcome": OUTCOME, "matureAfterSeconds": 2 * 86_400}
MEANS: Final = PROFILE.score.means if PROFILE.score is not None else ()
LAYOUT: Final = Layout(PROFILE, "p", traces=True)
Change = Callable[[int], dict[str, Any]]


def outcomes_of(day: int, *, rate: float = 1.0, slope: float = 1.0, rows: int = 200, **_: Any) -> PerformanceWindow:
    """A day's answers, alike in each bin, and the outcomes that came.

    Args:
        day: its number since 1970; draws its noise.
        rate: of outcomes, times what the scores promise.
        slope: 1 as the scores promise, 0 the same share in each bin.
        rows: answers of a bin.

    """
    draw = random.Random(day)
    chances = [min(1.0, rate * (0.5 + slope * (mean - 0.5))) for mean in MEANS]
    hits = tuple(sum(draw.random() < chance for _ in range(rows)) for chance in chances)
    return PerformanceWindow(index=day, rows=(rows,) * len(MEANS), outcomes=hits)


def performance_reply(days: int, change: Change = lambda _: {}, feed: Change = lambda _: {}) -> DriftReply:
    """The ledger's answer so many days after a baseline of 28.

    Args:
        days: so many.
        change: how a day's outcomes differ.
        feed: how what the model sees differs.

    """
    whole = reply(days, feed, last=30)
    windows = tuple(outcomes_of(FIRST + day, **change(day)) for day in range(28 + days))
    found = PerformanceReply(metric=METRIC, windows=windows)
    return whole.model_copy(update={"traces": True, "performance": found})


def watched(**more: Any) -> Drift:
    """``spec.drift`` with performance."""
    return Drift.model_validate({"performance": SPEC | more})


def fill_outcomes(database: Database, model: str, revision: str, until: int, change: Change = lambda _: {}) -> None:
    """Enter 34 days of counters and outcomes in a ledger's book, the last day before ``until``."""
    report = ProfileReport(model=model, revision=revision, output="p", profile=PROFILE, traces=True)
    entries: list[Entry] = [Describe(report), DeclarePerformance(model, METRIC)]
    for number in range(34):
        day = until - 34 + number
        slice_ = day * 86_400 // SLICE_SECONDS
        window = outcomes_of(number, rows=20, **change(number))
        counters = (*counters_of(day), *window.rows)
        entries.append(
            CountDrift(DriftBatch(b"e" * 12, number, LAYOUT.digest, model, revision, slice_, counters), number)
        )
        entries.append(
            Report(
                [
                    one
                    for place, hits in enumerate(window.outcomes)
                    for one in _outcomes(Scored(model, revision, slice_, place), hits, number)
                ]
            )
        )
    with database.writer.begin() as connection:
        post(connection, database.bulk, entries)


def _outcomes(scored: Scored, hits: int, day: int) -> list[Outcome]:
    first = (day * len(MEANS) + scored.bin) * 1_000
    return [Outcome(None, first + hit, first + hit, OUTCOME, Decimal(1), scored) for hit in range(hits)]

"""Days of a model with two features and a score, as the ledger tells them."""

from __future__ import annotations

import random
from collections.abc import Callable
from itertools import accumulate, pairwise
from statistics import NormalDist
from typing import Any, Final

from marquee.contract.drift import SLICE_SECONDS, DriftBatch, DriftReply, DriftWindow, Layout, ProfileReport
from marquee.contract.manifest import CategoryProfile, NumericProfile, ReferenceProfile, ScoreProfile
from marquee.ledger.book.entries import CountDrift, Describe, Entry
from marquee.ledger.book.posting import post
from marquee.ledger.store.database import Database

FIRST: Final = 20_000
"""The first day, counted from 1970."""
BASELINE: Final = 28
_EDGES: Final = (-4.5, *(NormalDist().inv_cdf(step / 20) for step in range(1, 20)), 4.5)
_SCORES: Final = tuple(step / 20 for step in range(1, 20))
PROFILE: Final = ReferenceProfile(
    rows=20_000,
    features={
        "age": NumericProfile(edges=_EDGES, counts=(0, *[1_000] * 20, 0)),
        "city": CategoryProfile(counts={"Bonn": 10_000, "Ulm": 8_000}, other=2_000),
    },
    score=ScoreProfile(
        edges=_SCORES, counts=(1_000,) * 20, output="p", means=tuple((step + 0.5) / 20 for step in range(20))
    ),
)
LAYOUT: Final = Layout(PROFILE, "p")


def counters_of(day: int, *, rows: int = 4_000, age: float = 0.0, city: float = 0.0, **special: Any) -> tuple[int, ...]:
    """Counters of a day; weekends lie higher, and every day wavers a little.

    Args:
        day: its number since 1970; draws its noise.
        rows: of the day.
        age: shift of the feature in standard deviations.
        city: rise of the share of Bonn, at the cost of Ulm's.
        special: ``missing`` and ``wrong`` ages, ``unseen`` cities; ``vanished``: no age is counted at all.

    """
    draw = random.Random(day)
    weekend = 0.3 if day % 7 >= 5 else 0.0
    ages, cities = LAYOUT.blocks[0], LAYOUT.blocks[1]
    score = LAYOUT.blocks[2]
    found = [0] * LAYOUT.size
    found[0] = rows
    shape = NormalDist(draw.gauss(weekend + age, 0.02))
    bad = special.get("missing", 0) + special.get("wrong", 0)
    if not special.get("vanished"):
        found[ages.start : ages.start + ages.bins] = _parted(rows - bad, [shape.cdf(edge) for edge in _EDGES])
    found[ages.start + ages.bins] = special.get("missing", 0)
    found[ages.start + ages.bins + 1] = special.get("wrong", 0)
    unseen = special.get("unseen", 0)
    found[cities.start : cities.start + cities.bins] = _parted(rows - unseen, [0.5 + city, 0.9])
    found[cities.start + cities.bins + 2] = unseen
    found[score.start : score.start + score.bins] = _parted(rows, list(_SCORES))
    return tuple(found)


def reply(days: int, change: Callable[[int], dict[str, Any]] = lambda _: {}, last: int = 28) -> DriftReply:
    """The ledger's answer so many days after a baseline of 28.

    Args:
        days: so many.
        change: how a day, from 0, differs.
        last: of how many of the last days counters are told.

    """
    complete = BASELINE + days
    windows = [
        DriftWindow(index=FIRST + day, counters=counters_of(FIRST + day, **change(day))) for day in range(complete)
    ]
    return DriftReply(
        model="growth/lead",
        revision="lead-v1",
        seconds=86_400,
        output="p",
        profile=PROFILE,
        first=FIRST,
        until=FIRST + complete,
        baseline=tuple(windows[:BASELINE]),
        windows=tuple(windows[BASELINE:][-last:]),
    )


def fill(database: Database, model: str, revision: str, until: int, change: Callable[[int], dict[str, Any]]) -> None:
    """Enter the bins and 34 days of counters in a ledger's book, the last of them before ``until``."""
    entries: list[Entry] = [Describe(ProfileReport(model=model, revision=revision, output="p", profile=PROFILE))]
    for number in range(34):
        day = until - 34 + number
        slice_ = day * 86_400 // SLICE_SECONDS
        batch = DriftBatch(
            b"e" * 12, number, LAYOUT.digest, model, revision, slice_, counters_of(day, **change(number))
        )
        entries.append(CountDrift(batch, number))
    with database.writer.begin() as connection:
        post(connection, database.bulk, entries)


def _parted(rows: int, cumulated: list[float]) -> list[int]:
    """So many rows in parts whose shares add up as given, to the last row."""
    borders = [0, *accumulate((round(rows * share) for share in cumulated), max), rows]
    return [after - before for before, after in pairwise(borders)]

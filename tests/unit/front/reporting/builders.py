"""Callers, tallies and batches for the reporter's tests."""

from __future__ import annotations

from collections.abc import Callable

from bentos.front.callers import Caller, Callers
from bentos.front.metrics import Metrics
from bentos.front.reporting.batches import Batch
from bentos.front.reporting.counting import Counting
from bentos.front.reporting.sights import Sights
from bentos.front.reporting.spooling import Store
from bentos.front.reporting.statistics import Kind, Statistics

MODEL = "ns/fixture"
CANARY, STABLE = "lead-v2/1/canary", "lead-v2/1/stable"
OK = 200
FAST = 1_000

_callers = Callers(MODEL, Metrics())


def caller(cohort: str = CANARY, unit: str | None = None) -> Caller:
    """Who sends these headers; without a unit, the request is its own."""
    headers = [(b"marquee-cohort", cohort.encode())]
    if unit is not None:
        headers.append((b"marquee-unit", unit.encode()))
    return _callers.read(headers)


def counting(
    statistics: Statistics | None = None,
    on_full: Callable[[], None] = lambda: None,
    *,
    slow_milliseconds: float | None = None,
) -> Counting:
    """A counting with a small table."""
    return Counting(statistics or Statistics(), on_full, slow_milliseconds=slow_milliseconds, sights=Sights(1_024))


def exposures(number: int, units: int = 1) -> Batch:
    """A batch that is recognised by its body."""
    return Batch(Kind.EXPOSURES, b"exposures %d" % number, units)


def counts(number: int, requests: int = 1) -> Batch:
    """A batch that is recognised by its body."""
    return Batch(Kind.COUNTS, b"counts %d" % number, requests)


def drained(store: Store) -> list[Batch]:
    """All that waits, taken out."""
    found = []
    while (batch := store.oldest()) is not None:
        found.append(batch)
        store.remove_oldest()
    return found

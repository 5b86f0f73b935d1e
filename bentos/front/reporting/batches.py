"""From counts to the bytes that the ledger takes: batches within the contract's bounds, each with an id of its own."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bentos.front.reporting.counting import Tally
from bentos.front.reporting.statistics import Kind
from marquee.contract.assignment import UNIT_HASH_BYTES
from marquee.contract.cohort import Cohort
from marquee.contract.exposures import BATCH_ID_BYTES, MAX_GROUPS, MAX_UNITS, ExposureBatch, ExposureGroup
from marquee.contract.ledger import MAX_COUNTS, CohortCounts, CountsBatch


@dataclass(frozen=True, slots=True)
class Batch:
    """A request to the ledger that may be sent any number of times: its id is in the body."""

    kind: Kind
    body: bytes
    records: int
    """Units, or requests."""


def pack(model: str, tallies: Sequence[Tally]) -> Iterator[Batch]:
    """Batches of what was handed over.

    Args:
        model: ``namespace/name``.
        tallies: from `Counting.take`.

    """
    for groups in _within_bounds(tallies):
        exposures = ExposureBatch(os.urandom(BATCH_ID_BYTES), model, groups)
        yield Batch(Kind.EXPOSURES, exposures.to_bytes(), exposures.size)
    for start in range(0, len(tallies), MAX_COUNTS):
        part = tallies[start : start + MAX_COUNTS]
        counts = CountsBatch(batch_id=os.urandom(BATCH_ID_BYTES).hex(), model=model, counts=tuple(map(_counts, part)))
        yield Batch(Kind.COUNTS, counts.model_dump_json(by_alias=True).encode(), sum(tally.requests for tally in part))


def _counts(tally: Tally) -> CohortCounts:
    cohort = tally.cohort
    return CohortCounts(
        rollout=cohort.rollout,
        step=cohort.step,
        arm="canary" if cohort.arm else "stable",
        requests=tally.requests,
        errors=tally.errors,
        slow=tally.slow,
    )


def _within_bounds(tallies: Sequence[Tally]) -> Iterator[tuple[ExposureGroup, ...]]:
    groups: list[ExposureGroup] = []
    room = MAX_UNITS
    for cohort, units in _pieces(tallies):
        at = 0
        while at < len(units):
            piece = units[at : at + room * UNIT_HASH_BYTES]
            groups.append(ExposureGroup(cohort, piece))
            at += len(piece)
            room -= groups[-1].size
            if room == 0 or len(groups) == MAX_GROUPS:
                yield tuple(groups)
                groups, room = [], MAX_UNITS
    if groups:
        yield tuple(groups)


def _pieces(tallies: Sequence[Tally]) -> Iterator[tuple[Cohort, bytes]]:
    return ((tally.cohort, bytes(tally.units)) for tally in tallies)

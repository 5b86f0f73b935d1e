"""One transaction for a group of entries: in whatever order they came, the book reads the same afterwards.

Exposures of all batches are put together by cohort before they are entered, earlier places first; then counts, drift
counters and their bins, outcomes, and the integers. An entry that contradicts the book raises, and nothing of the group
is written.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from struct import unpack
from typing import Final

from sqlalchemy import Connection

from marquee.contract.cohort import Arm
from marquee.contract.exposures import ExposureGroup
from marquee.ledger.book import (
    batches,
    crediting,
    decisions,
    drift,
    exposing,
    forgetting,
    plans,
    rollouts,
    score_metrics,
    scoring,
    stamping,
    subjects,
    suppressing,
    sweeping,
)
from marquee.ledger.book.batches import Batch, BatchKind
from marquee.ledger.book.entries import (
    Begin,
    Close,
    Count,
    CountDrift,
    Declare,
    DeclarePerformance,
    Describe,
    DestroyKey,
    EndStamping,
    Entry,
    Expose,
    Forget,
    Keep,
    MarkAgain,
    MarkErased,
    Reply,
    Report,
    RolloutKey,
    Stamp,
    Suppress,
    Sweep,
    Turn,
)
from marquee.ledger.book.rollouts import OpenRollout
from marquee.ledger.book.tally import Tally
from marquee.ledger.book.units import Units
from marquee.ledger.store.bulk import Bulk

_EXPIRED: Final = 2_000
_REKEYED: Final = 500
"""Rows of one slice of a sweep: each takes longer than a row that is only deleted."""


def post(connection: Connection, bulk: Bulk, entries: Sequence[Entry], *, now: float | None = None) -> list[Reply]:
    """Enter a group; a reply for each entry, in their order.

    Args:
        connection: in a transaction that the caller commits.
        bulk: how the database takes many numbers.
        entries: any mixture.
        now: seconds since 1970, for tests.

    Raises:
        RejectedError: one of them contradicts the book.

    """
    seconds = int(time.time() if now is None else now)
    replies = [Reply() for _ in entries]
    pairs = list(zip(entries, replies, strict=True))
    found = _find(connection, entries, seconds)
    posting = _Posting(Units(connection, bulk), Tally(), found, seconds)
    posting.declare([(entry, reply) for entry, reply in pairs if isinstance(entry, Declare)])
    posting.declare_performance([(entry, reply) for entry, reply in pairs if isinstance(entry, DeclarePerformance)])
    posting.stamp([(entry, reply) for entry, reply in pairs if isinstance(entry, Stamp)])
    posting.end_stamping([(entry, reply) for entry, reply in pairs if isinstance(entry, EndStamping)])
    posting.begin([(entry, reply) for entry, reply in pairs if isinstance(entry, Begin)])
    posting.expose([(entry, reply) for entry, reply in pairs if isinstance(entry, Expose)])
    posting.count([(entry, reply) for entry, reply in pairs if isinstance(entry, Count)])
    posting.drift(pairs)
    posting.report([(entry, reply) for entry, reply in pairs if isinstance(entry, Report)])
    posting.keep([(entry, reply) for entry, reply in pairs if isinstance(entry, Keep)])
    posting.subjects(pairs)
    posting.turn([(entry, reply) for entry, reply in pairs if isinstance(entry, Turn)])
    posting.close([(entry, reply) for entry, reply in pairs if isinstance(entry, Close)])
    posting.sweep([(entry, reply) for entry, reply in pairs if isinstance(entry, Sweep)])
    posting.tally.write(connection)
    return replies


def place_of(step: int, arm: int) -> int:
    """A cohort's place: steps first, and stable before canary within a step."""
    return 2 * step + arm


def _find(connection: Connection, entries: Sequence[Entry], now: int) -> dict[RolloutKey, OpenRollout]:
    """All rollouts that the group names; those that something is sent to or said of are made."""
    declared: set[RolloutKey] = set()
    sent: set[RolloutKey] = set()
    named: set[RolloutKey] = set()
    for entry in entries:
        match entry:
            case Declare() | Begin():
                declared.add(entry.rollout)
            case Expose():
                sent |= {RolloutKey(entry.batch.model, group.cohort.rollout) for group in entry.batch.groups}
            case Count():
                sent |= {RolloutKey(entry.batch.model, counts.rollout) for counts in entry.batch.counts}
            case Report():
                named |= {outcome.rollout for outcome in entry.outcomes if outcome.rollout is not None}
            case Close() | Turn() | Stamp() | EndStamping():
                named.add(entry.rollout)
    found = rollouts.find(connection, declared | sent | named, opened=declared | sent, now=now)
    rollouts.refuse_flood(connection, sent - declared, found)
    return found


@dataclass(frozen=True, slots=True)
class _Posting:
    units: Units
    tally: Tally
    found: dict[RolloutKey, OpenRollout]
    now: int

    @property
    def connection(self) -> Connection:
        return self.units.connection

    def declare(self, entries: Iterable[tuple[Declare, Reply]]) -> None:
        for entry, reply in entries:
            rollout = self.found[entry.rollout]
            reply.duplicate = not rollouts.declare(self.connection, entry.rollout, rollout, entry.declaration)

    def declare_performance(self, entries: Iterable[tuple[DeclarePerformance, Reply]]) -> None:
        for entry, reply in entries:
            reply.duplicate = not score_metrics.declare(self.connection, entry.model, entry.metric, self.now)

    def begin(self, entries: Iterable[tuple[Begin, Reply]]) -> None:
        for entry, reply in entries:
            rollout = self.found[entry.rollout]
            reply.duplicate = not plans.begin(self.connection, entry, rollout, self.now)
            if not reply.duplicate:
                plans.supersede(self.connection, self.found, entry.rollout, self.now)

    def turn(self, entries: Iterable[tuple[Turn, Reply]]) -> None:
        for entry, reply in entries:
            reply.duplicate = not plans.turn(self.connection, entry, self.found.get(entry.rollout), self.now)

    def expose(self, entries: Sequence[tuple[Expose, Reply]]) -> None:
        named = [Batch(BatchKind.EXPOSURES, entry.batch.batch_id, entry.digest) for entry, _ in entries]
        seen: defaultdict[tuple[RolloutKey, int], set[int]] = defaultdict(set)
        for (entry, reply), is_new in zip(entries, batches.take(self.connection, named, self.now), strict=True):
            reply.duplicate = not is_new
            for group in entry.batch.groups if is_new else ():
                place = place_of(group.cohort.step, group.cohort.arm)
                seen[RolloutKey(entry.batch.model, group.cohort.rollout), place].update(_unit_numbers(group))
        for (key, place), units in sorted(seen.items()):
            if not self.found[key].closed:
                exposing.expose(self.units, self.tally, self.found[key], place, sorted(units))

    def count(self, entries: Sequence[tuple[Count, Reply]]) -> None:
        named = [Batch(BatchKind.COUNTS, bytes.fromhex(entry.batch.batch_id), entry.digest) for entry, _ in entries]
        for (entry, reply), is_new in zip(entries, batches.take(self.connection, named, self.now), strict=True):
            reply.duplicate = not is_new
            for counts in entry.batch.counts if is_new else ():
                rollout = self.found[RolloutKey(entry.batch.model, counts.rollout)]
                place = place_of(counts.step, Arm[counts.arm.upper()])
                if not rollout.closed:
                    self.tally.count(
                        rollout.id, place, requests=counts.requests, errors=counts.errors, slow=counts.slow
                    )

    def report(self, entries: Sequence[tuple[Report, Reply]]) -> None:
        items = [[crediting.Item(outcome) for outcome in entry.outcomes] for entry, _ in entries]
        together = [item for of_entry in items for item in of_entry]
        crediting.report(self.units, self.tally, self.found, together)
        scoring.report(self.units, together, self.now)
        for (_, reply), of_entry in zip(entries, items, strict=True):
            reply.judgements = [item.judgement or crediting.DUPLICATE for item in of_entry]

    def drift(self, entries: Sequence[tuple[Entry, Reply]]) -> None:
        for entry, reply in entries:
            if isinstance(entry, Describe):
                reply.duplicate = not drift.describe(self.connection, entry.report, self.now)
        counted = [(entry, reply) for entry, reply in entries if isinstance(entry, CountDrift)]
        for (_, reply), is_new in zip(
            counted, drift.count(self.connection, [entry for entry, _ in counted], self.now), strict=True
        ):
            reply.duplicate = not is_new

    def keep(self, entries: Sequence[tuple[Keep, Reply]]) -> None:
        new = decisions.keep(self.connection, [entry for entry, _ in entries], self.now)
        for (_, reply), is_new in zip(entries, new, strict=True):
            reply.duplicate = not is_new

    def subjects(self, entries: Iterable[tuple[Entry, Reply]]) -> None:
        for entry, reply in entries:
            match entry:
                case Suppress():
                    reply.changed, reply.revision = suppressing.change(
                        self.connection, entry.model, entry.units, listed=entry.listed, now=self.now
                    )
                case MarkErased():
                    forgetting.mark(self.connection, entry, self.now)
                case DestroyKey():
                    forgetting.destroy(self.connection, entry.subject_id)
                case MarkAgain():
                    forgetting.mark_again(self.connection, entry)
                case Forget():
                    reply.changed = forgetting.forget(self.connection, entry, self.now)

    def stamp(self, entries: Iterable[tuple[Stamp, Reply]]) -> None:
        for entry, reply in entries:
            rollout = self.found.get(entry.rollout)
            reply.duplicate = not stamping.stamp(self.connection, entry.rollout, rollout, entry.wanted, self.now)

    def end_stamping(self, entries: Iterable[tuple[EndStamping, Reply]]) -> None:
        for entry, reply in entries:
            reply.duplicate = not stamping.end(self.connection, entry.rollout, self.found.get(entry.rollout))

    def close(self, entries: Iterable[tuple[Close, Reply]]) -> None:
        for entry, reply in entries:
            reply.duplicate = not rollouts.close(
                self.connection, entry.rollout, self.found.get(entry.rollout), self.now
            )

    def sweep(self, entries: Iterable[tuple[Sweep, Reply]]) -> None:
        for entry, reply in entries:
            reply.more = sweeping.sweep(self.connection, entry.limit, self.now)
            reply.more = score_metrics.sweep(self.connection, entry.limit, self.now) or reply.more
            reply.more = drift.sweep(self.connection, self.now) or reply.more
            reply.more = decisions.sweep(self.connection, min(entry.limit, _EXPIRED), self.now) or reply.more
            if entry.ring is not None:
                reply.more = subjects.rekey(self.connection, entry.ring, _REKEYED) or reply.more


def _unit_numbers(group: ExposureGroup) -> tuple[int, ...]:
    return unpack(f">{group.size}q", group.units)

"""Exposures: each unit counts once in a rollout, at the smallest place where it was ever seen.

Batches come in any order and more than once. When a unit turns out to have been seen earlier than the book says, its
exposure and everything that was credited for it move to the earlier place, so the integers do not depend on the order.
"""

from __future__ import annotations

from collections.abc import Sequence

from marquee.ledger.book.rollouts import OpenRollout
from marquee.ledger.book.tally import Tally
from marquee.ledger.book.units import Units


def expose(units: Units, tally: Tally, rollout: OpenRollout, place: int, seen: Sequence[int]) -> None:
    """Enter units that were seen at a place; they are sorted and distinct."""
    added = units.add_exposures(rollout.id, place, seen)
    tally.expose(rollout.id, place, added)
    if added < len(seen) and rollout.last_place > place:
        _move_back(units, tally, rollout, place, seen)
    if rollout.has_pending:
        _credit_pending(units, tally, rollout, seen)
    rollout.last_place = max(rollout.last_place, place)


def _move_back(units: Units, tally: Tally, rollout: OpenRollout, place: int, seen: Sequence[int]) -> None:
    """Units that the book has at a later place were seen here first."""
    later = units.places(rollout.id, seen, above=place)
    if not later:
        return
    moved = sorted(later)
    units.move(rollout.id, place, moved)
    tally.expose(rollout.id, place, len(moved))
    for old in later.values():
        tally.expose(rollout.id, old, -1)
    for metric in rollout.metrics.values():
        for unit, total in units.values(metric.id, moved).items():
            tally.credit(metric.id, later[unit], before=total, after=0)
            tally.credit(metric.id, place, before=0, after=total)


def _credit_pending(units: Units, tally: Tally, rollout: OpenRollout, seen: Sequence[int]) -> None:
    """Outcomes that came before the exposure count from now on."""
    found = sorted(units.take_pending(rollout.id, seen))
    if not found:
        return
    places = units.places(rollout.id, found)
    for metric in rollout.metrics.values():
        for unit, total in units.values(metric.id, found).items():
            tally.credit(metric.id, places[unit], before=0, after=total)

"""Statements over many units at once."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, text

from marquee.ledger.store.bulk import Bulk


@dataclass(frozen=True, slots=True)
class Units:
    """Reads and writes rows of units in the caller's transaction."""

    connection: Connection
    bulk: Bulk

    def add_exposures(self, rollout_id: int, place: int, units: Sequence[int]) -> int:
        """Enter units that have no exposure yet; the number of those."""
        statement = f"""
            INSERT INTO exposures (rollout_id, unit, place)
            SELECT :rollout_id, given.unit, :place FROM {self.bulk.source("unit")} WHERE true
            ON CONFLICT (rollout_id, unit) DO NOTHING
        """  # noqa: S608 - the source is ours
        given = self.bulk.parameters(unit=units)
        return self.connection.execute(text(statement), {"rollout_id": rollout_id, "place": place, **given}).rowcount

    def places(self, rollout_id: int, units: Sequence[int], *, above: int = -1) -> dict[int, int]:
        """Places of those units that have an exposure, at a place above one."""
        statement = f"""
            SELECT e.unit, e.place FROM {self.bulk.source("unit")} CROSS JOIN exposures AS e
            WHERE e.rollout_id = :rollout_id AND e.unit = given.unit AND e.place > :above
        """  # noqa: S608 - the source is ours
        given = self.bulk.parameters(unit=units)
        rows = self.connection.execute(text(statement), {"rollout_id": rollout_id, "above": above, **given})
        return {row.unit: row.place for row in rows}

    def move(self, rollout_id: int, place: int, units: Sequence[int]) -> None:
        """Set the place of units that have an exposure."""
        statement = f"""
            UPDATE exposures SET place = :place
            WHERE rollout_id = :rollout_id AND unit IN (SELECT unit FROM {self.bulk.source("unit")})
        """  # noqa: S608 - the source is ours
        given = self.bulk.parameters(unit=units)
        self.connection.execute(text(statement), {"rollout_id": rollout_id, "place": place, **given})

    def add_successes(self, metric_id: int, units: Sequence[int]) -> set[int]:
        """Enter units that have no value yet, with 1; those units."""
        statement = f"""
            INSERT INTO unit_values (metric_id, unit, total)
            SELECT :metric_id, given.unit, 1 FROM {self.bulk.source("unit")} WHERE true
            ON CONFLICT (metric_id, unit) DO NOTHING RETURNING unit
        """  # noqa: S608 - the source is ours
        given = self.bulk.parameters(unit=units)
        return set(self.connection.execute(text(statement), {"metric_id": metric_id, **given}).scalars())

    def values(self, metric_id: int, units: Sequence[int]) -> dict[int, int]:
        """Sums of those units that have one."""
        statement = f"""
            SELECT v.unit, v.total FROM {self.bulk.source("unit")} CROSS JOIN unit_values AS v
            WHERE v.metric_id = :metric_id AND v.unit = given.unit
        """  # noqa: S608 - the source is ours
        given = self.bulk.parameters(unit=units)
        rows = self.connection.execute(text(statement), {"metric_id": metric_id, **given})
        return {row.unit: row.total for row in rows}

    def set_values(self, metric_id: int, totals: dict[int, int]) -> None:
        """Write the sums of units."""
        statement = f"""
            INSERT INTO unit_values (metric_id, unit, total)
            SELECT :metric_id, given.unit, given.total FROM {self.bulk.source("unit", "total")} WHERE true
            ON CONFLICT (metric_id, unit) DO UPDATE SET total = excluded.total
        """  # noqa: S608 - the source is ours
        given = self.bulk.parameters(unit=list(totals), total=list(totals.values()))
        self.connection.execute(text(statement), {"metric_id": metric_id, **given})

    def add_outcomes(self, metric_id: int, rows: Sequence[tuple[int, int, int]]) -> set[tuple[int, int]]:
        """Enter (unit, prediction, value) unless the pair is known; the pairs that were not."""
        statement = f"""
            INSERT INTO outcomes (metric_id, unit, prediction, value)
            SELECT :metric_id, given.unit, given.prediction, given.value
            FROM {self.bulk.source("unit", "prediction", "value")} WHERE true
            ON CONFLICT (metric_id, unit, prediction) DO NOTHING RETURNING unit, prediction
        """  # noqa: S608 - the source is ours
        unit, prediction, value = zip(*rows, strict=True)
        given = self.bulk.parameters(unit=unit, prediction=prediction, value=value)
        fresh = self.connection.execute(text(statement), {"metric_id": metric_id, **given})
        return {(row.unit, row.prediction) for row in fresh}

    def add_pending(self, rollout_id: int, units: Collection[int]) -> None:
        """Remember units that have outcomes and no exposure."""
        statement = f"""
            INSERT INTO pending (rollout_id, unit)
            SELECT :rollout_id, given.unit FROM {self.bulk.source("unit")} WHERE true
            ON CONFLICT (rollout_id, unit) DO NOTHING
        """  # noqa: S608 - the source is ours
        given = self.bulk.parameters(unit=sorted(units))
        self.connection.execute(text(statement), {"rollout_id": rollout_id, **given})

    def take_pending(self, rollout_id: int, units: Sequence[int]) -> list[int]:
        """Forget that these units wait; those of them that did."""
        statement = f"""
            DELETE FROM pending
            WHERE rollout_id = :rollout_id AND unit IN (SELECT unit FROM {self.bulk.source("unit")})
            RETURNING unit
        """  # noqa: S608 - the source is ours
        given = self.bulk.parameters(unit=units)
        return list(self.connection.execute(text(statement), {"rollout_id": rollout_id, **given}).scalars())

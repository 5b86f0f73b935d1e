"""Outcomes by the score that was answered: each once for its prediction, in the slice in which it was predicted.

Only the outcome that a model declares for its performance is counted, and only for bins that its revision's pods have
described.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import orjson
from sqlalchemy import Connection, select, text, update

from marquee.contract.drift import SLICE_SECONDS
from marquee.contract.ledger import MetricDeclaration, OutcomeStatus
from marquee.ledger.book.crediting import COUNTED, DUPLICATE, Item, refused, scaled, value_refusal
from marquee.ledger.book.drift import RETENTION_SECONDS
from marquee.ledger.book.entries import Judgement, Scored
from marquee.ledger.book.rollouts import OpenMetric
from marquee.ledger.book.score_metrics import current
from marquee.ledger.book.tally import split_squares
from marquee.ledger.book.units import Units
from marquee.ledger.store.drift_schema import drift_sources, score_metrics


def report(units: Units, items: Sequence[Item], now: int) -> None:
    """Count outcomes by score, and set the judgement of those that their rollout did not count."""
    wanted = [(item, item.outcome.scored) for item in items if item.outcome.scored is not None]
    if not wanted:
        return
    book = _Book(units.connection, (now - RETENTION_SECONDS) // SLICE_SECONDS)
    declared = _declared(units.connection, {scored.model for _, scored in wanted})
    groups: defaultdict[int, dict[tuple[int, int], _Counted]] = defaultdict(dict)
    for item, scored in wanted:
        metric = declared.get((scored.model, item.outcome.name))
        if metric is None:
            continue
        judged = book.refusal(scored) or value_refusal(metric.kind, item.outcome)
        if judged is None:
            counted = _Counted(item, scored, book.source(scored), scaled(item.outcome.value, metric))
            first = groups[metric.id].setdefault((scored.slice, item.outcome.prediction), counted)
            judged = DUPLICATE if first.item is not item else None
        if judged is not None:
            item.judgement = _better(item.judgement, judged)
    for metric_id, group in sorted(groups.items()):
        _enter(units, metric_id, group)


def _declared(connection: Connection, models: Iterable[str]) -> dict[tuple[str, str], OpenMetric]:
    """The metrics by model and outcome, locked until the transaction ends."""
    found = {}
    for model, row in current(connection, models, lock=True).items():
        metric = MetricDeclaration.model_validate_json(row.content)
        found[model, metric.outcome] = OpenMetric(row.id, metric.kind, metric.decimals, metric.scaled_cap)
    return found


@dataclass(frozen=True, slots=True)
class _Counted:
    item: Item
    scored: Scored
    source: int
    value: int
    """In the smallest unit."""


class _Book:
    """What the book knows of revisions, asked once each."""

    def __init__(self, connection: Connection, oldest: int) -> None:
        self._connection = connection
        self._oldest = oldest
        self._sources: dict[tuple[str, str], tuple[int, int] | None] = {}

    def refusal(self, scored: Scored) -> Judgement | None:
        """Why an outcome cannot be counted by its score; None: it can."""
        if scored.slice < self._oldest:
            weeks = RETENTION_SECONDS // (7 * 86_400)
            return refused("prediction-expired", f"the prediction is more than {weeks} weeks old: it counts no more")
        found = self._find(scored)
        if found is None:
            detail = f"the ledger knows no revision {scored.revision} of {scored.model} by its bins; its pods tell them"
            return refused("revision-unknown", f"{detail} at their start and every hour")
        if scored.bin >= found[1]:
            detail = f"revision {scored.revision} of {scored.model} has {found[1]} bins of its score by now"
            return refused("score-bin-unknown", f"{detail}, and the prediction lies in bin {scored.bin}")
        return None

    def source(self, scored: Scored) -> int:
        """Id of what the revision's pods count over."""
        found = self._find(scored)
        assert found is not None  # noqa: S101 - as `refusal` has found
        return found[0]

    def _find(self, scored: Scored) -> tuple[int, int] | None:
        """Id and number of the score's bins."""
        key = scored.model, scored.revision
        if key not in self._sources:
            columns = drift_sources.c
            row = self._connection.execute(
                select(columns.id, columns.content)
                .where(columns.model == scored.model, columns.revision == scored.revision)
                .order_by(columns.reported_at.desc(), columns.id.desc())
                .limit(1)
            ).one_or_none()
            score = orjson.loads(row.content)["profile"].get("score") if row is not None else None
            self._sources[key] = (row.id, len(score["counts"]) if score else 0) if row is not None else None
        return self._sources[key]


def _enter(units: Units, metric_id: int, group: dict[tuple[int, int], _Counted]) -> None:
    """The first outcome of each prediction, and the sums of those that were not known."""
    ordered = sorted(group.items())
    fresh = _add_rows(units, metric_id, ordered)
    sums: defaultdict[tuple[int, int, int], list[int]] = defaultdict(lambda: [0, 0, 0])
    for pair, counted in ordered:
        counted.item.judgement = _better(counted.item.judgement, COUNTED if pair in fresh else DUPLICATE)
        if pair in fresh:
            mine = sums[counted.source, counted.scored.slice, counted.scored.bin]
            mine[0] += 1
            mine[1] += counted.value
            mine[2] += counted.value * counted.value
    if sums:
        _add_sums(units, metric_id, sums)
        changed = update(score_metrics).where(score_metrics.c.id == metric_id)
        units.connection.execute(changed.values(changes=score_metrics.c.changes + 1))


def _add_rows(units: Units, metric_id: int, rows: Sequence[tuple[tuple[int, int], _Counted]]) -> set[tuple[int, int]]:
    columns = ("slice", "prediction", "source_id", "bin", "value")
    statement = f"""
        INSERT INTO scored_outcomes (metric_id, {", ".join(columns)})
        SELECT :metric_id, {", ".join(f"given.{name}" for name in columns)}
        FROM {units.bulk.source(*columns)} WHERE true
        ON CONFLICT (metric_id, slice, prediction) DO NOTHING RETURNING slice, prediction
    """  # noqa: S608 - the source is ours
    given = units.bulk.parameters(
        slice=[pair[0] for pair, _ in rows],
        prediction=[pair[1] for pair, _ in rows],
        source_id=[counted.source for _, counted in rows],
        bin=[counted.scored.bin for _, counted in rows],
        value=[counted.value for _, counted in rows],
    )
    found = units.connection.execute(text(statement), {"metric_id": metric_id, **given})
    return {(row.slice, row.prediction) for row in found}


def _add_sums(units: Units, metric_id: int, sums: dict[tuple[int, int, int], list[int]]) -> None:
    """In the order of their keys: two writers cannot wait for each other."""
    columns = ("source_id", "slice", "bin", "outcomes", "total", "squares_high", "squares_low")
    added = ", ".join(f"{name} = score_credits.{name} + excluded.{name}" for name in columns[3:])
    statement = f"""
        INSERT INTO score_credits (metric_id, {", ".join(columns)})
        SELECT :metric_id, {", ".join(f"given.{name}" for name in columns)}
        FROM {units.bulk.source(*columns)} WHERE true
        ON CONFLICT (source_id, metric_id, slice, bin) DO UPDATE SET {added}
    """  # noqa: S608 - the source is ours
    rows = [(*key, count, total, *split_squares(squares)) for key, (count, total, squares) in sorted(sums.items())]
    given = units.bulk.parameters(**dict(zip(columns, map(list, zip(*rows, strict=True)), strict=True)))
    units.connection.execute(text(statement), {"metric_id": metric_id, **given})


def _better(credited: Judgement | None, scored: Judgement) -> Judgement:
    """What is told of an outcome that two books were asked to take: that it counts in one, if it does."""
    if credited is None:
        return scored
    if scored.status is OutcomeStatus.REFUSED:
        return scored if credited.reason == "no-rollout" else credited
    counts = credited.status in {OutcomeStatus.COUNTED, OutcomeStatus.PENDING}
    return credited if counts or credited.status is scored.status else scored

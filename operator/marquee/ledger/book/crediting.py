"""Outcomes: kept once, and credited to the cohort of the unit's first exposure, however late they come.

An outcome whose unit has no exposure yet is kept as pending: predictors buffer, so a fast click overtakes its own
exposure. It is not taken for an exposure: if a predictor lost some, only their converting units would come back, and
the rates of the arm would be wrong.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Final

from marquee.contract.ledger import MetricKind, OutcomeStatus
from marquee.ledger.book.entries import Judgement, Outcome, RolloutKey
from marquee.ledger.book.rollouts import OpenMetric, OpenRollout
from marquee.ledger.book.tally import Tally
from marquee.ledger.book.units import Units

COUNTED: Final = Judgement(OutcomeStatus.COUNTED)
DUPLICATE: Final = Judgement(OutcomeStatus.DUPLICATE)
NO_ROLLOUT: Final = Judgement(
    OutcomeStatus.REFUSED,
    "no-rollout",
    "the prediction was made outside of a rollout, and no outcome of this name measures the model's performance by its "
    "score: there is nothing to credit",
)
PENDING: Final = Judgement(
    OutcomeStatus.PENDING, "exposure-not-seen", "kept; it counts as soon as the unit's exposure arrives"
)


_Changes = dict[int, tuple[int, int]]
"""Sum of a unit before and after, by unit."""


@dataclass(slots=True)
class Item:
    """An outcome on its way into the book."""

    outcome: Outcome
    judgement: Judgement | None = None


def report(units: Units, tally: Tally, rollouts: dict[RolloutKey, OpenRollout], items: Sequence[Item]) -> None:
    """Enter outcomes, and set the judgement of each."""
    groups: dict[tuple[RolloutKey, str], list[Item]] = defaultdict(list)
    for item in items:
        key = item.outcome.rollout
        if key is None:
            item.judgement = NO_ROLLOUT
        elif (refusal := _refusal(rollouts.get(key), key, item.outcome)) is not None:
            item.judgement = refusal
        else:
            groups[key, item.outcome.name].append(item)
    for (key, name), group in sorted(groups.items(), key=lambda entry: entry[0]):
        rollout = rollouts[key]
        metric = rollout.metrics[name]
        enter = _enter_successes if metric.kind is MetricKind.PROPORTION else _enter_values
        _credit(units, tally, rollout, metric, *enter(units, metric, group))


def _refusal(rollout: OpenRollout | None, key: RolloutKey, outcome: Outcome) -> Judgement | None:
    if rollout is None:
        return refused("rollout-unknown", f"the ledger knows no rollout {key}")
    if rollout.closed:
        return refused("rollout-closed", f"the rollout {key} is over; its figures do not change any more")
    metric = rollout.metrics.get(outcome.name)
    if metric is None:
        known = ", ".join(sorted(rollout.metrics)) or "none"
        return refused("outcome-unknown", f"{key} has no outcome {outcome.name!r}; it declares: {known}")
    return value_refusal(metric.kind, outcome)


def value_refusal(kind: MetricKind, outcome: Outcome) -> Judgement | None:
    """Why a value cannot be one of that kind; None: it can."""
    if kind is MetricKind.PROPORTION and outcome.value != 1:
        detail = "a proportion's outcome is reported when it happened, with value 1 or none"
        return refused("value-invalid", detail)
    return None


def refused(reason: str, detail: str) -> Judgement:
    """A refusal."""
    return Judgement(OutcomeStatus.REFUSED, reason, detail)


def _enter_successes(units: Units, metric: OpenMetric, group: Iterable[Item]) -> tuple[_Changes, list[Item]]:
    """The first success of each unit; changes by unit as (before, after), and the items behind them."""
    first: dict[int, Item] = {}
    for item in group:
        if first.setdefault(item.outcome.unit, item) is not item:
            item.judgement = DUPLICATE
    fresh = units.add_successes(metric.id, sorted(first))
    for unit, item in first.items():
        item.judgement = COUNTED if unit in fresh else DUPLICATE
    return dict.fromkeys(sorted(fresh), (0, 1)), [first[unit] for unit in fresh]


def _enter_values(units: Units, metric: OpenMetric, group: Iterable[Item]) -> tuple[_Changes, list[Item]]:
    """The first value of each prediction, added to its unit's sum up to the cap."""
    first: dict[tuple[int, int], Item] = {}
    for item in group:
        if first.setdefault((item.outcome.unit, item.outcome.prediction), item) is not item:
            item.judgement = DUPLICATE
    values = {pair: scaled(item.outcome.value, metric) for pair, item in first.items()}
    fresh = units.add_outcomes(metric.id, [(*pair, values[pair]) for pair in sorted(first)])
    added: defaultdict[int, int] = defaultdict(int)
    for pair, item in first.items():
        item.judgement = COUNTED if pair in fresh else DUPLICATE
        if pair in fresh:
            added[pair[0]] += values[pair]
    if not added:
        return {}, []
    known = units.values(metric.id, sorted(added))
    before = {unit: known.get(unit, 0) for unit in sorted(added)}
    changes = {unit: (total, min(total + added[unit], metric.cap)) for unit, total in before.items()}
    units.set_values(metric.id, {unit: after for unit, (_, after) in changes.items()})
    return changes, [first[pair] for pair in fresh]


def _credit(
    units: Units,
    tally: Tally,
    rollout: OpenRollout,
    metric: OpenMetric,
    changes: _Changes,
    items: Iterable[Item],
) -> None:
    """Add the changes of exposed units to the integers; remember the others."""
    if not changes:
        return
    places = units.places(rollout.id, list(changes))
    for unit, (before, after) in changes.items():
        if unit in places:
            tally.credit(metric.id, places[unit], before=before, after=after)
    waiting = changes.keys() - places.keys()
    if waiting:
        units.add_pending(rollout.id, waiting)
    for item in items:
        if item.outcome.unit in waiting:
            item.judgement = PENDING


def scaled(value: Decimal, metric: OpenMetric) -> int:
    """A value in the metric's smallest unit, at most its cap; halves go to the even neighbour."""
    exact = value.scaleb(metric.decimals)
    return metric.cap if exact >= metric.cap else int(exact.to_integral_value(ROUND_HALF_EVEN))

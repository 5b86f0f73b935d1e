"""Figures of the suite from the results of its groups."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from statistics import NormalDist
from typing import Final

from marquee.evidence.forecasting import outcomes_to_verdict
from tests.bench.canary.grid import ALPHA, BASE_RATE, LOSSES, MARGIN, NULL, RATIOS, WEIGHTS, step_at
from tests.bench.canary.measuring import HARM, Result
from tests.bench.canary.replaying import largest_differences, verdicts_without_data
from tests.bench.canary.tuning import Tuned
from tests.bench.report import Goal

GOALS: Final = {
    "false_rollback_worst_cell": Goal("<=", 0.0565),
    "false_promote_worst_cell": Goal("<=", 0.0565),
    "minutes_to_rollback_50": Goal("<=", 10),
    "minutes_to_rollback_20": Goal("<=", 40),
    "minutes_to_rollback_10": Goal("<=", 120),
    "bad_exposure_over_fixed_horizon": Goal("<=", 0.25),
    "srm_found_before_verdict": Goal(">=", 0.99),
    "srm_found_before_promotion": Goal(">=", 0.99),
    "verdicts_without_data": Goal("<=", 0),
    "replay_max_abs_diff": Goal("<=", 1e-9),
    "vectorised_max_abs_diff": Goal("<=", 1e-9),
}
NO_WORSE: Final = [index for index, ratio in enumerate(RATIOS) if ratio >= 1]
BEYOND_MARGIN: Final = [index for index, ratio in enumerate(RATIOS) if ratio <= 1 - MARGIN]
TIMED_PER_MINUTE: Final = 2_000
POWER: Final = 0.8

Fractions = Callable[[Result], tuple[float, ...]]
_RULES: Final[Mapping[str, Fractions]] = {
    "threshold": lambda result: result.threshold,
    "argo": lambda result: result.argo,
    "flagger": lambda result: result.flagger,
}


def figures(results: Sequence[Result], rules: Mapping[int, Sequence[Tuned]], minutes: int) -> dict[str, float]:
    """By the keys of the report; a median that more than half of the runs did not reach is left out."""
    found = {
        "false_rollback_worst_cell": _worst(results, NO_WORSE, lambda result: result.rolled_back),
        "false_rollback_random_looks": _worst(results, NO_WORSE, lambda result: result.rolled_back_random),
        "false_promote_worst_cell": _worst(results, BEYOND_MARGIN, lambda result: result.promoted),
        **_of_times(results),
        **_of_splits(results),
        "verdicts_without_data": verdicts_without_data(),
        **_of_replays(results),
        **_of_other_rules(results),
        **_of_tuned(rules[TIMED_PER_MINUTE]),
        "horizon_minutes": minutes,
    }
    return {key: value for key, value in found.items() if math.isfinite(value)}


def worst_cells(results: Sequence[Result], runs: int) -> Iterator[str]:
    """Where the worst cells are, with 1.96 standard errors of a fraction of so many runs."""
    kinds: tuple[tuple[str, Sequence[int], Fractions], ...] = (
        ("rollback", NO_WORSE, lambda result: result.rolled_back),
        ("promotion", BEYOND_MARGIN, lambda result: result.promoted),
    )
    for name, ratios, of in kinds:
        result, index = max(((result, i) for result in results for i in ratios), key=lambda cell: of(cell[0])[cell[1]])
        error = of(result)[index]
        margin = 1.96 * math.sqrt(error * (1 - error) / runs)
        yield f"false {name}, worst cell: {error:.4f} +- {margin:.4f} in {result.group.name}, ratio {RATIOS[index]}"


def _of_times(results: Sequence[Result]) -> dict[str, float]:
    plain = next(result for result in results if result.group.plain and result.group.per_minute == TIMED_PER_MINUTE)
    bad = {loss: plain.canary_exposures[index] / fixed_horizon_exposures() for loss, index in LOSSES.items()}
    return {
        **{f"minutes_to_rollback_{loss}": plain.median_minutes[index] for loss, index in LOSSES.items()},
        "bad_exposure_over_fixed_horizon": sum(bad.values()) / len(bad),
        **{f"bad_exposure_over_fixed_horizon_{loss}": part for loss, part in bad.items()},
        "promoted_equal_within_horizon": plain.promoted[NULL],
        **{
            f"forecast_over_median_{loss}": forecast_minutes(index) / plain.median_minutes[index]
            for loss, index in LOSSES.items()
        },
    }


def _of_splits(results: Sequence[Result]) -> dict[str, float]:
    orders = [order for result in results if result.group.share_factor == 1.2 for order in result.alarms_first]
    verdicts, promotions = sum(order.verdicts for order in orders), sum(order.promotions for order in orders)
    return {
        "srm_found_before_verdict": _ratio(sum(order.verdicts_after_alarm for order in orders), verdicts),
        "srm_found_before_promotion": _ratio(sum(order.promotions_after_alarm for order in orders), promotions),
        "srm_false_alarm_worst_cell": max(result.alarmed for result in results if result.group.share_factor == 1),
    }


def _of_replays(results: Sequence[Result]) -> dict[str, float]:
    differences = largest_differences(sample for result in results for sample in result.samples)
    return {
        "replay_max_abs_diff": differences.replayed,
        "vectorised_max_abs_diff": differences.vectorised,
        "vectorised_split_max_abs_diff": differences.split,
    }


def _of_other_rules(results: Sequence[Result]) -> dict[str, float]:
    """Worst cells of equal versions. The plain keys leave out delays and wrong splits, which those rules were not made
    for; ``_whole_grid`` are all the cells that the e-values are held to.
    """
    fair = [result for result in results if result.group.delay_minutes == 0 and result.group.share_factor == 1]
    busy = [result for result in fair if result.group.per_minute == max(group.group.per_minute for group in fair)]
    return {
        f"{name}_rule_false_rollback{suffix}": _worst(cells, [NULL], of)
        for name, of in _RULES.items()
        for suffix, cells in (("", fair), ("_20k", busy), ("_whole_grid", results))
    }


def _of_tuned(rules: Sequence[Tuned]) -> dict[str, float]:
    """Of the rule that is best over all losses, and of the one that would be best if the loss were known."""
    return {
        **{f"threshold_minutes_to_rollback_{loss}": rules[0].medians[loss] for loss in LOSSES},
        **{f"threshold_minutes_if_loss_known_{loss}": min(rule.medians[loss] for rule in rules) for loss in LOSSES},
    }


def fixed_horizon_exposures() -> float:
    """Canary exposures of a z-test with a fixed end on the same ramp, planned for the smallest loss that matters:
    one-sided alpha, 80 percent power at the margin. It has to run to its end, whatever the loss is.
    """
    normal = NormalDist()
    delta = math.log(1 - MARGIN)
    needed = ((normal.inv_cdf(1 - ALPHA) + normal.inv_cdf(POWER)) / delta) ** 2
    seen, exposed, minute = 0.0, 0.0, 0
    while seen < needed:
        share = WEIGHTS[step_at(minute)] / 100
        seen += TIMED_PER_MINUTE * BASE_RATE * share * (1 - share)
        exposed += TIMED_PER_MINUTE * share
        minute += 1
    return exposed


def forecast_minutes(index: int) -> float:
    """The forecast along the ramp: each step adds the part of the way that it covers."""
    delta = math.log(RATIOS[index])
    way, minute = 0.0, 0
    while way < 1:
        share = WEIGHTS[step_at(minute)] / 100
        per_minute = TIMED_PER_MINUTE * BASE_RATE * (1 + share * math.expm1(delta))
        way += per_minute / outcomes_to_verdict(HARM.question, true_delta=delta, share=share, alpha=ALPHA)
        minute += 1
    return minute


def _worst(results: Sequence[Result], ratios: Sequence[int], of: Fractions) -> float:
    return max(of(result)[index] for result in results for index in ratios)


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else math.nan

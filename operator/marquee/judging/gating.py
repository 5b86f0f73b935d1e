"""Whether a candidate may become a revision: the first row that holds of what its run has measured. Pure.

A champion of the pool is a revision that served before. One that is better today than both the candidate and the
serving champion, such as last winter's, is what should serve, and not the candidate.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from marquee.api.retraining import Direction, Gate, GateMetric
from marquee.contract.retraining import Comparison, SliceScores

_ROUNDING: Final = 1e-12
Scored = Mapping[str, float]


class Ruling(StrEnum):
    """What the gate says."""

    TOO_FEW_ROWS = "TooFewRows"
    METRIC_MISSING = "MetricMissing"
    CHAMPION_NOT_COMPARED = "ChampionNotCompared"
    CHAMPION_BETTER = "ChampionBetter"
    WORSE_THAN_CHAMPION = "WorseThanChampion"
    WORSE_THAN_BASELINE = "WorseThanBaseline"
    SLICE_MISSING = "SliceMissing"
    SLICE_WORSE = "SliceWorse"
    GATE_PASSED = "GatePassed"


@dataclass(frozen=True, slots=True)
class GateVerdict:
    """What the gate says of a candidate, and why."""

    ruling: Ruling
    message: str
    """For people: the figures that it follows from."""
    better: str = ""
    """The revision of the pool that is better than both."""

    @property
    def passed(self) -> bool:
        """Whether the candidate becomes a revision."""
        return self.ruling is Ruling.GATE_PASSED


@dataclass(frozen=True, slots=True)
class Contest:
    """Who is compared, by what, and on which figures."""

    gate: Gate
    comparison: Comparison
    champion: str | None
    """The serving revision; None: none serves, and only the baseline is to be beaten."""

    @property
    def champion_scores(self) -> Scored | None:
        """The serving revision's figures."""
        return self.comparison.champions.get(self.champion) if self.champion is not None else None


def judge_candidate(gate: Gate, comparison: Comparison, champion: str | None) -> GateVerdict:
    """The verdict by `TABLE`; the same figures give the same one."""
    contest = Contest(gate, comparison, champion)
    for ruling, _, find in TABLE:
        if (found := find(contest)) is not None:
            better = found if ruling is Ruling.CHAMPION_BETTER else ""
            return GateVerdict(ruling, _champion_better(contest, found) if better else found, better)
    return GateVerdict(Ruling.GATE_PASSED, f"on {comparison.rows:,} rows {_figures(contest)}")


def is_worse(metric: GateMetric, ours: float, theirs: float, by: float) -> bool:
    """Whether our figure is worse than theirs by more than so much."""
    return _exceeds(_gain(metric, theirs, ours), by, ours, theirs)


def _exceeds(value: float, bound: float, *of: float) -> bool:
    """By more than the rounding of a difference of such figures: .8 is worse than .81 by .01, and not by more."""
    return value - bound > _ROUNDING * max(map(abs, of))


def _gain(metric: GateMetric, ours: float, theirs: float) -> float:
    return ours - theirs if metric.direction is Direction.HIGHER_IS_BETTER else theirs - ours


def _too_few(contest: Contest) -> str | None:
    rows, needed = contest.comparison.rows, contest.gate.minimum_rows
    return f"{rows:,} rows were compared, and gate.minimumRows is {needed:,}" if rows < needed else None


def _missing(contest: Contest) -> str | None:
    found = contest.comparison
    told: list[tuple[str, Scored]] = [("the candidate", found.challenger)]
    told += [(f"champion {name}", scores) for name, scores in found.champions.items() if name == contest.champion]
    told += [("the baseline", found.baseline)] if found.baseline is not None else []
    for metric in contest.gate.metrics:
        if found.baseline is None and metric.baseline_margin is not None:
            return f"the run tells nothing of a baseline, and metric {metric.name} has a baselineMargin"
        for who, scores in told:
            if metric.name not in scores:
                return f"the run does not tell metric {metric.name} of {who}; it tells {', '.join(sorted(scores))}"
    return None


def _not_compared(contest: Contest) -> str | None:
    if contest.champion is None or contest.champion_scores is not None:
        return None
    told = ", ".join(sorted(contest.comparison.champions)) or "none"
    return f"revision {contest.champion} serves, and the run has compared its candidate with {told}"


def _better_of_the_pool(contest: Contest) -> str | None:
    first, serving = contest.gate.metrics[0], contest.champion_scores
    if serving is None:
        return None
    beaten = (contest.comparison.challenger, serving)
    better = [
        (name, scores)
        for name, scores in contest.comparison.champions.items()
        if name != contest.champion and all(_beats(contest.gate.metrics, scores, other) for other in beaten)
    ]
    if not better:
        return None
    return max(better, key=lambda found: (_gain(first, found[1][first.name], 0), found[0]))[0]


def _beats(metrics: Sequence[GateMetric], ours: Scored, theirs: Scored) -> bool:
    """By more than the margin in the first metric, and not worse by more than it in any other."""
    if any(metric.name not in ours for metric in metrics):
        return False
    first, *others = metrics
    gain = _gain(first, ours[first.name], theirs[first.name])
    is_better = _exceeds(gain, first.margin, ours[first.name], theirs[first.name])
    return is_better and not any(is_worse(one, ours[one.name], theirs[one.name], one.margin) for one in others)


def _champion_better(contest: Contest, name: str) -> str:
    first = contest.gate.metrics[0].name
    scores = contest.comparison.champions
    return (
        f"revision {name}, which served before, is better than both: {first} {scores[name][first]:.6g}, the candidate "
        f"{contest.comparison.challenger[first]:.6g}, {contest.champion} {scores[contest.champion or ''][first]:.6g}; "
        f"let it serve again, by spec.revision.name or a label"
    )


def _worse_than_champion(contest: Contest) -> str | None:
    theirs = contest.champion_scores
    if theirs is None:
        return None
    return _first(
        _worse(metric, contest.comparison.challenger, theirs, metric.margin, f"champion {contest.champion}")
        for metric in contest.gate.metrics
    )


def _worse_than_baseline(contest: Contest) -> str | None:
    theirs = contest.comparison.baseline
    if theirs is None:
        return None
    return _first(
        _worse(metric, contest.comparison.challenger, theirs, -(metric.baseline_margin or 0), "the baseline")
        for metric in contest.gate.metrics
    )


def _slice_missing(contest: Contest) -> str | None:
    told = contest.comparison.slices
    for wanted in contest.gate.slices:
        of_input = [one for one in told if one.name.startswith(f"{wanted.input}=")]
        if not of_input:
            return f"the run tells nothing of the values of input {wanted.input}, which gate.slices names"
        for one in of_input:
            if contest.champion_scores is not None and one.rows >= contest.gate.minimum_slice_rows:
                for metric in contest.gate.metrics:
                    if one.champion is None or metric.name not in one.champion or metric.name not in one.challenger:
                        return f"the run does not tell metric {metric.name} of both on {one.name}"
    return None


def _slice_worse(contest: Contest) -> str | None:
    if contest.champion_scores is None:
        return None
    return _first(
        _worse(metric, one.challenger, one.champion, loss, f"the champion on {one.rows:,} rows with {one.name}")
        for one, loss in _slices(contest)
        for metric in contest.gate.metrics
        if one.champion is not None
    )


def _slices(contest: Contest) -> Iterator[tuple[SliceScores, float]]:
    for wanted in contest.gate.slices:
        for one in contest.comparison.slices:
            if one.name.startswith(f"{wanted.input}=") and one.rows >= contest.gate.minimum_slice_rows:
                yield one, wanted.maximal_loss


def _worse(metric: GateMetric, ours: Scored, theirs: Scored, by: float, whom: str) -> str | None:
    if not is_worse(metric, ours[metric.name], theirs[metric.name], by):
        return None
    allowed = f"at most {by:g} worse" if by > 0 else f"at least {-by:g} better" if by < 0 else "at least as good"
    return (
        f"{metric.name} is {ours[metric.name]:.6g}, and {theirs[metric.name]:.6g} of {whom}: it must be {allowed} "
        f"({metric.direction.value})"
    )


def _first(found: Iterator[str | None]) -> str | None:
    return next((one for one in found if one is not None), None)


def _figures(contest: Contest) -> str:
    found = contest.comparison
    others = [(contest.champion or "", contest.champion_scores), ("the baseline", found.baseline)]
    words = []
    for metric in contest.gate.metrics:
        beside = ", ".join(f"{scores[metric.name]:.6g} of {who}" for who, scores in others if scores is not None)
        words.append(f"{metric.name} is {found.challenger[metric.name]:.6g}" + (f" ({beside})" if beside else ""))
    return "; ".join(words)


_Find = Callable[[Contest], str | None]

TABLE: Final[tuple[tuple[Ruling, str, _Find], ...]] = (
    (Ruling.TOO_FEW_ROWS, "fewer rows than gate.minimumRows", _too_few),
    (Ruling.CHAMPION_NOT_COMPARED, "the serving revision is not in the comparison", _not_compared),
    (Ruling.METRIC_MISSING, "a declared metric is not told of one of those who are compared", _missing),
    (Ruling.CHAMPION_BETTER, "a revision of the pool is better than candidate and champion", _better_of_the_pool),
    (Ruling.WORSE_THAN_CHAMPION, "a metric is worse than the champion's by more than its margin", _worse_than_champion),
    (Ruling.WORSE_THAN_BASELINE, "a metric is not better than the baseline's by its margin", _worse_than_baseline),
    (Ruling.SLICE_MISSING, "a declared slice, or its metric, is not told", _slice_missing),
    (Ruling.SLICE_WORSE, "on a slice a metric is worse by more than is borne", _slice_worse),
)
"""Ruling, when it holds in words, what finds it: a message, or the better revision's name. Otherwise it has passed."""

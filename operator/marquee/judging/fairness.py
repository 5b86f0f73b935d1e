"""Whether a revision serves groups of people about as well as one another, by what it tells of itself. Pure.

The gap of a metric between the groups of one input is its largest value less its smallest, among groups with enough
rows. For the rate of a decision that is the demographic parity difference, for a true positive rate the equal
opportunity difference (Hardt, Price & Srebro 2016), as in fairlearn's ``MetricFrame.difference``. What is not told is
not assumed: a revision gets users only by figures.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import isfinite
from typing import Final

from marquee.api.governance import Fairness as Rule
from marquee.api.governance import FairnessSlice
from marquee.api.model_revision import ModelRevision, RevisionSlice
from marquee.api.retraining import Direction
from marquee.judging.disclosure import disclosed

_LEAST_GROUPS: Final = 2
_TOLERANCE: Final = 1e-9
"""Of the figures' own size: 0.9 - 0.8 is no more than 0.1."""
_PLACE: Final = "spec.governance.fairness"


@dataclass(frozen=True, slots=True)
class Group:
    """The rows of one value of an input."""

    name: str
    """``input=value``."""
    rows: int
    value: float
    """Of the metric."""

    @property
    def words(self) -> str:
        """Such as "region=north has 0.81 (1,200 rows)"."""
        return f"{self.name} has {self.value:.4g} ({self.rows:,} rows)"


@dataclass(frozen=True, slots=True)
class Gap:
    """How far the groups of one input are apart."""

    metric: str
    input: str
    groups: int
    lowest: Group
    highest: Group
    maximal: float
    direction: Direction | None

    @property
    def gap(self) -> float:
        """The largest value less the smallest."""
        return self.highest.value - self.lowest.value

    @property
    def exceeded(self) -> bool:
        """They are further apart than they may be."""
        size = max(abs(self.highest.value), abs(self.lowest.value), 1.0)
        return self.gap > self.maximal + _TOLERANCE * size

    @property
    def words(self) -> str:
        """The figures."""
        ends = (self.lowest, self.highest) if self.direction is not Direction.LOWER_IS_BETTER else (
            self.highest, self.lowest)  # fmt: skip
        worse = ", and is served worse;" if self.direction is not None else ","
        return f"{self.metric} of {self.input}: {ends[0].words}{worse} {ends[1].words}: a gap of {self.gap:.4g}"


@dataclass(frozen=True, slots=True)
class Fairness:
    """What a revision has shown of each input."""

    revision: str
    gaps: tuple[Gap, ...]
    untold: tuple[str, ...]
    """Of each input that cannot be compared, why."""

    @property
    def missing(self) -> bool:
        """There is an input that cannot be compared."""
        return bool(self.untold)

    @property
    def exceeded(self) -> bool:
        """All can be compared, and groups of one are too far apart."""
        return not self.untold and any(one.exceeded for one in self.gaps)

    @property
    def words(self) -> str:
        """What is wrong, with figures, and what to do; empty when nothing is."""
        if self.untold:
            return (
                f"{'; '.join(self.untold)}; publish revision {self.revision} anew, under another name, with its "
                "spec.slices"
            )
        far = [one for one in self.gaps if one.exceeded]
        if not far:
            return ""
        told = "; ".join(f"{one.words}, and {_PLACE} allows {one.maximal:.4g}" for one in far)
        return f"{told}; name a revision whose groups are closer, or change the rule, which voids approvals"


def fairness_of(rule: Rule, revision: ModelRevision) -> Fairness:
    """What the revision's slices show by the rule."""
    gaps, untold = [], []
    for part in rule.slices:
        told = list(_groups(revision.spec.slices, part.input, rule.metric))
        groups = sorted((one for one in told if one.rows >= rule.minimum_rows), key=lambda one: (one.value, one.name))
        if len(groups) < _LEAST_GROUPS:
            untold.append(_untold(rule, part, told, groups))
            continue
        gaps.append(
            Gap(
                metric=rule.metric,
                input=part.input,
                groups=len(groups),
                lowest=groups[0],
                highest=groups[-1],
                maximal=part.maximal_gap,
                direction=rule.direction,
            )
        )
    return Fairness(revision.metadata.name, tuple(gaps), tuple(untold))


def _groups(slices: tuple[RevisionSlice, ...], name: str, metric: str) -> Iterator[Group]:
    """The groups of an input that the metric is told of."""
    for one in slices:
        values = [each.value for each in one.metrics if each.name == metric and isfinite(each.value)]
        if one.name.partition("=")[0] == name and values:
            yield Group(one.name, one.rows, values[0])


def _untold(rule: Rule, part: FairnessSlice, told: list[Group], enough: list[Group]) -> str:
    if not told:
        return f"{rule.metric} is told of no group of {part.input}, and {_PLACE} compares two at least"
    small = [f"{one.name} has {one.rows:,}" for one in told if one not in enough and disclosed(one.rows)]
    rest = f" ({', '.join(small[:3])})" if small else ""
    return (
        f"{rule.metric} is told of {len(enough)} groups of {part.input} with {rule.minimum_rows:,} rows{rest}, and "
        f"{_PLACE} compares two at least"
    )

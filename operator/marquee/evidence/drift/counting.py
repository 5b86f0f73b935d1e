"""What is counted of a feature, and of all features in one window: integers that add up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from marquee.evidence.errors import CountsError


@dataclass(frozen=True, slots=True)
class Histogram:
    """Counts of one feature (or of the score) over immutable bins."""

    bins: tuple[int, ...]
    """A number's ranges in rising order: below the smallest reference value, between edges, above the largest. Or
    categories in the order of the profile, and the rest of the known ones last."""
    missing: int = 0
    """Null or NaN."""
    wrong: int = 0
    """Values that validation refused: of another type, or outside of the field's bounds."""
    unseen: int = 0
    """Values of no known category. What they were is counted nowhere."""
    ordered: bool = True
    """Whether the bins are a number's ranges."""

    def __post_init__(self) -> None:
        if not self.bins:
            raise CountsError("bins", "are none", "count over the edges of the artifact's profile")
        if min(*self.bins, self.missing, self.wrong, self.unseen, 0) < 0:
            raise CountsError("bins", "hold a negative count", "counters only grow: read them again")

    @property
    def valid(self) -> int:
        """Values that lie in a bin."""
        return sum(self.bins)

    @property
    def rows(self) -> int:
        """All values."""
        return self.valid + self.missing + self.wrong + self.unseen

    def __add__(self, other: Histogram) -> Histogram:
        """Counts of both. Raises `CountsError` where they were not counted over the same bins."""
        if (len(self.bins), self.ordered) != (len(other.bins), other.ordered):
            raise CountsError(
                "bins", f"are {len(self.bins)} here and {len(other.bins)} there", "add only counts over the same edges"
            )
        return Histogram(
            tuple(map(sum, zip(self.bins, other.bins, strict=True))),
            self.missing + other.missing,
            self.wrong + other.wrong,
            self.unseen + other.unseen,
            self.ordered,
        )


@dataclass(frozen=True, slots=True)
class Window:
    """Everything that was counted of a model's revision in one slice of time."""

    start: int
    """Number of the window since some fixed one: neighbours differ by one."""
    label: str
    """Windows of one label are alike: the weekday, or a name of the marketing calendar such as ``sale``."""
    features: Mapping[str, Histogram]
    rows: int
    """Requests, whether valid or not."""

    def __post_init__(self) -> None:
        for name, histogram in self.features.items():
            if histogram.rows > self.rows:
                raise CountsError(
                    f"features.{name}", f"{histogram.rows} values in {self.rows} rows", "read the counters again"
                )


def total(histograms: Iterable[Histogram]) -> Histogram:
    """The sum of one or more. Raises `CountsError` for none, or for different bins."""
    found: Histogram | None = None
    for histogram in histograms:
        found = histogram if found is None else found + histogram
    if found is None:
        raise CountsError("histograms", "are none", "give at least one")
    return found

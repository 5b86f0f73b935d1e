"""Many rows at once into counters: one search for each column, one count for all of them.

At 60 features a row costs 5 microseconds in batches of 512, where one row alone would cost some hundreds.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from marquee.contract.drift import Block, Layout
from marquee.contract.manifest import CategoryField, CategoryProfile, InputField, Manifest, NumericProfile

Rows = NDArray[np.float64]
"""Shape (rows, fields), as the model gets them; NaN is missing."""
Counters = NDArray[np.int64]
"""Shape (`Layout.size`,)."""
_Places = NDArray[np.intp]


class Bins:
    """The bins of one manifest, ready to count.

    Args:
        manifest: whose profile has features or a score.

    """

    def __init__(self, manifest: Manifest) -> None:
        outputs = [field.name for field in manifest.outputs]
        self.layout = Layout(manifest.profile, outputs[0], traces=True)
        blocks = {block.name: block for block in self.layout.blocks}
        self._columns = [
            _column(field, position, blocks[field.name], manifest.profile.features[field.name])
            for position, field in enumerate(manifest.inputs)
            if field.name in blocks
        ]
        score = manifest.profile.score
        self.score = None if score is None else outputs.index(score.output or outputs[0])
        """Which output is the score."""
        self.score_edges = () if score is None else score.edges
        self._score_edges = None if score is None else np.array(score.edges)
        self.blocks = {field.name: blocks[field.name] for field in manifest.inputs if field.name in blocks}
        """By input."""
        self.others = {
            position: self._other(field, blocks[field.name], manifest.profile.features[field.name])
            for position, field in enumerate(manifest.inputs)
            if field.name in blocks and isinstance(field, CategoryField) and field.other is not None
        }
        """By position of an input that takes unlisted texts: the counters of what stands for them, and of unseen."""

    def count(self, rows: Rows, scores: NDArray[np.float64], counters: Counters) -> None:
        """Add rows and scores to the counters, the number of rows to the first."""
        counters[0] += len(rows)
        found = [column.places(rows[:, column.position]) for column in self._columns] if len(rows) else []
        if self._score_edges is not None and len(scores):
            places = np.searchsorted(self._score_edges, scores, side="right")
            found.append(places + self.layout.blocks[-1].start)
        if found:
            counters += np.bincount(np.concatenate(found), minlength=self.layout.size)

    @staticmethod
    def _other(field: CategoryField, block: Block, profile: object) -> tuple[int, int]:
        assert field.other is not None  # noqa: S101 - as the caller has checked
        assert isinstance(profile, CategoryProfile)  # noqa: S101 - the manifest's own check
        return int(_table(field, block, profile)[field.other]), block.start + block.bins + 2


class _NumberColumn:
    """Places of numbers among edges; a value equal to an edge lies above it."""

    def __init__(self, position: int, block: Block, edges: Sequence[float]) -> None:
        self.position = position
        self._edges = np.array(edges)
        self._start = block.start
        self._missing = block.start + block.bins

    def places(self, values: NDArray[np.float64]) -> _Places:
        """The counter of each value."""
        found: _Places = np.searchsorted(self._edges, values, side="right") + self._start
        if found.max() >= self._missing - 1:  # the last bin, where a search puts NaN too
            found[np.isnan(values)] = self._missing
        return found


class _CategoryColumn:
    """Places of categories by their index."""

    def __init__(self, position: int, block: Block, table: _Places) -> None:
        self.position = position
        self._table = table
        self._missing = block.start + block.bins

    def places(self, values: NDArray[np.float64]) -> _Places:
        """The counter of each value."""
        absent = np.isnan(values)
        found: _Places = self._table[np.where(absent, 0, values).astype(np.intp)]
        found[absent] = self._missing
        return found


def _column(
    field: InputField, position: int, block: Block, profile: NumericProfile | CategoryProfile
) -> _NumberColumn | _CategoryColumn:
    if isinstance(field, CategoryField) and isinstance(profile, CategoryProfile):
        return _CategoryColumn(position, block, _table(field, block, profile))
    assert isinstance(profile, NumericProfile)  # noqa: S101 - the manifest's own check
    return _NumberColumn(position, block, profile.edges)


def _table(field: CategoryField, block: Block, profile: CategoryProfile) -> _Places:
    """The counter by the category's index; categories that the profile does not list share the last bin."""
    listed = {name: block.start + place for place, name in enumerate(sorted(profile.counts))}
    rest = block.start + block.bins - 1
    return np.array([listed.get(category, rest) for category in field.categories], dtype=np.intp)

"""The reference profile of an artifact: what drift is counted over, for as long as the artifact lives.

The edges are fixed once: counts over the same edges add up, whatever replica counted them and in whatever order.
A value equal to an edge lies above it (`bisect.bisect_right`), so that an edge at an atom such as exact 0 starts
the atom's bin, and the next value seen ends it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from marquee.contract.manifest import (
    CategoryField,
    CategoryProfile,
    FeatureProfile,
    InputField,
    NumericProfile,
    ReferenceProfile,
    ScoreProfile,
)

BINS: Final = 20
SCORE_BINS: Final = 100
"""So many that what a score promises can be told from its bins: the area under its curve within 0.001."""
SCORE_HALVINGS: Final = 20
"""Of the widest score bin left: the outermost percentiles are wide, and after a shift many scores lie there."""
MOST_FREQUENT: Final = 50
_ATOM_SHARE: Final = 1 / BINS
"""A single value as frequent as a whole bin gets a bin of its own."""

Numbers = NDArray[np.float64]


def profile_of(fields: Sequence[InputField], rows: Numbers, score: Numbers) -> ReferenceProfile:
    """The profile of a training set.

    Args:
        fields: the fields to profile, one per column of ``rows``.
        rows: shape (rows, fields), encoded as by `models.features.matrix`.
        score: the model's main output for these rows; held out, where the model could learn a row by heart.

    """
    columns: dict[str, FeatureProfile] = {}
    for field, column in zip(fields, rows.T, strict=True):
        columns[field.name] = (
            _category_profile(field, column) if isinstance(field, CategoryField) else numeric_profile(column)
        )
    return ReferenceProfile(rows=len(rows), features=columns, score=score_profile(score))


def numeric_profile(values: Numbers) -> NumericProfile:
    """Counts between quantiles; what lies below the smallest or above the largest value seen has its own bin."""
    present = values[~np.isnan(values)]
    edges = _edges(present)
    counts = np.bincount(np.searchsorted(edges, present, side="right"), minlength=len(edges) + 1)
    return NumericProfile(
        edges=tuple(edges.tolist()), counts=tuple(counts.tolist()), missing=len(values) - len(present)
    )


def score_profile(scores: Numbers) -> ScoreProfile:
    """The same for the model's output: percentiles, as atoms need no bins to be told from what is near them, and the
    middles of the widest ranges between them.
    """
    if len(scores) == 0:
        return ScoreProfile(edges=(0.0,), counts=(0, 0))
    percentiles = np.quantile(scores, np.arange(1, SCORE_BINS) / SCORE_BINS, method="inverted_cdf")
    least, most = scores.min(), scores.max()
    edges = _with_middles(np.unique([least, *percentiles, np.nextafter(most, np.inf)]))
    places = np.searchsorted(edges, scores, side="right")
    counts = np.bincount(places, minlength=len(edges) + 1)
    sums = np.bincount(places, weights=scores, minlength=len(edges) + 1)
    means = np.concatenate([[least], edges[:-1] / 2 + edges[1:] / 2, [most]])
    means[counts > 0] = sums[counts > 0] / counts[counts > 0]
    return ScoreProfile(
        edges=tuple(edges.tolist()),
        counts=tuple(counts.tolist()),
        means=tuple(np.maximum.accumulate(np.clip(means, least, most)).tolist()),
    )


def _with_middles(edges: Numbers) -> Numbers:
    """With the widest range halved, again and again."""
    for _ in range(SCORE_HALVINGS):
        widest = int(np.argmax(np.diff(edges / 2)))
        middle = edges[widest] / 2 + edges[widest + 1] / 2
        if not edges[widest] < middle < edges[widest + 1]:
            break
        edges = np.insert(edges, widest + 1, middle)
    return edges


def _edges(values: Numbers) -> Numbers:
    """Strictly increasing: the range seen, quantiles, and both ends of each atom."""
    if len(values) == 0:
        return np.zeros(1)
    quantiles = np.quantile(values, np.arange(1, BINS) / BINS, method="inverted_cdf")
    distinct, counts = np.unique(values, return_counts=True)
    is_atom = counts >= _ATOM_SHARE * len(values)
    follows_atom = np.append(False, is_atom[:-1])
    beyond = np.nextafter(distinct[-1:], np.inf)
    return np.unique(np.concatenate([distinct[:1], quantiles, distinct[is_atom | follows_atom], beyond]))


def _category_profile(field: CategoryField, indexes: Numbers) -> CategoryProfile:
    present = indexes[~np.isnan(indexes)].astype(int)
    frequent = Counter(present.tolist()).most_common(MOST_FREQUENT)
    counts = {field.categories[index]: count for index, count in sorted(frequent)}
    return CategoryProfile(
        counts=counts, other=len(present) - sum(counts.values()), missing=len(indexes) - len(present)
    )

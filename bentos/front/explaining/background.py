"""What is usual: made-up rows, drawn input by input from the manifest's reference profile. No row is anybody's.

Drawn apart from one another, inputs lose what they have to do with each other. That is what interventional Shapley
values ask for (Janzing, Minorics, Bloebaum 2020), and it makes rows that no person has to be protected in.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from bentos.front.schema import Rows
from marquee.contract.manifest import CategoryField, CategoryProfile, InputField, Manifest, NumberField, NumericProfile

BACKGROUND_ROWS: Final = 64
_SEED: Final = 20_140_101
"""Fixed: the same question has the same answer in every pod of a revision."""

_Weighted = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Values and how often each is there."""


def background_rows(manifest: Manifest, example: Rows, *, rows: int = BACKGROUND_ROWS, missing: bool = True) -> Rows:
    """Usual rows, shape (rows, inputs).

    Each input takes the quantiles of its profile, in an order of its own. One without a profile, or whose profile has
    counted nothing, keeps the example's value.

    Args:
        manifest: with the profile.
        example: the manifest's, shape (1, inputs).
        rows: how many.
        missing: whether a nullable input may be missing, as it was in the data.

    """
    background = np.repeat(example, rows, axis=0)
    for position, field in enumerate(manifest.inputs):
        # one generator an input: another input more or less changes no other column
        order = np.random.default_rng((_SEED, position)).permutation(rows)
        found = _values(field, manifest.profile.features.get(field.name), missing=missing)
        if found is not None:
            background[order, position] = _quantiles(*found, rows)
    return background


def _quantiles(values: NDArray[np.float64], weights: NDArray[np.float64], rows: int) -> NDArray[np.float64]:
    places = (np.arange(rows) + 0.5) / rows * weights.sum()
    found: NDArray[np.float64] = values[np.searchsorted(np.cumsum(weights), places)]
    return found


def _values(field: InputField, profile: NumericProfile | CategoryProfile | None, *, missing: bool) -> _Weighted | None:
    """The values of an input with their counts; None where nothing was counted."""
    if isinstance(field, CategoryField) and isinstance(profile, CategoryProfile):
        pairs = _categories(field, profile)
    elif isinstance(field, NumberField) and isinstance(profile, NumericProfile):
        pairs = list(zip(_middles(field, profile), profile.counts, strict=True))
    else:
        return None
    if missing and field.nullable and profile.missing:
        pairs.append((np.nan, profile.missing))
    kept = np.array([pair for pair in pairs if pair[1] > 0], dtype=np.float64)
    return (kept[:, 0], kept[:, 1]) if len(kept) else None


def _middles(field: NumberField, profile: NumericProfile) -> list[float]:
    """The middle of each bin; the outer ones have but one edge, and are taken there."""
    edges = np.array(profile.edges)
    middles = np.concatenate([edges[:1], edges[:-1] + (edges[1:] - edges[:-1]) / 2, edges[-1:]])
    if field.kind == "integer":
        middles = np.rint(middles)
    low = -np.inf if field.minimum is None else field.minimum
    high = np.inf if field.maximum is None else field.maximum
    return list(np.clip(middles, low, high))


def _categories(field: CategoryField, profile: CategoryProfile) -> list[tuple[float, int]]:
    """Indexes of the listed categories; the others are counted as one that the profile does not list."""
    pairs = [
        (float(index), profile.counts[category])
        for index, category in enumerate(field.categories)
        if category in profile.counts
    ]
    unlisted = (index for index, category in enumerate(field.categories) if category not in profile.counts)
    rest = field.other if field.other is not None else next(unlisted, None)
    if rest is not None and profile.other:
        pairs.append((float(rest), profile.other))
    return pairs

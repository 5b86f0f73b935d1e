"""Which slices are told when there are more than fit."""

from __future__ import annotations

import numpy as np

from marquee.contract.manifest import CategoryField, NumberField
from marquee.contract.retraining import MAX_SLICES
from models.retraining.measures import slices

FIELDS = (
    CategoryField(name="region", categories=tuple("abcdefghij")),
    NumberField(name="town", kind="integer", minimum=0, maximum=99, nullable=True),
)


def test_each_input_is_among_the_first() -> None:
    """Ten regions of a hundred rows each do not crowd out a hundred towns of ten: the gate asks for both."""
    numbers = np.arange(1_000)
    rows = np.column_stack([numbers % 10, numbers // 10]).astype(float)
    rows[:7, 1] = np.nan
    names = [name for name, _ in slices(("region", "town"), FIELDS, rows)]
    assert names[:MAX_SLICES] == ["region=a", "town=1", *(f"region={letter}" for letter in "bcdefg")]
    assert len(names) == 10 + 100 + 1
    assert slices(("region",), FIELDS, rows[:0]) == []

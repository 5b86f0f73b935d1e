"""The declared inputs of lead scoring against the data set and its dictionary."""

from __future__ import annotations

import numpy as np

from marquee.contract.manifest import CategoryField, NumberField
from models.features import matrix
from models.lead_scoring.features import model_rows
from models.lead_scoring.schema import CATEGORY_COLUMNS, FIELDS
from models.lead_scoring.training import typical_record
from tests.support.training import caravan_data


def test_the_fields_are_the_columns_of_the_file() -> None:
    """In the same order, which is the order of the graph's input."""
    assert tuple(field.name for field in FIELDS) == caravan_data().names


def test_every_customer_is_within_the_documented_ranges() -> None:
    """No row of the data set is refused; a category's index is its code less one."""
    data = caravan_data()
    rows = model_rows(data)
    assert np.array_equal(rows[:, 0], data.values[:, 0] - 1)
    numbers = [column for column in range(85) if column not in CATEGORY_COLUMNS]
    assert np.array_equal(rows[:, numbers], data.values[:, numbers])


def test_ranges_are_those_of_the_dictionary_and_not_of_the_sample() -> None:
    """A code that no customer of the sample has is accepted: subtype 14 does not occur in the data."""
    subtype, policies = FIELDS[0], next(field for field in FIELDS if field.name == "APERSAUT")
    assert isinstance(subtype, CategoryField)
    assert len(subtype.categories) == 41
    assert isinstance(policies, NumberField)
    assert policies.maximum == 12
    assert all(field.description for field in FIELDS)


def test_the_example_is_a_valid_row_and_no_customer() -> None:
    """It goes into every artifact, so it must be nobody's data."""
    data = caravan_data()
    rows = model_rows(data)
    example = matrix(FIELDS, [typical_record(rows)])
    assert example.shape == (1, 85)
    assert not (rows == example).all(axis=1).any()

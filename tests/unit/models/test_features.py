"""Named values to numbers: the same reading in training and in the front."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from bentos.front.schema import Schema
from marquee.contract.manifest import CategoryField, InputField, NumberField
from models.customer_value.schema import INPUTS
from models.features import matrix
from models.lead_scoring.features import model_rows, records
from models.lead_scoring.schema import FIELDS
from tests.support.training import caravan_data

MIXED: tuple[InputField, ...] = (
    NumberField(name="age", kind="integer", minimum=0, maximum=120),
    NumberField(name="spend", nullable=True),
    CategoryField(name="channel", categories=("mail", "web"), other=1, nullable=True),
    CategoryField(name="country", categories=("DE", "AT")),
)


def test_training_and_front_read_every_caravan_customer_alike() -> None:
    """Each customer as JSON gives, through the front's compiled schema, the row that training used."""
    data = caravan_data()
    rows = model_rows(data)
    schema = Schema(FIELDS, largest=float(np.finfo(np.float32).max))
    bodies = json.loads(json.dumps(records(data)[::7]))
    assert np.array_equal(np.vstack([schema.encode(body) for body in bodies]), rows[::7])


def test_null_other_and_categories_become_numbers() -> None:
    """Null is NaN, a category its index, an unlisted one the field's ``other``."""
    rows = matrix(MIXED, [{"age": 40, "spend": None, "channel": "fax", "country": "AT"}])
    assert rows.shape == (1, 4)
    assert rows[0, 0] == 40
    assert math.isnan(rows[0, 1])
    assert rows[0, 2:].tolist() == [1.0, 1.0]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"age": 121}, "age"),
        ({"age": 1.5}, "age"),
        ({"age": True}, "age"),
        ({"age": None}, "age"),
        ({"spend": math.nan}, "spend"),
        ({"spend": "12"}, "spend"),
        ({"country": "FR"}, "country"),
        ({"country": None}, "country"),
        ({"channel": 3}, "channel"),
    ],
    ids=str,
)
def test_a_value_that_its_field_does_not_take_is_refused(change: dict[str, object], named: str) -> None:
    """Training refuses what the front would refuse, and names the field."""
    record = {"age": 40, "spend": 1.0, "channel": "web", "country": "DE"} | change
    with pytest.raises(ValueError, match=f"^{named}: "):
        matrix(MIXED, [record])


def test_every_field_of_customer_value_has_bounds() -> None:
    """Without bounds a request could ask for a series that never ends."""
    assert all(isinstance(field, NumberField) and field.maximum is not None for field in INPUTS)

"""The closed formulas: against the published equations with scipy's functions, and at their limits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import hyp2f1

from models.customer_value.formulas import (
    PurchaseModel,
    SeriesError,
    SpendModel,
    expected_purchases,
    expected_value,
    hypergeometric,
    probability_alive,
)

SAMPLE = PurchaseModel(r=0.243, alpha=4.414, a=0.793, b=2.426)
SPEND = SpendModel(p=6.25, q=3.74, gamma=15.44)


def column(*values: float) -> np.ndarray:
    return np.array(values, dtype=float)


def published(model: PurchaseModel, t: np.ndarray, x: np.ndarray, tx: np.ndarray, age: np.ndarray) -> np.ndarray:
    """Equation 10 of Fader, Hardie and Lee (2005), letter by letter."""
    r, alpha, a, b = model.r, model.alpha, model.a, model.b
    z = t / (alpha + age + t)
    first = (a + b + x - 1) / (a - 1)
    second = 1 - ((alpha + age) / (alpha + age + t)) ** (r + x) * hyp2f1(r + x, b + x, a + b + x - 1, z)
    ratio = ((alpha + age) / (alpha + tx)) ** (r + x)
    return np.asarray(first * second / (1 + np.where(x > 0, a / (b + np.maximum(x, 1) - 1) * ratio, 0)))


def test_the_series_agrees_with_scipy() -> None:
    """Over the range that expected purchases need: small first parameters, c from 1 up, z up to .97."""
    random = np.random.default_rng(0)
    for a, b in ((1.976, -0.207), (2.5, 0.4), (0.3, 1.7), (-0.6, -0.3)):
        c, z = random.uniform(1, 300, 500), random.uniform(0, 0.97, 500)
        assert hypergeometric(a, b, c, z) == pytest.approx(hyp2f1(a, b, c, z), rel=1e-12)


def test_the_series_refuses_to_run_for_ever() -> None:
    """A z beyond reach is an error; z = 0 and no rows are not."""
    with pytest.raises(SeriesError, match="terms"):
        hypergeometric(1.0, 1.0, column(2), column(1 - 1e-9))
    assert hypergeometric(1.0, 1.0, column(2), column(0)).tolist() == [1]
    assert len(hypergeometric(1.0, 1.0, column(), column())) == 0


def test_many_rows_are_computed_in_blocks() -> None:
    """More rows than fit one block give the same numbers as one by one."""
    z = np.linspace(0, 0.96, 3_000)
    whole = hypergeometric(1.9, -0.2, np.full(3_000, 2.2), z)
    assert whole[[0, 1_500, 2_999]] == pytest.approx(hyp2f1(1.9, -0.2, 2.2, z[[0, 1_500, 2_999]]), rel=1e-12)


@given(
    st.integers(0, 40),
    st.floats(0, 1),
    st.floats(0, 80),
    st.floats(1, 104),
    st.sampled_from([SAMPLE, PurchaseModel(r=0.27, alpha=6, a=0.48, b=2.1), PurchaseModel(r=2, alpha=9, a=1.6, b=4)]),
)
def test_expected_purchases_are_those_of_the_published_equation(
    x: int, share: float, age: float, weeks: float, model: PurchaseModel
) -> None:
    """Euler's transformation changes the digits, not the number."""
    row = column(weeks), column(x), column(share * age), column(age)
    assert expected_purchases(model, *row) == pytest.approx(published(model, *row), rel=1e-8, abs=1e-10)


@given(
    st.integers(0, 10_000),
    st.floats(0, 1_040),
    st.floats(0, 1_040),
    st.floats(1, 104),
    st.floats(0, 100_000),
)
def test_every_row_within_the_bounds_of_the_schema_has_finite_numbers(
    x: int, recency: float, age: float, weeks: float, value: float
) -> None:
    """No input that the front lets through can give NaN or infinity, nor a probability outside of 0 to 1."""
    recency = min(recency, age)
    alive = probability_alive(SAMPLE, column(x), column(recency), column(age))
    count = expected_purchases(SAMPLE, column(weeks), column(x), column(recency), column(age))
    worth = expected_value(SPEND, column(x), column(value))
    assert 0 <= alive[0] <= 1
    assert np.isfinite(count[0])
    assert count[0] >= 0
    assert np.isfinite(worth[0])


def test_who_never_came_back_is_alive_by_definition() -> None:
    """The model's known property: dropout happens after repeat purchases only."""
    assert probability_alive(SAMPLE, column(0), column(0), column(38)).tolist() == [1]


def test_a_long_silence_kills() -> None:
    """Seven purchases early and then nothing is worse than seven spread out."""
    alive = probability_alive(SAMPLE, column(7, 7), column(8, 37), column(38, 38))
    assert alive[0] < 0.05
    assert alive[1] > 0.85


def test_a_longer_horizon_expects_more() -> None:
    """Expected purchases grow with the weeks, and each week adds less than the one before."""
    weeks = np.linspace(1, 104, 60)
    count = expected_purchases(SAMPLE, weeks, *(np.full(60, value) for value in (3.0, 20.0, 38.0)))
    steps = np.diff(count)
    assert (steps > 0).all()
    assert (np.diff(steps) < 0).all()


def test_nothing_breaks_where_the_equation_divides_by_zero() -> None:
    """At a = 1 the value is the limit from both sides."""
    row = column(39), column(2), column(20), column(38)
    at, near = (expected_purchases(PurchaseModel(0.243, 4.414, a, 2.426), *row)[0] for a in (1.0, 1.001))
    assert at == pytest.approx(near, rel=1e-3)


def test_value_shrinks_towards_everybodys() -> None:
    """Without a repeat purchase it is the population's mean p·gamma/(q-1); with many it is the customer's own."""
    population = SPEND.p * SPEND.gamma / (SPEND.q - 1)
    value = expected_value(SPEND, column(0, 1, 10_000), column(0, 100, 100))
    assert value[0] == pytest.approx(population)
    assert population < value[1] < 100
    assert value[2] == pytest.approx(100, rel=1e-3)

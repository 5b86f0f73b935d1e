"""Tails: as scipy has them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from marquee.evidence.drift.distributions import chi_square_quantile, chi_square_tail, student_tail


@given(st.floats(0, 600), st.floats(0.5, 100))
def test_the_tail_of_chi_square(statistic: float, degrees: float) -> None:
    """To ten digits, where doubles have them."""
    expected = stats.chi2.sf(statistic, degrees)
    if expected > 1e-280:
        assert math.isclose(chi_square_tail(statistic, degrees), expected, rel_tol=1e-10)


@given(st.floats(-40, 40), st.floats(1, 500))
def test_the_tail_of_student(statistic: float, degrees: float) -> None:
    """Both sides; scipy itself is off by 3e-9 next to zero."""
    assert math.isclose(student_tail(statistic, degrees), stats.t.sf(statistic, degrees), rel_tol=1e-8)


@pytest.mark.parametrize(
    ("statistic", "degrees", "tail"), [(3.841458820694124, 1, 0.05), (30.14352720564616, 19, 0.05)]
)
def test_tables(statistic: float, degrees: float, tail: float) -> None:
    """The percentiles that every table has."""
    assert chi_square_tail(statistic, degrees) == pytest.approx(tail, rel=1e-12)
    assert chi_square_tail(0, degrees) == 1
    assert student_tail(0, degrees) == 0.5


@pytest.mark.parametrize("degrees", [5, 19, 100])
@pytest.mark.parametrize("normal", [-2.37, 0.0, 2.33])
def test_the_quantile_of_chi_square(degrees: int, normal: float) -> None:
    """To a fiftieth of its deviation; and a constant has nothing but 0."""
    expected = stats.chi2.ppf(stats.norm.cdf(normal), degrees)
    assert chi_square_quantile(normal, degrees) == pytest.approx(expected, abs=0.02 * math.sqrt(2 * degrees))
    assert chi_square_quantile(normal, 0) == 0

"""The published figures, computed anew from the real data."""

from __future__ import annotations

import functools

import pytest

from marquee.contract.training import TrainingError, TrainingFailureReason
from models.customer_value.reproduction import PUBLISHED, check, figures
from tests.support.training import cdnow_sample


@functools.cache
def computed() -> dict[str, float]:
    return figures(cdnow_sample())


@pytest.mark.parametrize("name", sorted(PUBLISHED))
def test_a_published_figure_is_reproduced(name: str) -> None:
    """Within half a unit of the last digit that was printed."""
    assert computed()[name] == pytest.approx(PUBLISHED[name].value, abs=PUBLISHED[name].tolerance)


def test_the_export_is_stopped_by_any_figure_that_is_off() -> None:
    """The error names the figure, what it is and what it should be."""
    with pytest.raises(TrainingError, match=r"alpha is 4\.50000, published 4\.414") as caught:
        check({**computed(), "alpha": 4.5})
    assert caught.value.failure.reason is TrainingFailureReason.NOT_REPRODUCED
    check(computed())

"""Reasons of sampled decisions: those of an explanation, within a bounded part of the reporter's time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping

import numpy as np
import pytest

from bentos.front.explaining import reasons
from bentos.front.explaining.beside import Explaining
from bentos.front.explaining.reasons import Reasons
from bentos.front.predictor import Predictor, load_predictor
from bentos.front.settings import Settings
from tests.unit.front.conftest import LEAD, VALID
from tests.unit.front.explaining.test_endpoints import GRAPH, profiled

ROW = np.array([[40.0, 1.0, 2.0, 1.0, 0.0]])


@pytest.fixture
def predictor(settings: Callable[..., Settings]) -> Predictor:
    return load_predictor(settings(inputs=LEAD, example=VALID, files={"model.onnx": GRAPH}, change=profiled))


def in_another_thread(asked: Reasons, times: int = 1) -> list[Mapping[str, float]]:
    """As the reporter asks, while the event loop runs."""
    return [asked(ROW) for _ in range(times)]


async def test_they_are_those_of_the_explanation(predictor: Predictor) -> None:
    """By input, those that have contributed something."""
    explaining = Explaining(predictor)
    asked = Reasons(explaining, asyncio.get_running_loop())
    (found,) = await asyncio.to_thread(in_another_thread, asked)
    (explanation,) = await explaining.explain(ROW)
    assert found == {name: value for name, value in explanation.attributions.items() if value}
    assert found


async def test_a_tenth_of_the_time_is_enough(predictor: Predictor) -> None:
    """Once it is used up, decisions have no reasons until more time has passed."""
    now = [0.0]

    def clock() -> float:
        now[0] += 1.0
        return now[0]

    asked = Reasons(Explaining(predictor), asyncio.get_running_loop(), clock=clock)
    found = await asyncio.to_thread(in_another_thread, asked, 8)
    assert [bool(each) for each in found] == [True, *[False] * 7]
    now[0] += 100.0
    (later,) = await asyncio.to_thread(in_another_thread, asked)
    assert later


async def test_a_slow_model_holds_nobody_up(predictor: Predictor, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one decision fails, its time counts, and the next ones are not tried."""
    monkeypatch.setattr(reasons, "LONGEST_SECONDS", 0.0)
    now = [0.0]

    def clock() -> float:
        now[0] += 1.0
        return now[0]

    asked = Reasons(Explaining(predictor), asyncio.get_running_loop(), clock=clock)
    with pytest.raises(Exception):  # noqa: B017, PT011 - of the wait or of the explanation, whichever ends first
        await asyncio.to_thread(in_another_thread, asked)
    assert await asyncio.to_thread(in_another_thread, asked) == [{}]

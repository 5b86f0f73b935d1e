"""Integrated gradients, with real torch modules behind a class of an artifact."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch

from bentos.front.explaining.beside import Explaining
from bentos.front.explaining.gradients import STEPS, integrated
from bentos.front.predictor import Predictor, load_predictor
from bentos.front.runtimes import ModelOutputError
from bentos.front.settings import Settings
from marquee.contract.manifest import NumberField, PythonRuntime

SOURCE = b"""
import numpy as np
import torch


class Model:
    def __init__(self, folder):
        self.network = torch.nn.Linear(2, 1).double()
        with torch.no_grad():
            self.network.weight[:] = torch.tensor([[2.0, -1.0]])
            self.network.bias[:] = 4.0

    def predict(self, rows):
        with torch.no_grad():
            return {"score": self.network(torch.from_numpy(np.nan_to_num(rows)))[:, 0].numpy()}

    def gradients(self, rows, output):
        inputs = torch.from_numpy(rows).requires_grad_()
        self.network(inputs).sum().backward()
        return inputs.grad.numpy()
"""


@pytest.fixture(autouse=True)
def modules() -> Iterator[None]:
    yield
    sys.modules.pop("model", None)


def profiled(document: dict[str, Any]) -> None:
    bins = {"kind": "number", "edges": [0.0, 2.0], "counts": [0, 10, 0], "missing": 0}
    document["profile"] = {"rows": 10, "features": {"f0": bins}, "score": None}


def load(settings: Callable[..., Settings], source: bytes = SOURCE) -> Predictor:
    return load_predictor(
        settings(
            inputs=(NumberField(name="f0"), NumberField(name="f1", nullable=True)),
            runtime=PythonRuntime(entrypoint="model:Model"),
            files={"model.py": source},
            change=profiled,
        )
    )


async def test_a_torch_module_is_explained_by_its_gradients(settings: Callable[..., Settings]) -> None:
    """A linear one: weight times way from the usual row, which is (1, 1)."""
    (found,) = await Explaining(load(settings)).explain(np.array([[3.0, 5.0]]))
    assert found.method == "integrated-gradients"
    assert found.attributions == {"f0": pytest.approx(4.0), "f1": pytest.approx(-4.0)}
    assert [found.base, found.value] == pytest.approx([5.0, 5.0])
    assert found.error == pytest.approx(0, abs=1e-9)


async def test_a_missing_value_is_explained_without_gradients(settings: Callable[..., Settings]) -> None:
    """There is no way to it; Shapley values need none."""
    (found,) = await Explaining(load(settings)).explain(np.array([[3.0, np.nan]]))
    assert found.method == "shapley-exact"
    assert found.attributions == {"f0": pytest.approx(4.0), "f1": pytest.approx(1.0)}


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [(b"inputs.grad.numpy()[:, :1]", "shape"), (b"inputs.grad.numpy() * np.nan", "NaN"), (b"'no'", "numbers")],
)
async def test_gradients_that_are_none_explain_nothing(
    settings: Callable[..., Settings], answer: bytes, complaint: str
) -> None:
    """A wrong shape, NaN, and no numbers at all."""
    source = SOURCE.replace(b"inputs.grad.numpy()", answer)
    with pytest.raises(ModelOutputError, match=complaint):
        await Explaining(load(settings, source)).explain(np.array([[3.0, 5.0]]))


def test_a_polynomial_is_integrated_exactly() -> None:
    """From (0, 0) to (2, 3), x y^2: a third of the value to x, two thirds to y."""
    network = torch.nn.Identity()

    def value(rows: np.ndarray[Any, np.dtype[np.float64]]) -> np.ndarray[Any, np.dtype[np.float64]]:
        return rows[:, 0] * rows[:, 1] ** 2

    def slopes(rows: np.ndarray[Any, np.dtype[np.float64]]) -> np.ndarray[Any, np.dtype[np.float64]]:
        inputs = network(torch.from_numpy(rows)).requires_grad_()
        (inputs[:, 0] * inputs[:, 1] ** 2).sum().backward()
        assert inputs.grad is not None
        return np.asarray(inputs.grad.numpy())

    found = integrated(np.array([[2.0, 3.0]]), np.zeros((4, 2)), value, slopes, chunk=3)
    assert found.values == pytest.approx([6.0, 12.0])
    assert found.samples == STEPS
    assert found.error == pytest.approx(0, abs=1e-9)


def test_a_bend_is_told_as_an_error() -> None:
    """A step has no gradient to integrate: the error says what is missing, and the sum still adds up with it."""
    found = integrated(
        np.array([[1.0]]),
        np.array([[-1.0]]),
        lambda rows: (rows[:, 0] > 0.3).astype(np.float64),
        np.zeros_like,
        chunk=64,
    )
    assert found.base + found.values.sum() + found.error == found.answer
    assert found.error == 1.0

"""The exported graph: the same numbers as the trained network."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
import torch

from models.lead_scoring.export import PROBABILITY, RUNTIME, Scorer, run_onnx, to_onnx
from models.lead_scoring.schema import FIELDS
from tests.support.networks import quick_network, quick_training


def test_library_torch_and_onnx_agree_on_every_customer() -> None:
    """Parity: features encoded by numpy, the served network in torch, and the graph in onnxruntime."""
    training = quick_training()
    fitted = quick_network()
    by_library = fitted.probability(training.rows)
    with torch.no_grad():
        by_torch = Scorer(fitted)(torch.tensor(training.rows, dtype=torch.float32)).numpy()[:, 0]
    by_graph = run_onnx(to_onnx(fitted), training.rows)
    assert by_torch == pytest.approx(by_library, abs=1e-5)
    assert by_graph == pytest.approx(by_library, abs=1e-5)


def test_agreement_holds_for_values_that_nobody_had() -> None:
    """Random rows over the whole declared ranges, also categories never seen."""
    fitted = quick_network()
    random = np.random.default_rng(0)
    largest = [len(field.categories) - 1 if field.kind == "category" else field.maximum for field in FIELDS]
    rows = np.floor(random.uniform(size=(500, len(FIELDS))) * (np.array(largest, dtype=float) + 1))
    assert run_onnx(to_onnx(fitted), rows) == pytest.approx(fitted.probability(rows), abs=1e-5)


def test_a_row_scores_the_same_alone_and_in_a_batch() -> None:
    """The graph takes any number of rows."""
    training = quick_training()
    fitted = quick_network()
    graph = to_onnx(fitted)
    batch = run_onnx(graph, training.rows[:7])
    assert [run_onnx(graph, training.rows[[row]])[0] for row in range(7)] == pytest.approx(batch, abs=1e-6)


def test_the_graph_has_the_declared_input_and_output() -> None:
    """float32 of (rows, 85) in, float32 of (rows, 1) out, under the manifest's names."""
    fitted = quick_network()
    graph = onnx.load_from_string(to_onnx(fitted)).graph
    (given,), (answer,) = graph.input, graph.output
    assert given.name == RUNTIME.input_name
    assert given.type.tensor_type.shape.dim[0].dim_param == "rows"
    assert given.type.tensor_type.shape.dim[1].dim_value == len(FIELDS)
    assert answer.name == PROBABILITY
    assert answer.type.tensor_type.elem_type == onnx.TensorProto.FLOAT

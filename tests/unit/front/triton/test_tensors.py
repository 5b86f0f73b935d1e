"""Rows to requests and answers to columns, with every answer that is not one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tritonclient.grpc import service_pb2

from bentos.front.runtimes import ModelOutputError
from bentos.front.triton.tensors import Tensors

ROWS = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, np.nan]])
TENSORS = Tensors("churn", "rows", "FP32", [("scores", 1), ("values", 0)])


def response(*tensors: tuple[str, str, list[int], bytes]) -> Any:
    """An answer of named tensors: name, datatype, shape, raw bytes."""
    answer = service_pb2.ModelInferResponse(model_name="churn")
    for name, datatype, shape, raw in tensors:
        answer.outputs.add(name=name, datatype=datatype, shape=shape)
        answer.raw_output_contents.append(raw)
    return answer


def doubles(*values: float) -> bytes:
    return np.array(values, "<f8").tobytes()


SCORES = ("scores", "FP64", [3, 2], doubles(0, 1, 2, 3, 4, 5))


def test_a_request_holds_raw_bytes_of_the_models_type() -> None:
    """Little-endian float32 in rows; only outputs that are used are asked for, each once."""
    request = TENSORS.request(ROWS)
    (tensor,) = request.inputs
    assert (request.model_name, tensor.name, tensor.datatype, list(tensor.shape)) == ("churn", "rows", "FP32", [3, 2])
    assert [output.name for output in request.outputs] == ["scores", "values"]
    np.testing.assert_array_equal(np.frombuffer(request.raw_input_contents[0], "<f4").reshape(3, 2), ROWS)
    assert not tensor.HasField("contents")


@pytest.mark.parametrize("shape", [[3], [3, 1]])
def test_an_answer_becomes_columns_in_the_manifests_order(shape: list[int]) -> None:
    """Any order of tensors, float32 or float64, of shape (rows,) or (rows, columns)."""
    values = ("values", "FP32", shape, np.array([7, 8, 9], "<f4").tobytes())
    first, second = TENSORS.answer(response(values, SCORES), 3)
    np.testing.assert_array_equal(first, [1, 3, 5])
    np.testing.assert_array_equal(second, [7, 8, 9])


@pytest.mark.parametrize(
    ("tensor", "words"),
    [
        (("values", "FP64", [3, 1], b""), "values of shape (3, 1) has 0 bytes"),
        (("values", "FP64", [0, 1], b""), "values has shape (0, 1) for 3 rows"),
        (("values", "FP64", [3, 0], b""), "too few columns"),
        (("values", "FP64", [2, 1], doubles(1, 2)), "values has shape (2, 1) for 3 rows"),
        (("values", "FP64", [3, 1], doubles(1, 2)), "values of shape (3, 1) has 16 bytes"),
        (("values", "FP64", [3, 1, 1], doubles(1, 2, 3)), "values has shape (3, 1, 1)"),
        (("values", "INT64", [3, 1], doubles(1, 2, 3)), "values is INT64; it must be one of FP32, FP64"),
        (("others", "FP64", [3, 1], doubles(1, 2, 3)), "has no output 'values'"),
    ],
)
def test_what_is_no_answer_is_an_error(tensor: tuple[str, str, list[int], bytes], words: str) -> None:
    """An empty or short tensor is never read as a prediction."""
    with pytest.raises(ModelOutputError) as error:
        TENSORS.answer(response(SCORES, tensor), 3)
    assert words in str(error.value)


def test_shapes_without_contents_are_an_error() -> None:
    """Outputs that Triton names but does not send."""
    answer = response(SCORES)
    answer.outputs.add(name="values", datatype="FP64", shape=[3, 1])
    with pytest.raises(ModelOutputError, match="sent 1 of 2 tensors"):
        TENSORS.answer(answer, 3)

"""Rows to a request of Triton's protocol and its answer to columns: raw bytes, checked for their size."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from tritonclient.grpc import service_pb2

from bentos.front.runtimes import Column, ModelOutputError

DATATYPES: Final[dict[str, Any]] = {"FP32": np.dtype("<f4"), "FP64": np.dtype("<f8")}
"""What inputs and outputs may be: little-endian, as the protocol's raw contents are."""


class Tensors:
    """How the tensors of one model are called, typed and read.

    Args:
        model: its name in Triton.
        input_name: of its one input.
        datatype: of that input, of `DATATYPES`.
        columns: for each output of the manifest, Triton's output and the column in it.

    """

    def __init__(self, model: str, input_name: str, datatype: str, columns: Sequence[tuple[str, int]]) -> None:
        self.model = model
        self.input_name = input_name
        self.datatype = datatype
        self.columns = tuple(columns)
        self.outputs = sorted({name for name, _ in columns})

    def raw(self, rows: NDArray[np.float64]) -> bytes:
        """The bytes of rows of shape (rows, inputs)."""
        return rows.astype(DATATYPES[self.datatype]).tobytes()

    def request(self, rows: NDArray[np.float64]) -> Any:
        """A ``ModelInferRequest``."""
        request = service_pb2.ModelInferRequest(model_name=self.model)
        request.inputs.add(name=self.input_name, datatype=self.datatype, shape=rows.shape)
        for name in self.outputs:
            request.outputs.add(name=name)
        request.raw_input_contents.append(self.raw(rows))
        return request

    def answer(self, response: Any, rows: int) -> list[Column]:
        """One array of shape (rows,) per output of the manifest.

        Raises:
            ModelOutputError: an output is missing, empty, of another type or of another size than it says.

        """
        arrays = {}
        sent, said = len(response.raw_output_contents), len(response.outputs)
        if sent != said:
            raise ModelOutputError(f"Triton sent {sent} of {said} tensors")
        for tensor, raw in zip(response.outputs, response.raw_output_contents, strict=True):
            arrays[tensor.name] = _array(tensor, raw, rows)
        try:
            return [arrays[name][:, column] for name, column in self.columns]
        except KeyError as error:
            raise ModelOutputError(f"Triton's answer has no output {error}") from None
        except IndexError as error:
            raise ModelOutputError(f"Triton's answer has too few columns: {error}") from None


def _array(tensor: Any, raw: bytes, rows: int) -> NDArray[np.floating]:
    if tensor.datatype not in DATATYPES:
        raise ModelOutputError(f"output {tensor.name} is {tensor.datatype}; it must be one of {', '.join(DATATYPES)}")
    shape, dtype = tuple(tensor.shape), DATATYPES[tensor.datatype]
    if len(shape) not in (1, 2) or shape[0] != rows:
        raise ModelOutputError(f"output {tensor.name} has shape {shape} for {rows} rows")
    if len(raw) != math.prod(shape) * dtype.itemsize:
        raise ModelOutputError(f"output {tensor.name} of shape {shape} has {len(raw)} bytes")
    return np.frombuffer(raw, dtype).reshape(rows, -1) if raw else np.empty((rows, 0))

"""The fitted network as one ONNX graph from raw input fields to a calibrated probability.

Levels, standardisation and calibration are constants of the graph, so that whoever serves it needs no code of
ours. Standardisation is folded into the first matrix: the graph multiplies indicators of 0 and 1.
"""

from __future__ import annotations

import io
import warnings
from typing import Final

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from marquee.contract.manifest import OnnxRuntime
from models.lead_scoring.network import FittedNetwork
from models.lead_scoring.schema import FIELDS

Numbers = NDArray[np.float64]

PROBABILITY: Final = "probability"
RUNTIME: Final = OnnxRuntime(outputs={PROBABILITY: (PROBABILITY, 0)})
_OPSET: Final = 17


class Scorer(nn.Module):
    """The network as it is served; float32 in and out."""

    ordered_column: Tensor
    ordered_level: Tensor
    category_column: Tensor
    category_level: Tensor
    first: Tensor
    first_offset: Tensor
    out: Tensor

    def __init__(self, fitted: FittedNetwork) -> None:
        super().__init__()
        encoding, ensemble, calibration = fitted.encoding, fitted.ensemble, fitted.calibration
        order = np.argsort(encoding.is_category, kind="stable")
        ordered = int((~encoding.is_category).sum())
        first = torch.cat([ensemble.linear, ensemble.into.flatten(1)], dim=1).detach().double().numpy()
        first_offset = torch.cat([ensemble.offset, ensemble.hidden_offset.flatten()]).detach().double().numpy()
        folded = first / encoding.deviation[:, None]
        self._constant("ordered_column", encoding.column[order][:ordered])
        self._constant("ordered_level", encoding.level[order][:ordered].astype(np.float32))
        self._constant("category_column", encoding.column[order][ordered:])
        self._constant("category_level", encoding.level[order][ordered:].astype(np.float32))
        self._constant("first", folded[order].astype(np.float32))
        self._constant("first_offset", (first_offset - encoding.mean @ folded).astype(np.float32))
        self._constant("out", ensemble.out.detach().numpy())
        self.slope, self.offset = calibration.slope, calibration.offset

    def _constant(self, name: str, value: NDArray[np.generic]) -> None:
        self.register_buffer(name, torch.from_numpy(np.ascontiguousarray(value)))

    def forward(self, inputs: Tensor) -> Tensor:
        """Probabilities of shape (rows, 1) for rows of shape (rows, fields)."""
        indicators = torch.cat(
            [
                inputs[:, self.ordered_column] >= self.ordered_level,
                inputs[:, self.category_column] == self.category_level,
            ],
            dim=1,
        )
        members, hidden = self.out.shape
        first = indicators.float() @ self.first + self.first_offset
        units = nn.functional.gelu(first[:, members:].reshape(-1, members, hidden))
        logits = first[:, :members] + (units * self.out).sum(dim=2)
        return torch.sigmoid(self.slope * logits.mean(dim=1, keepdim=True) + self.offset)


def to_onnx(fitted: FittedNetwork) -> bytes:
    """The graph, checked; equal networks give equal bytes."""
    target = io.BytesIO()
    example = torch.ones(2, len(FIELDS))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=DeprecationWarning)  # of the exporter's own helpers
        torch.onnx.export(
            Scorer(fitted).eval(),
            (example,),
            target,  # type: ignore[arg-type]  # a file object is taken, the annotation lags behind
            input_names=[RUNTIME.input_name],
            output_names=[PROBABILITY],
            dynamic_axes={RUNTIME.input_name: {0: "rows"}, PROBABILITY: {0: "rows"}},
            opset_version=_OPSET,
            dynamo=False,
        )
    graph = onnx.load_from_string(target.getvalue())
    onnx.checker.check_model(graph, full_check=True)
    return target.getvalue()


def run_onnx(graph: bytes, rows: Numbers) -> Numbers:
    """Probabilities of shape (rows,) as onnxruntime computes them, on one thread."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    (answer,) = session.run([PROBABILITY], {RUNTIME.input_name: rows.astype(np.float32)})
    return np.asarray(answer[:, 0], dtype=np.float64)

"""ONNX graphs in process, by onnxruntime."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from bentos.front.artifact import Artifact
from bentos.front.failures import CannotServeError
from bentos.front.runtimes import Column, ModelOutputError
from marquee.contract.manifest import Manifest, OnnxRuntime
from marquee.contract.pod import FailureReason

_OUTPUT_TYPES: Final = ("tensor(float)", "tensor(double)")
_LOG_ERRORS: Final = 3


class OnnxModel:
    """A session with an explicit number of threads, checked against the manifest before its first run."""

    largest: float = float(np.finfo(np.float32).max)
    concurrent: bool = True
    """A session may be run by several threads at once."""

    def __init__(self, artifact: Artifact, runtime: OnnxRuntime, *, threads: int) -> None:
        self._session = _open_session(artifact, runtime, threads)
        _compare_input(self._session, artifact.manifest, runtime)
        _compare_outputs(self._session, runtime)
        self._input = runtime.input_name
        self._graph_outputs = sorted({graph_output for graph_output, _ in runtime.outputs.values()})
        self._columns = [
            (self._graph_outputs.index(graph_output), column)
            for graph_output, column in (runtime.outputs[field.name] for field in artifact.manifest.outputs)
        ]

    def predict(self, rows: NDArray[np.float64]) -> Sequence[Column]:
        """Run the graph; rows become float32."""
        answers = self._session.run(self._graph_outputs, {self._input: rows.astype(np.float32)})
        try:
            return [
                answers[index][:, column] if answers[index].ndim == 2 else answers[index]
                for index, column in self._columns
            ]
        except IndexError as error:
            raise ModelOutputError(f"the graph's answer has too few columns: {error}") from error


def _open_session(artifact: Artifact, runtime: OnnxRuntime, threads: int) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = _LOG_ERRORS
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(
            str(artifact.folder / runtime.file), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:
        raise CannotServeError(
            FailureReason.MODEL_LOAD_FAILED, f"{runtime.file}: onnxruntime cannot load it: {error}"
        ) from error


def _compare_input(session: Any, manifest: Manifest, runtime: OnnxRuntime) -> None:
    inputs, width = session.get_inputs(), len(manifest.inputs)
    if [entry.name for entry in inputs] != [runtime.input_name]:
        names = ", ".join(entry.name for entry in inputs) or "none"
        raise _mismatch(f"the graph's inputs are {names}; the manifest names one, {runtime.input_name}")
    (entry,) = inputs
    if entry.type != "tensor(float)":
        raise _mismatch(f"input {entry.name} is {entry.type}; it must be tensor(float)")
    if len(entry.shape) != 2 or isinstance(entry.shape[0], int):
        raise _mismatch(f"input {entry.name} has shape {entry.shape}; it must be (any number of rows, {width})")
    if isinstance(entry.shape[1], int) and entry.shape[1] != width:
        raise _mismatch(f"input {entry.name} takes {entry.shape[1]} columns; the manifest has {width} inputs")


def _compare_outputs(session: Any, runtime: OnnxRuntime) -> None:
    graph = {entry.name: entry for entry in session.get_outputs()}
    for field, (name, column) in runtime.outputs.items():
        if name not in graph:
            raise _mismatch(f"output {field}: the graph has no output {name}, only {', '.join(graph)}")
        entry = graph[name]
        if entry.type not in _OUTPUT_TYPES or len(entry.shape) not in (1, 2):
            raise _mismatch(
                f"output {field}: {name} is {entry.type} of shape {entry.shape}; "
                f"it must be one of {', '.join(_OUTPUT_TYPES)} of shape (rows, columns) or (rows,)"
            )
        columns = entry.shape[1] if len(entry.shape) == 2 else 1
        if column < 0 or (isinstance(columns, int) and column >= columns):
            raise _mismatch(f"output {field}: {name} has {columns} columns, there is no column {column}")


def _mismatch(message: str) -> CannotServeError:
    return CannotServeError(FailureReason.SCHEMA_MISMATCH, f"{message}; export the model and its manifest together")

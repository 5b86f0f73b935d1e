"""An artifact of ours in Triton's Python backend: this file becomes ``model.py`` of the model's repository.

It runs in Triton's container, under whatever Python and NumPy are there, and imports nothing of Marquee.
"""

from __future__ import annotations

import ctypes
import importlib
import importlib.util
import json
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
import triton_python_backend_utils as pb_utils

Predict = Callable[[Any], dict[str, Any]]

_USED: Final = b"used_dltensor"
"""The name of a capsule whose tensor has a new owner; kept here because the capsule keeps only its address."""


class TritonPythonModel:
    """The class that Triton looks for."""

    def initialize(self, args: dict[str, str]) -> None:
        """Load the artifact that the model's configuration names."""
        config = json.loads(args["model_config"])
        folder = Path(_parameter(config, "marquee_artifact"))
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        runtime = manifest["runtime"]
        self._input = config["input"][0]["name"]
        self._outputs = [field["name"] for field in manifest["outputs"]]
        if runtime["flavour"] == "onnx":
            self._predict = _graph(folder, runtime, int(_parameter(config, "intra_op_thread_count")))
        else:
            self._predict = _class_of(folder, runtime["entrypoint"])(folder).predict

    def execute(self, requests: list[Any]) -> list[Any]:
        """Predict the rows of all requests in one call, but for those whose callers have given up."""
        waiting = [request for request in requests if not request.is_cancelled()]
        answers = iter(self._answers(waiting) if waiting else [])
        return [next(answers) if request in waiting else _failure("the caller has left") for request in requests]

    def _answers(self, requests: list[Any]) -> list[Any]:
        parts = [_rows(pb_utils.get_input_tensor_by_name(request, self._input)) for request in requests]
        try:
            answer = self._predict(np.concatenate(parts))
            columns = [np.asarray(answer[name], dtype=np.float64) for name in self._outputs]
            ends = np.cumsum([len(part) for part in parts])[:-1]
            split = [np.split(column, ends) for column in columns]
            return [self._response([column[index] for column in split]) for index in range(len(requests))]
        except Exception as error:  # noqa: BLE001 - whatever a model raises, its callers get an answer
            return [_failure(_where(error)) for _ in requests]

    def _response(self, columns: list[Any]) -> Any:
        tensors = [_tensor(name, column) for name, column in zip(self._outputs, columns, strict=True)]
        return pb_utils.InferenceResponse(output_tensors=tensors)


def _rows(tensor: Any) -> Any:
    """A tensor as an array, by DLPack: under NumPy 2 ``tensor.as_numpy()`` repeats the first number everywhere."""
    return np.from_dlpack(tensor)


class _Exported:
    """An array on its way to Triton, by DLPack: of NumPy 2, ``pb_utils.Tensor(name, array)`` makes empty outputs."""

    def __init__(self, array: Any) -> None:
        self._array = array
        self.capsule: Any = None

    def __dlpack__(self, stream: object = None) -> Any:
        self.capsule = self._array.__dlpack__()
        return self.capsule

    def __dlpack_device__(self) -> Any:
        return self._array.__dlpack_device__()


def _tensor(name: str, column: Any) -> Any:
    exported = _Exported(np.array(column, dtype=np.float64, order="C").reshape(len(column), 1))
    tensor = pb_utils.Tensor.from_dlpack(name, exported)
    # Triton takes the tensor over but marks the capsule by a name of its own, at which NumPy prints a traceback.
    ctypes.pythonapi.PyCapsule_SetName(ctypes.py_object(exported.capsule), _USED)
    return tensor


def _failure(message: str) -> Any:
    """A response of its own for each request: Triton dies of an error object that two of them share."""
    return pb_utils.InferenceResponse(output_tensors=[], error=pb_utils.TritonError(message))


def _graph(folder: Path, runtime: dict[str, Any], threads: int) -> Predict:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    path = str(folder / runtime["file"])
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    names = sorted({graph_output for graph_output, _ in runtime["outputs"].values()})

    def predict(rows: Any) -> dict[str, Any]:
        answers = dict(zip(names, session.run(names, {runtime["inputName"]: rows}), strict=True))
        return {
            field: answers[name][:, column] if answers[name].ndim == 2 else answers[name]
            for field, (name, column) in runtime["outputs"].items()
        }

    return predict


def _class_of(folder: Path, entrypoint: str) -> Any:
    module_name, _, class_name = entrypoint.partition(":")
    path = folder / (module_name.replace(".", "/") + ".py")
    if not path.is_file():
        return getattr(importlib.import_module(module_name), class_name)
    sys.dont_write_bytecode = True
    sys.path.append(str(folder))
    # Under a name of its own: this module is called ``model``, as many an artifact's is.
    spec = importlib.util.spec_from_file_location(f"artifact_{module_name}", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} cannot be imported")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return getattr(module, class_name)


def _parameter(config: dict[str, Any], name: str) -> str:
    value: str = config["parameters"][name]["string_value"]
    return value


def _where(error: Exception) -> str:
    """What was raised and where, never with which input."""
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} at {frame.filename}:{frame.lineno} in {frame.name}"

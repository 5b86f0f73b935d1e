"""Runs an artifact on rows: its ONNX graph in onnxruntime, or its Python class, as a predictor would."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from marquee.contract.manifest import OnnxRuntime, PythonRuntime, Runtime

Numbers = NDArray[np.float64]


def score(runtime: Runtime, files: Mapping[str, bytes], rows: Numbers, *, output: str) -> Numbers:
    """One output of a model, shape (rows,), computed on one thread.

    Raises:
        ValueError: an answer that is not one finite number a row; a flavour that is not run here.
        Exception: whatever the model's own code raises.

    """
    if isinstance(runtime, OnnxRuntime):
        answer = _onnx(runtime, files, rows, output)
    elif isinstance(runtime, PythonRuntime):
        answer = _python(runtime, files, rows)[output]
    else:
        raise ValueError(f"an artifact of flavour {runtime.flavour} is run by Triton alone")
    scores = np.asarray(answer, dtype=np.float64)
    if scores.shape != (len(rows),) or not np.isfinite(scores).all():
        raise ValueError(f"output {output} is not one finite number a row: shape {scores.shape} for {len(rows)} rows")
    return scores


def _onnx(runtime: OnnxRuntime, files: Mapping[str, bytes], rows: Numbers, output: str) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(files[runtime.file], options, providers=["CPUExecutionProvider"])
    name, column = runtime.outputs[output]
    (answer,) = session.run([name], {runtime.input_name: rows.astype(np.float32)})
    return answer[:, column] if answer.ndim == 2 else answer


def _python(runtime: PythonRuntime, files: Mapping[str, bytes], rows: Numbers) -> Any:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for path, content in files.items():
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        with _importable(runtime, folder, files) as model_class:
            return model_class(folder).predict(rows)


@contextmanager
def _importable(runtime: PythonRuntime, folder: Path, files: Mapping[str, bytes]) -> Iterator[Any]:
    """The class; a module that the artifact ships is forgotten afterwards: another champion has one of its name."""
    module_name, _, class_name = runtime.entrypoint.partition(":")
    path = module_name.replace(".", "/") + ".py"
    if path not in files:
        yield getattr(importlib.import_module(module_name), class_name)
        return
    spec = importlib.util.spec_from_file_location(module_name, folder / path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} cannot be imported")
    before = dict(sys.modules)
    sys.path.insert(0, str(folder))
    try:
        module = importlib.util.module_from_spec(spec)
        sys.modules[module_name] = module
        spec.loader.exec_module(module)
        yield getattr(module, class_name)
    finally:
        sys.path.remove(str(folder))
        for shipped in [name for name, each in sys.modules.items() if _lies_in(each, folder)]:
            del sys.modules[shipped]
        if module_name in before:
            sys.modules[module_name] = before[module_name]


def _lies_in(module: Any, folder: Path) -> bool:
    return str(getattr(module, "__file__", None) or "").startswith(f"{folder}/")

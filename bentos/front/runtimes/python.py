"""Models that are Python classes: from the predictor image, or shipped as a file of the artifact."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bentos.front.artifact import Artifact
from bentos.front.failures import CannotServeError
from bentos.front.runtimes import Column, ModelOutputError
from marquee.contract.manifest import PythonRuntime
from marquee.contract.pod import FailureReason


class PythonModel:
    """An instance of the manifest's entry point. Called from one thread at a time."""

    largest: float = float(np.finfo(np.float64).max)

    def __init__(self, artifact: Artifact, runtime: PythonRuntime) -> None:
        try:
            model = _class_of(artifact, runtime.entrypoint)(artifact.folder)
        except Exception as error:
            raise CannotServeError(
                FailureReason.MODEL_LOAD_FAILED,
                f"entrypoint {runtime.entrypoint}: {type(error).__name__}: {error}",
            ) from error
        if not callable(getattr(model, "predict", None)):
            raise CannotServeError(
                FailureReason.SCHEMA_MISMATCH, f"entrypoint {runtime.entrypoint}: has no method predict(rows)"
            )
        self._model = model
        self._outputs = [field.name for field in artifact.manifest.outputs]
        self.differentiable = callable(getattr(model, "gradients", None))

    def predict(self, rows: NDArray[np.float64]) -> Sequence[Column]:
        """Call the model, and check that it answers each output with numbers."""
        answer = self._model.predict(rows)
        if not isinstance(answer, dict) or answer.keys() != set(self._outputs):
            got = sorted(map(str, answer)) if isinstance(answer, dict) else type(answer).__name__
            raise ModelOutputError(f"predict must return a dict with the outputs {self._outputs}, not {got}")
        try:
            return [np.asarray(answer[name], dtype=np.float64) for name in self._outputs]
        except (TypeError, ValueError) as error:
            raise ModelOutputError(f"an output is no array of numbers: {error}") from error

    def gradients(self, rows: NDArray[np.float64], output: str) -> NDArray[np.float64]:
        """Call the model's own ``gradients``, and check its answer."""
        try:
            found = np.asarray(self._model.gradients(rows, output), dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise ModelOutputError(f"gradients must return an array of numbers: {error}") from error
        if found.shape != rows.shape:
            raise ModelOutputError(f"gradients must return shape {rows.shape}, not {found.shape}")
        if not np.isfinite(found).all():
            raise ModelOutputError(f"a gradient of output {output} is NaN or infinite")
        return found


def _class_of(artifact: Artifact, entrypoint: str) -> Any:
    module_name, _, class_name = entrypoint.partition(":")
    path = module_name.replace(".", "/") + ".py"
    if path not in artifact.manifest.files:
        return getattr(importlib.import_module(module_name), class_name)
    # Bytecode beside the source would be a file that the manifest does not know.
    sys.dont_write_bytecode = True
    sys.path.append(str(artifact.folder))
    spec = importlib.util.spec_from_file_location(module_name, artifact.folder / path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} cannot be imported")
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    spec.loader.exec_module(module)
    return getattr(module, class_name)

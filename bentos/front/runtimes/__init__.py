"""What runs a model: one module per flavour of the manifest, behind one protocol."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from bentos.front.artifact import Artifact
from marquee.contract.manifest import OnnxRuntime

Column = NDArray[np.floating]
"""One output of many rows, shape (rows,)."""


class ModelOutputError(Exception):
    """A model answered something else than one finite number per row and output."""


class Runtime(Protocol):
    """A loaded model."""

    @property
    def largest(self) -> float:
        """The largest number that the model's input type holds."""

    def predict(self, rows: NDArray[np.float64]) -> Sequence[Column]:
        """One array per output of the manifest, in its order, from rows of shape (rows, inputs).

        Raises:
            ModelOutputError: outputs are missing or have the wrong size.

        """


def load_runtime(artifact: Artifact, *, threads: int) -> Runtime:
    """The model of an artifact, loaded and compared with its manifest.

    Raises:
        CannotServeError: ``ModelLoadFailed`` or ``SchemaMismatch``.

    """
    if isinstance(artifact.manifest.runtime, OnnxRuntime):
        from bentos.front.runtimes.onnx import OnnxModel

        return OnnxModel(artifact, artifact.manifest.runtime, threads=threads)
    from bentos.front.runtimes.python import PythonModel

    return PythonModel(artifact, artifact.manifest.runtime)

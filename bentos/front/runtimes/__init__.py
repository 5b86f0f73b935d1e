"""What runs a model: one module per flavour of the manifest, behind one protocol."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from bentos.front.artifact import Artifact
from bentos.front.failures import CannotServeError
from marquee.contract.manifest import OnnxRuntime, PythonRuntime
from marquee.contract.pod import FailureReason
from marquee.contract.triton import FLAVOURS

Column = NDArray[np.floating]
"""One output of many rows, shape (rows,)."""


class ModelOutputError(Exception):
    """A model answered something else than one finite number per row and output."""


class ModelFailedError(Exception):
    """A model server says that its model failed on these rows."""


class ModelUnavailableError(Exception):
    """A model server is away, or did not answer in time: the same rows may be answered later."""


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


@runtime_checkable
class RemoteRuntime(Runtime, Protocol):
    """A model in a server of its own, asked without blocking."""

    @property
    def max_waiting(self) -> int:
        """How many predictions may wait for an answer."""

    async def infer(self, rows: NDArray[np.float64]) -> Sequence[Column]:
        """As `predict`.

        Raises:
            ModelOutputError: as `predict`.
            ModelFailedError: the model raised.
            ModelUnavailableError: nobody answered, or not in time.

        """

    def watch(self, changed: Callable[[bool], object]) -> None:
        """Call ``changed``, in another thread, whenever the server loses the model or has it again."""


@runtime_checkable
class DifferentiableRuntime(Runtime, Protocol):
    """A model that may know its gradients."""

    @property
    def differentiable(self) -> bool:
        """Whether it does."""

    def gradients(self, rows: NDArray[np.float64], output: str) -> NDArray[np.float64]:
        """The gradients of an output by the inputs, shape (rows, inputs).

        Raises:
            ModelOutputError: they are no finite numbers of that shape.

        """


def load_runtime(artifact: Artifact, *, threads: int) -> Runtime:
    """The model of an artifact, loaded in this process and compared with its manifest.

    Raises:
        CannotServeError: ``ModelLoadFailed`` or ``SchemaMismatch``; ``SettingsInvalid``: only Triton runs such models.

    """
    runtime = artifact.manifest.runtime
    if isinstance(runtime, OnnxRuntime):
        from bentos.front.runtimes.onnx import OnnxModel

        return OnnxModel(artifact, runtime, threads=threads)
    if isinstance(runtime, PythonRuntime):
        from bentos.front.runtimes.python import PythonModel

        return PythonModel(artifact, runtime)
    backend = next(name for name, flavours in FLAVOURS.items() if runtime.flavour in flavours)
    raise CannotServeError(
        FailureReason.SETTINGS_INVALID,
        f"spec.serving.triton: an artifact of flavour {runtime.flavour} is run by Triton alone; ask for it with "
        f"backend {backend.value}",
    )

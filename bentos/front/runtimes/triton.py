"""Models in a Triton server beside the front, asked over gRPC by one shared channel."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from time import monotonic
from typing import Any, Final

import grpc
import grpc.aio
import numpy as np
from numpy.typing import NDArray
from tritonclient.grpc import service_pb2_grpc

from bentos.front.artifact import Artifact
from bentos.front.examples import example_row
from bentos.front.failures import CannotServeError
from bentos.front.runtimes import Column, ModelFailedError, ModelUnavailableError
from bentos.front.schema import Schema
from bentos.front.settings import Settings
from bentos.front.triton.configuring import datatype_of, input_of, outputs_of
from bentos.front.triton.control import AWAY, OPTIONS, ModelRefusedError, TritonControl, in_words
from bentos.front.triton.keeping import Keeper
from bentos.front.triton.repository import write_model
from bentos.front.triton.tensors import DATATYPES, Tensors
from marquee.contract.manifest import Manifest
from marquee.contract.pod import FailureReason
from marquee.contract.triton import TritonSettings

_FIRST_SECONDS: Final = 120.0
"""How long a prediction may take that is no user's: the first one on a GPU may compile kernels."""


def load_model(artifact: Artifact, settings: Settings, triton: TritonSettings) -> TritonModel:
    """Have Triton load a verified artifact, and keep it loaded.

    Raises:
        CannotServeError: Triton is not there, refuses the model, or has another one than the manifest describes.

    """
    control = TritonControl(settings.triton_address, artifact.manifest.model)
    model = TritonModel(artifact.manifest, triton, control)
    root, threads = settings.triton_repository_path, settings.threads
    try:
        control.wait_until_live()
        write_model(root, artifact, triton, threads=threads, example=model.raw_example())
        model.load()
    except ModelRefusedError as error:
        model.close()
        said = f"Triton refuses the model: {error}; the log of the container triton may say more"
        raise CannotServeError(FailureReason.MODEL_REFUSED, said) from error
    except CannotServeError:
        model.close()
        raise
    model.keep()
    return model


class TritonModel:
    """A model in Triton's repository. `infer` is for one event loop, the rest for any thread.

    Args:
        manifest: of the artifact.
        triton: how Triton shall serve it.
        control: of that server and model; closed with this.

    """

    max_waiting: Final = 256
    """Predictions that may wait for Triton, which joins them to batches."""

    def __init__(self, manifest: Manifest, triton: TritonSettings, control: TritonControl) -> None:
        datatype = datatype_of(manifest)
        self.largest = float(np.finfo(DATATYPES[datatype]).max)
        self._tensors = Tensors(manifest.model, input_of(manifest, triton), datatype, outputs_of(manifest, triton))
        self._width = len(manifest.inputs)
        self._example = example_row(manifest, Schema(manifest.inputs, largest=self.largest))
        self._most_rows = triton.max_batch_size
        self._seconds = triton.timeout_milliseconds / 1_000
        self._stub: Any = None
        self._control = control
        self._keeper = Keeper(control.is_ready, self._restore)

    def raw_example(self) -> bytes:
        """The manifest's example as Triton takes it."""
        return self._tensors.raw(self._example)

    def load(self) -> None:
        """Load the model and compare it with the manifest.

        Raises:
            ModelRefusedError: in Triton's words.
            CannotServeError: ``SchemaMismatch``, or ``ModelServerUnreachable``.

        """
        self._control.load()
        self._control.compare(self._tensors, self._width)

    def keep(self) -> None:
        """From now on, load it again whenever Triton has lost it."""
        self._keeper.start()

    def watch(self, changed: Callable[[bool], object]) -> None:
        """Call ``changed``, in another thread, whenever Triton loses the model or has it again."""
        self._keeper.tell(changed)

    def close(self) -> None:
        """Leave Triton alone."""
        self._keeper.stop()
        self._control.close()

    def predict(self, rows: NDArray[np.float64]) -> Sequence[Column]:
        """Blocks; for the warm-up."""
        try:
            return self._joined(
                self._tensors.answer(self._control.infer(self._tensors.request(part), _FIRST_SECONDS), len(part))
                for part in self._parts(rows)
            )
        except grpc.RpcError as error:
            raise ModelFailedError(in_words(error)) from error

    async def infer(self, rows: NDArray[np.float64]) -> Sequence[Column]:
        """As `predict`, within the time that the settings give a prediction."""
        if not self._keeper.available:
            raise ModelUnavailableError("the model server restarts")
        deadline = monotonic() + self._seconds
        answers = []
        for part in self._parts(rows):
            response = await self._call(self._tensors.request(part), max(deadline - monotonic(), 0))
            answers.append(self._tensors.answer(response, len(part)))
        return self._joined(answers)

    async def _call(self, request: Any, seconds: float) -> Any:
        if self._stub is None:  # a channel belongs to the loop that it is made in
            channel = grpc.aio.insecure_channel(self._control.address, options=OPTIONS)
            self._stub = service_pb2_grpc.GRPCInferenceServiceStub(channel)
        try:
            # gRPC tells Triton when the time is over, or this task is cancelled: what waits there is not run any more
            return await self._stub.ModelInfer(request, timeout=seconds)
        except grpc.aio.AioRpcError as error:
            if error.code() in AWAY:
                self._keeper.look()
                raise ModelUnavailableError(f"the model server does not answer: {error.code().name}") from error
            if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
                raise ModelUnavailableError(f"no prediction within {self._seconds * 1_000:g} ms") from error
            raise ModelFailedError(in_words(error)) from error

    def _restore(self) -> None:
        """Raises whatever goes wrong."""
        self.load()
        self.predict(self._example)

    def _parts(self, rows: NDArray[np.float64]) -> Iterator[NDArray[np.float64]]:
        for start in range(0, len(rows), self._most_rows):
            yield rows[start : start + self._most_rows]

    @staticmethod
    def _joined(answers: Iterable[Sequence[Column]]) -> Sequence[Column]:
        parts = list(answers)
        return parts[0] if len(parts) == 1 else [np.concatenate(columns) for columns in zip(*parts, strict=True)]

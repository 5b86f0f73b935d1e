"""What the front asks of Triton beside predictions: to load its model, and whether it has it. Calls block."""

from __future__ import annotations

import time
from typing import Any, Final

import grpc
from tritonclient.grpc import service_pb2, service_pb2_grpc

from bentos.front.failures import CannotServeError
from bentos.front.triton.tensors import DATATYPES, Tensors
from marquee.contract.pod import FailureReason

OPTIONS: Final = (
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),  # 1,024 rows of 2,000 numbers are more than the 4 MB of the default
    ("grpc.enable_http_proxy", 0),  # it is on this machine, whatever the environment says about proxies
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 5_000),  # despite its name how long an attempt to connect may take
    ("grpc.max_reconnect_backoff_ms", 1_000),
)
AWAY: Final = frozenset({grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.NOT_FOUND})
"""Status of a call that found no server, or a server without the model: after a restart it has none."""

_START_SECONDS: Final = 60.0
_CHECK_SECONDS: Final = 2.0
_RETRY_SECONDS: Final = 0.2


class ModelRefusedError(Exception):
    """Triton would not load the model; in its words."""


class TritonControl:
    """A connection to one server for one model of its repository."""

    def __init__(self, address: str, model: str) -> None:
        self.address = address
        self._model = model
        self._channel = grpc.insecure_channel(address, options=OPTIONS)
        self._stub = service_pb2_grpc.GRPCInferenceServiceStub(self._channel)

    def close(self) -> None:
        """Close the connection; what waits for an answer fails."""
        self._channel.close()

    def wait_until_live(self, seconds: float = _START_SECONDS) -> None:
        """Wait for the server to answer.

        Raises:
            CannotServeError: ``ModelServerUnreachable``.

        """
        deadline = time.monotonic() + seconds
        while True:
            try:
                if self._stub.ServerLive(service_pb2.ServerLiveRequest(), timeout=_CHECK_SECONDS).live:
                    return
                said = "it says that it is not live"
            except grpc.RpcError as error:
                said = in_words(error)
            if time.monotonic() > deadline:
                raise unreachable(self.address, f"no answer for {seconds:g} s: {said}")
            time.sleep(_RETRY_SECONDS)

    def is_ready(self) -> bool | None:
        """Whether the server has the model; None when it does not answer in time, which a busy one may not."""
        request = service_pb2.ModelReadyRequest(name=self._model)
        try:
            return bool(self._stub.ModelReady(request, timeout=_CHECK_SECONDS).ready)
        except grpc.RpcError as error:
            return None if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED else False

    def load(self) -> None:
        """Have the model loaded, however long it takes.

        Raises:
            ModelRefusedError: with Triton's message.
            CannotServeError: ``ModelServerUnreachable``: it ended meanwhile.

        """
        try:
            self._stub.RepositoryModelLoad(service_pb2.RepositoryModelLoadRequest(model_name=self._model))
        except grpc.RpcError as error:
            if error.code() is grpc.StatusCode.UNAVAILABLE:
                raise unreachable(self.address, f"it ended while it loaded the model: {in_words(error)}") from error
            raise ModelRefusedError(in_words(error)) from error

    def infer(self, request: Any, seconds: float) -> Any:
        """A ``ModelInferResponse``.

        Raises:
            grpc.RpcError: whatever went wrong.

        """
        return self._stub.ModelInfer(request, timeout=seconds)

    def compare(self, tensors: Tensors, width: int) -> None:
        """Compare the loaded model with what the manifest says of it.

        Raises:
            CannotServeError: ``SchemaMismatch``, or ``ModelServerUnreachable``.

        """
        try:
            metadata = self._stub.ModelMetadata(service_pb2.ModelMetadataRequest(name=self._model), timeout=10)
        except grpc.RpcError as error:
            raise unreachable(self.address, in_words(error)) from error
        inputs = [(tensor.name, tensor.datatype, tuple(tensor.shape)) for tensor in metadata.inputs]
        expected = [(tensors.input_name, tensors.datatype, (-1, width))]
        if inputs != expected:
            raise _mismatch(f"Triton's inputs are {inputs}; the manifest says {expected}")
        outputs = {tensor.name: tensor for tensor in metadata.outputs}
        for name, column in tensors.columns:
            if name not in outputs:
                raise _mismatch(f"Triton's model has no output {name}, only {', '.join(outputs)}")
            _compare_output(outputs[name], column)


def unreachable(address: str, detail: str) -> CannotServeError:
    """Triton cannot be asked."""
    return CannotServeError(
        FailureReason.MODEL_SERVER_UNREACHABLE,
        f"Triton at {address}: {detail}; the log of the pod's container triton says why",
    )


def in_words(error: Any) -> str:
    """What Triton, or gRPC on its behalf, said."""
    return f"{error.details() or 'no details'} ({error.code().name})"


def _compare_output(tensor: Any, column: int) -> None:
    shape = tuple(tensor.shape)
    if tensor.datatype not in DATATYPES or len(shape) not in (1, 2):
        raise _mismatch(
            f"output {tensor.name} is {tensor.datatype} of shape {shape}; it must be one of {', '.join(DATATYPES)} "
            "of shape (rows, columns) or (rows,)"
        )
    columns = shape[1] if len(shape) == 2 else 1
    if column < 0 or 0 <= columns <= column:
        raise _mismatch(f"output {tensor.name} has {columns} columns, there is no column {column}")


def _mismatch(message: str) -> CannotServeError:
    return CannotServeError(FailureReason.SCHEMA_MISMATCH, f"{message}; export the model and its manifest together")

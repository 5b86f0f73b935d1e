"""A device plugin whose devices are names: the kubelet counts them, hands them out, and takes them back.

A container that gets some has their names in the variable ``PRETEND_DEVICES``, as NVIDIA's has them in
``NVIDIA_VISIBLE_DEVICES``.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import grpc

from tests.support.devices import messages

VARIABLE: Final = "PRETEND_DEVICES"
KUBELET_SOCKET: Final = "kubelet.sock"
_LOCAL: Final = (("grpc.default_authority", "localhost"),)
"""The kubelet's gRPC refuses the path of a socket as an authority."""
_REGISTER_SECONDS: Final = 10.0


class DevicePlugin:
    """Serves in the kubelet's folder and registers there; a context manager.

    Args:
        folder: The kubelet's, with its ``kubelet.sock``.
        resource: What the node then offers, such as ``nvidia.com/gpu``.
        count: How many.

    """

    def __init__(self, folder: Path, resource: str, count: int) -> None:
        self._folder = folder
        self._resource = resource
        self.devices: Final = tuple(f"{resource.rpartition('/')[2]}-{number}" for number in range(count))
        self._endpoint = f"pretend-{resource.replace('/', '-')}.sock"
        self._over = threading.Event()
        # each watching kubelet keeps a thread
        self._server = grpc.server(ThreadPoolExecutor(max_workers=8))
        self._server.add_generic_rpc_handlers((self._handlers(),))

    def __enter__(self) -> Self:
        socket = self._folder / self._endpoint
        socket.unlink(missing_ok=True)
        self._server.add_insecure_port(f"unix:{socket}")
        self._server.start()
        try:
            self._register()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def _stop(self) -> None:
        self._over.set()
        self._server.stop(grace=1).wait()
        (self._folder / self._endpoint).unlink(missing_ok=True)

    def _register(self) -> None:
        """Tell the kubelet where the plugin serves; it then asks for the devices."""
        request = messages.RegisterRequest(
            version=messages.VERSION, endpoint=self._endpoint, resource_name=self._resource
        )
        with grpc.insecure_channel(f"unix:{self._folder / KUBELET_SOCKET}", options=_LOCAL) as channel:
            register = channel.unary_unary(
                "/v1beta1.Registration/Register",
                request_serializer=messages.RegisterRequest.SerializeToString,
                response_deserializer=messages.Empty.FromString,
            )
            register(request, timeout=_REGISTER_SECONDS, wait_for_ready=True)

    def _handlers(self) -> Any:
        return grpc.method_handlers_generic_handler(
            "v1beta1.DevicePlugin",
            {
                "GetDevicePluginOptions": grpc.unary_unary_rpc_method_handler(
                    lambda *_: messages.DevicePluginOptions(),
                    request_deserializer=messages.Empty.FromString,
                    response_serializer=messages.DevicePluginOptions.SerializeToString,
                ),
                "ListAndWatch": grpc.unary_stream_rpc_method_handler(
                    self._list_and_watch,
                    request_deserializer=messages.Empty.FromString,
                    response_serializer=messages.ListAndWatchResponse.SerializeToString,
                ),
                "Allocate": grpc.unary_unary_rpc_method_handler(
                    _allocate,
                    request_deserializer=messages.AllocateRequest.FromString,
                    response_serializer=messages.AllocateResponse.SerializeToString,
                ),
            },
        )

    def _list_and_watch(self, *_: Any) -> Iterator[Any]:
        """All devices, once: an open stream says that they are still there."""
        devices = [messages.Device(ID=name, health="Healthy") for name in self.devices]
        yield messages.ListAndWatchResponse(devices=devices)
        self._over.wait()


def _allocate(request: Any, _: Any) -> Any:
    """What each container is to get with its devices."""
    answers = [
        {"envs": [{"key": VARIABLE, "value": ",".join(sorted(asked.devices_ids))}]}
        for asked in request.container_requests
    ]
    return messages.AllocateResponse(container_responses=answers)

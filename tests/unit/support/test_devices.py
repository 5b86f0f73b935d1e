"""The pretend device plugin against a kubelet's side of the same sockets."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import pytest

from tests.support.devices import messages
from tests.support.devices.offering import offered
from tests.support.devices.plugin import VARIABLE

RESOURCE = "nvidia.com/gpu"


@dataclass
class Kubelet:
    """Takes registrations and talks to the plugin as a kubelet does."""

    folder: Path
    registered: list[Any] = field(default_factory=list)
    arrived: threading.Event = field(default_factory=threading.Event)

    def register(self, request: Any, _: Any) -> Any:
        self.registered.append(request)
        self.arrived.set()
        return messages.Empty()

    def channel(self) -> Any:
        endpoint = self.folder / self.registered[0].endpoint
        return grpc.insecure_channel(f"unix:{endpoint}", options=(("grpc.default_authority", "localhost"),))


@pytest.fixture
def kubelet(tmp_path: Path) -> Iterator[Kubelet]:
    """A registration service at the kubelet's socket."""
    kubelet = Kubelet(tmp_path)
    handler = grpc.unary_unary_rpc_method_handler(
        kubelet.register,
        request_deserializer=messages.RegisterRequest.FromString,
        response_serializer=messages.Empty.SerializeToString,
    )
    server = grpc.server(ThreadPoolExecutor(max_workers=2))
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler("v1beta1.Registration", {"Register": handler}),)
    )
    server.add_insecure_port(f"unix:{tmp_path / 'kubelet.sock'}")
    server.start()
    yield kubelet
    server.stop(grace=None).wait()


def test_it_registers_lists_its_devices_and_hands_them_out(kubelet: Kubelet) -> None:
    """Two devices by name; a container's are in its environment; no device is left when the process ends."""
    with offered(RESOURCE, 2, kubelet.folder) as process:
        assert kubelet.arrived.wait(10)
        (request,) = kubelet.registered
        assert (request.version, request.resource_name) == ("v1beta1", RESOURCE)
        with kubelet.channel() as channel:
            watch = channel.unary_stream(
                "/v1beta1.DevicePlugin/ListAndWatch",
                request_serializer=messages.Empty.SerializeToString,
                response_deserializer=messages.ListAndWatchResponse.FromString,
            )
            stream = watch(messages.Empty(), timeout=20)
            listed = [(device.ID, device.health) for device in next(stream).devices]
            assert listed == [("gpu-0", "Healthy"), ("gpu-1", "Healthy")]
            allocate = channel.unary_unary(
                "/v1beta1.DevicePlugin/Allocate",
                request_serializer=messages.AllocateRequest.SerializeToString,
                response_deserializer=messages.AllocateResponse.FromString,
            )
            wish = messages.AllocateRequest(container_requests=[{"devices_ids": ["gpu-1", "gpu-0"]}])
            (answer,) = allocate(wish, timeout=10).container_responses
            assert [(entry.key, entry.value) for entry in answer.envs] == [(VARIABLE, "gpu-0,gpu-1")]
            process.send_signal(signal.SIGTERM)
            assert list(stream) == []
            assert process.wait(10) == 0
    assert not (kubelet.folder / request.endpoint).exists()


def test_messages_are_what_the_kubelets_description_says() -> None:
    """Bytes written out by hand from the fields' numbers: both sides above use the same classes."""
    request = messages.RegisterRequest(version="v1beta1", endpoint="x.sock", resource_name="a/b")
    assert request.SerializeToString() == b"\n\x07v1beta1\x12\x06x.sock\x1a\x03a/b"
    listed = messages.ListAndWatchResponse(devices=[{"ID": "g", "health": "Healthy"}])
    assert listed.SerializeToString() == b"\n\x0c\n\x01g\x12\x07Healthy"
    answer = messages.AllocateResponse(container_responses=[{"envs": [{"key": "K", "value": "v"}]}])
    assert answer.SerializeToString() == b"\n\x08\n\x06\n\x01K\x12\x01v"


def test_what_a_newer_kubelet_adds_is_skipped() -> None:
    """Fields that are not described here are no error."""
    read = messages.AllocateRequest.FromString(b"\n\x03\n\x01g\x9a\x06\x03new")
    assert [list(one.devices_ids) for one in read.container_requests] == [["g"]]

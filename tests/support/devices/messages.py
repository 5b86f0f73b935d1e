"""The messages between a kubelet and a device plugin (``k8s.io/kubelet/pkg/apis/deviceplugin/v1beta1``).

Only the fields that a plugin without hardware needs are described; protobuf skips the others.
"""

from __future__ import annotations

from typing import Any, Final

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

VERSION: Final = "v1beta1"
_PACKAGE: Final = "v1beta1"
_FIELD: Final = descriptor_pb2.FieldDescriptorProto

_Kind = str
"""``string``, or the name of a message."""
_MESSAGES: Final[dict[str, dict[str, tuple[int, _Kind, bool]]]] = {
    # name: number, kind, repeated
    "Empty": {},
    "DevicePluginOptions": {},
    "RegisterRequest": {
        "version": (1, "string", False),
        "endpoint": (2, "string", False),
        "resource_name": (3, "string", False),
    },
    "Device": {"ID": (1, "string", False), "health": (2, "string", False)},
    "ListAndWatchResponse": {"devices": (1, "Device", True)},
    "ContainerAllocateRequest": {"devices_ids": (1, "string", True)},
    "AllocateRequest": {"container_requests": (1, "ContainerAllocateRequest", True)},
    # a map on the wire is a repeated message of key and value
    "Environment": {"key": (1, "string", False), "value": (2, "string", False)},
    "ContainerAllocateResponse": {"envs": (1, "Environment", True)},
    "AllocateResponse": {"container_responses": (1, "ContainerAllocateResponse", True)},
}


def _file() -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto(name="device_plugin.proto", package=_PACKAGE, syntax="proto3")
    for name, fields in _MESSAGES.items():
        message = file.message_type.add(name=name)
        for field, (number, kind, repeated) in fields.items():
            is_text = kind == "string"
            message.field.add(
                name=field,
                number=number,
                label=_FIELD.LABEL_REPEATED if repeated else _FIELD.LABEL_OPTIONAL,
                type=_FIELD.TYPE_STRING if is_text else _FIELD.TYPE_MESSAGE,
                type_name=None if is_text else f".{_PACKAGE}.{kind}",
            )
    return file


_POOL: Final = descriptor_pool.DescriptorPool()
_POOL.Add(_file())


def _message(name: str) -> Any:
    return message_factory.GetMessageClass(_POOL.FindMessageTypeByName(f"{_PACKAGE}.{name}"))


Empty = _message("Empty")
DevicePluginOptions = _message("DevicePluginOptions")
RegisterRequest = _message("RegisterRequest")
Device = _message("Device")
ListAndWatchResponse = _message("ListAndWatchResponse")
AllocateRequest = _message("AllocateRequest")
AllocateResponse = _message("AllocateResponse")

"""One DNS question over UDP, to see whether the cluster's name service answers."""

import random
import socket
import struct

_A_RECORD, _INTERNET = 1, 1
_RECURSION_DESIRED = 0x0100


def question(name: str, identifier: int) -> bytes:
    """A query for the IPv4 address of a name (RFC 1035, section 4)."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    header = struct.pack(">HHHHHH", identifier, _RECURSION_DESIRED, 1, 0, 0, 0)
    return header + labels + b"\0" + struct.pack(">HH", _A_RECORD, _INTERNET)


def answers(server: str, name: str, *, timeout_seconds: float = 1.0) -> bool:
    """Whether the server knows an address of the name."""
    identifier = random.getrandbits(16)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(timeout_seconds)
        try:
            client.sendto(question(name, identifier), (server, 53))
            reply = client.recv(512)
        except OSError:
            return False
    answered, flags, _, records = struct.unpack(">HHHH", reply[:8])
    return bool(answered == identifier and flags & 0x000F == 0 and records > 0)

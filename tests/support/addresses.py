"""Addresses that answer on this machine alone, for simulated pods; several test runs may hold some at once."""

from __future__ import annotations

import errno
import random
import socket
import subprocess
from ipaddress import IPv4Network
from types import TracebackType
from typing import Final, Self

_RANGE: Final = IPv4Network("198.19.0.0/16")
"""The upper half of the benchmark range (RFC 2544): no real host has such an address."""
_PREFIX: Final = 23


class LocalAddresses:
    """A network of 512 addresses that the kernel delivers to this machine; needs root. A context manager.

    The lock is a socket bound to the network's last address but one, on the port that the caller is going to
    listen on: it goes with the process, whatever ends it. The route may stay behind after a kill; it leads nowhere.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._lock: socket.socket | None = None
        self.network = _RANGE

    def __enter__(self) -> Self:
        candidates = list(_RANGE.subnets(new_prefix=_PREFIX))
        random.shuffle(candidates)
        for network in candidates:
            self._route("replace", network)
            if self._locks(network):
                self.network = network
                return self
        raise AssertionError(f"every network of {_RANGE} is in use on port {self._port}; which tests are running?")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._lock is not None
        self._lock.close()
        self._route("del", self.network)

    def halves(self) -> list[IPv4Network]:
        """Two networks of 256 addresses, one a simulated node."""
        return list(self.network.subnets())

    def hosts(self) -> list[str]:
        """Every address that a pod may get, and a few above that nobody gives away: see `spare`."""
        return [
            str(address) for half in self.halves() for address in half.hosts() if str(address) != self._lock_address
        ]

    def spare(self) -> str:
        """An address that no simulated node gives to a pod: they count from below."""
        return str(self.halves()[1][-3])

    @property
    def _lock_address(self) -> str:
        return str(self.network[-2])

    def _locks(self, network: IPv4Network) -> bool:
        candidate = socket.socket()
        try:
            candidate.bind((str(network[-2]), self._port))
        except OSError as error:
            candidate.close()
            if error.errno != errno.EADDRINUSE:
                raise
            return False
        self._lock = candidate
        return True

    @staticmethod
    def _route(verb: str, network: IPv4Network) -> None:
        subprocess.run(["ip", "route", verb, "local", str(network), "dev", "lo"], check=True)

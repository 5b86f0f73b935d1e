"""Free loopback ports for parallel instances, held by a lock file as long as the caller lives."""

import fcntl
import random
import socket
from pathlib import Path
from typing import IO

from localcluster.errors import CannotRunHere

# Below Linux's ephemeral range, so that no outgoing connection takes a port between choice and use.
_RANGE = range(20000, 32000)


class PortLocks:
    """Ports that no other instance on this machine will choose; released by `close` or at exit."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._held: list[IO[str]] = []

    def take(self, preferred: int | None = None) -> int:
        """A port that is free now: the preferred one if it is, else a random one."""
        self._folder.mkdir(parents=True, exist_ok=True)
        candidates = random.sample(_RANGE, 200)
        for port in [preferred, *candidates] if preferred else candidates:
            if self._lock(port):
                return port
        raise CannotRunHere(
            "no free port on 127.0.0.1",
            why=f"200 random ports of {_RANGE.start}-{_RANGE.stop} were all in use",
            fix="stop what holds them: ss -ltnp",
        )

    def _lock(self, port: int) -> bool:
        holder = (self._folder / str(port)).open("w")
        try:
            fcntl.flock(holder, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder.close()
            return False
        if port_is_free("127.0.0.1", port):
            self._held.append(holder)
            return True
        holder.close()
        return False

    def close(self) -> None:
        """Let others have the ports."""
        while self._held:
            self._held.pop().close()


def port_is_free(address: str, port: int) -> bool:
    """Whether a server could listen there."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError:
            return False
    return True

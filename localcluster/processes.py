"""Which process is ours: identity by pid and start time, signals that cannot hit a stranger.

A pid alone is not enough: after a crash or a reboot the number may belong to somebody else. The
kernel's start time from /proc/PID/stat makes it unique, and a pidfd opened before the check makes
sure that the process checked is the process signalled.
"""

import os
import select
import signal
import time
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Identity:
    """One process for all time: pid and start time in clock ticks since boot."""

    pid: int
    start_ticks: int


def stat_fields(text: str) -> list[str]:
    """Fields of /proc/PID/stat from `state` on; the command before may hold spaces and brackets."""
    return text[text.rindex(")") + 2 :].split()


def _fields(pid: int) -> list[str] | None:
    try:
        return stat_fields(Path(f"/proc/{pid}/stat").read_text())
    except (FileNotFoundError, ProcessLookupError):
        return None


def identify(pid: int) -> Identity | None:
    """The identity of a running process, None if there is none with this pid."""
    fields = _fields(pid)
    return Identity(pid, int(fields[19])) if fields else None


def alive(identity: Identity) -> bool:
    """Whether exactly this process still runs; a zombie does not."""
    fields = _fields(identity.pid)
    return fields is not None and int(fields[19]) == identity.start_ticks and fields[0] not in "ZX"


def cpu_seconds(identity: Identity) -> float:
    """User and system time of the process, 0 when it is gone."""
    fields = _fields(identity.pid)
    if fields is None or int(fields[19]) != identity.start_ticks:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICKS


def send(identity: Identity, number: signal.Signals) -> bool:
    """Signal exactly this process; False when it is gone."""
    try:
        handle = os.pidfd_open(identity.pid)
    except (ProcessLookupError, OSError):
        return False
    try:
        if not alive(identity):
            return False
        signal.pidfd_send_signal(handle, number)
    except ProcessLookupError:
        return False
    finally:
        os.close(handle)
    return True


def wait_gone(identities: list[Identity], timeout_seconds: float) -> list[Identity]:
    """Wait until the processes have ended; return those that have not."""
    deadline = time.monotonic() + timeout_seconds
    for identity in identities:
        try:
            handle = os.pidfd_open(identity.pid)
        except OSError:
            continue
        try:
            if alive(identity):
                poller = select.poll()
                poller.register(handle, select.POLLIN)
                poller.poll(max(0.0, deadline - time.monotonic()) * 1000)
        finally:
            os.close(handle)
    return [identity for identity in identities if alive(identity)]


def terminate(identities: list[Identity], *, grace_seconds: float = 10.0) -> None:
    """End the processes: SIGTERM to all, SIGKILL to those that are still there after the grace."""
    for identity in identities:
        send(identity, signal.SIGTERM)
    for identity in wait_gone(identities, grace_seconds):
        send(identity, signal.SIGKILL)
    wait_gone(identities, 5.0)

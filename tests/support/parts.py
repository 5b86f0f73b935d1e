"""The parts of a running cluster as processes: a test may end one, and the supervisor starts it again."""

from __future__ import annotations

import os
import signal
import time

from localcluster import Cluster, ControlPlane
from localcluster.parts import PartState, read_state

Running = Cluster | ControlPlane

_RESTART_SECONDS = 60.0


def kill(cluster: Running, part: str) -> None:
    """SIGKILL on one part."""
    os.kill(pid_of(cluster, part), signal.SIGKILL)


def restart(cluster: Running, part: str) -> None:
    """End one part, and wait until it is ready again."""
    old = pid_of(cluster, part)
    os.kill(old, signal.SIGKILL)
    deadline = time.monotonic() + _RESTART_SECONDS
    while not (_state(cluster, part).ready and _pid(_state(cluster, part)) not in (None, old)):
        assert time.monotonic() < deadline, f"{part} is not ready again"
        time.sleep(0.05)


def pid_of(cluster: Running, part: str) -> int:
    """Process id of a part that runs."""
    pid = _pid(_state(cluster, part))
    assert pid is not None, f"{part} does not run"
    return pid


def _pid(state: PartState) -> int | None:
    return state.identity.pid if state.identity is not None else None


def _state(cluster: Running, part: str) -> PartState:
    state = read_state(cluster.layout.state)
    assert state is not None, "nothing runs"
    return state.parts[part]

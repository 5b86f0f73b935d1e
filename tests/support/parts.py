"""The parts of a running control plane as processes: a test may end one, and the supervisor starts it again."""

from __future__ import annotations

import os
import signal
import time

from localcluster import ControlPlane
from localcluster.parts import PartState, read_state

_RESTART_SECONDS = 60.0


def kill(plane: ControlPlane, part: str) -> None:
    """SIGKILL on one part."""
    os.kill(pid_of(plane, part), signal.SIGKILL)


def restart(plane: ControlPlane, part: str) -> None:
    """End one part, and wait until it is ready again."""
    old = pid_of(plane, part)
    os.kill(old, signal.SIGKILL)
    deadline = time.monotonic() + _RESTART_SECONDS
    while not (_state(plane, part).ready and _pid(_state(plane, part)) not in (None, old)):
        assert time.monotonic() < deadline, f"{part} is not ready again"
        time.sleep(0.05)


def pid_of(plane: ControlPlane, part: str) -> int:
    """Process id of a part that runs."""
    pid = _pid(_state(plane, part))
    assert pid is not None, f"{part} does not run"
    return pid


def _pid(state: PartState) -> int | None:
    return state.identity.pid if state.identity is not None else None


def _state(plane: ControlPlane, part: str) -> PartState:
    state = read_state(plane._layout.state)
    assert state is not None, "the control plane does not run"
    return state.parts[part]

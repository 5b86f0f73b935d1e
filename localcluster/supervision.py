"""Starting, watching and ending a supervisor from outside."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from localcluster.errors import StartFailed
from localcluster.parts import Part, SupervisorState, read_spec, read_state, write_spec
from localcluster.paths import PACKAGE, Layout
from localcluster.processes import Identity, alive, terminate
from localcluster.supervisor import log_tail, stop_in_order

_POLL_SECONDS = 0.05


def launch(layout: Layout, parts: list[Part], *, die_with_owner: bool = False) -> subprocess.Popen[bytes]:
    """Start a supervisor for the parts; it ends with this process only if `die_with_owner`."""
    layout.logs.mkdir(parents=True, exist_ok=True)
    layout.state.unlink(missing_ok=True)
    write_spec(layout.spec, parts)
    argv = [sys.executable, "-m", "localcluster.supervisor", str(layout.data)]
    with (layout.logs / "supervisor.log").open("ab") as log:
        return subprocess.Popen(
            [*argv, "--die-with-owner"] if die_with_owner else argv,
            stdin=subprocess.PIPE if die_with_owner else subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            cwd=PACKAGE.parent,
        )


def wait_until_ready(
    layout: Layout,
    process: subprocess.Popen[bytes],
    *,
    timeout_seconds: float,
    on_ready: Callable[[str], None] = lambda _: None,
) -> None:
    """Wait until every part is ready; tell the names as they become so."""
    told: set[str] = set()
    deadline = time.monotonic() + timeout_seconds
    while time.monotonic() < deadline:
        state = read_state(layout.state)
        if state is not None:
            for name in [n for n, part in state.parts.items() if part.ready and n not in told]:
                told.add(name)
                on_ready(name)
            if len(told) == len(state.parts):
                return
        if process.poll() is not None:
            raise StartFailed("the supervisor ended", why=log_tail(layout.logs, "supervisor"))
        _fail_if_crashing(layout, state)
        time.sleep(_POLL_SECONDS)
    late = [part.name for part in read_spec(layout.spec) if part.name not in told]
    raise StartFailed(
        f"not ready after {timeout_seconds:.0f} s: {', '.join(late)}",
        why=log_tail(layout.logs, late[0]),
        fix=f"read the logs in {layout.logs}",
    )


def detach(process: subprocess.Popen[bytes]) -> None:
    """Let a supervisor outlive this process: from now on it is known by its state file, not by its handle."""
    # A handle that is dropped while its process runs warns of it (ResourceWarning); this one runs on purpose.
    process.returncode = 0


def _fail_if_crashing(layout: Layout, state: SupervisorState | None) -> None:
    # A part may lose a race at its start; one that keeps ending will not get better.
    for name, part in (state.parts if state else {}).items():
        if part.restarts >= 4 and not part.ready:
            raise StartFailed(
                f"{name} keeps ending ({part.last_exit})",
                why=log_tail(layout.logs, name),
                fix=f"read {layout.logs / name}.log",
            )


def running_supervisor(layout: Layout) -> SupervisorState | None:
    """State of a supervisor that is alive, None otherwise."""
    state = read_state(layout.state)
    return state if state is not None and alive(state.supervisor) else None


def recovers(layout: Layout, *, timeout_seconds: float) -> bool:
    """Whether every part of a living supervisor is ready now or gets so; it may just restart one."""
    deadline = time.monotonic() + timeout_seconds
    while (state := running_supervisor(layout)) is not None:
        if all(part.ready for part in state.parts.values()):
            return True
        if time.monotonic() >= deadline:
            break
        time.sleep(_POLL_SECONDS)
    return False


def stop(layout: Layout, *, timeout_seconds: float = 90.0, keep_pods: bool = False) -> bool:
    """End the supervisor and every part, also those that a dead supervisor left; False if nothing ran.

    `keep_pods` lets the pods of a dead supervisor run on until the next start adopts them.
    """
    state = read_state(layout.state)
    if state is None:
        return False
    was_running = alive(state.supervisor)
    if was_running:
        terminate([state.supervisor], grace_seconds=timeout_seconds)
    left = orphans(state)
    if left:
        stop_in_order(read_spec(layout.spec), left, prepare=not keep_pods)
    layout.state.unlink(missing_ok=True)
    return was_running or bool(left)


def orphans(state: SupervisorState) -> dict[str, Identity]:
    """Parts of this state that still run, by name; a reused pid is not one."""
    return {name: part.identity for name, part in state.parts.items() if part.identity and alive(part.identity)}


def part_log(layout: Layout, part: str) -> Path:
    """Log file of a part."""
    return layout.logs / f"{part}.log"

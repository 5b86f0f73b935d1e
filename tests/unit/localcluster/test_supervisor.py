"""Starting parts in order, restarting what dies, stopping in reverse order."""

import gc
import os
import signal
import subprocess
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from localcluster import supervision
from localcluster.errors import StartFailed
from localcluster.parts import Part, PartState, Probe, SupervisorState, read_spec, read_state, write_spec, write_state
from localcluster.paths import Layout
from localcluster.processes import Identity, alive, identify, wait_gone
from localcluster.supervisor import LOG_LIMIT_BYTES, bound_logs, next_backoff

Start = Callable[[list[Part]], subprocess.Popen[bytes]]


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path)


@pytest.fixture
def start(layout: Layout) -> Iterator[Start]:
    """Starts a supervisor that ends with the test."""
    started: list[subprocess.Popen[bytes]] = []

    def launch(parts: list[Part]) -> subprocess.Popen[bytes]:
        started.append(supervision.launch(layout, parts, die_with_owner=True))
        return started[-1]

    yield launch
    for process in started:
        process.communicate()


def shell(name: str, script: str, **more: object) -> Part:
    return Part(name, ("sh", "-c", script), **more)  # type: ignore[arg-type]


def eventually(condition: Callable[[], bool], *, seconds: float = 30) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return False


def state(layout: Layout) -> SupervisorState:
    found = read_state(layout.state)
    assert found is not None
    return found


def pid_of(layout: Layout, part: str) -> int:
    identity = state(layout).parts[part].identity
    return identity.pid if identity else 0


@pytest.mark.parametrize(
    ("previous", "uptime", "expected"),
    [(0, 0, 0.2), (0.2, 1, 0.4), (6.4, 1, 10.0), (10.0, 1, 10.0), (10.0, 31, 0.2)],
)
def test_backoff_doubles_to_a_limit_and_forgets_after_a_stable_time(
    previous: float, uptime: float, expected: float
) -> None:
    """Restarts come quickly at first, never faster than every 10 s for one that keeps dying."""
    assert next_backoff(previous, uptime) == expected


def test_specification_survives_its_file(tmp_path: Path) -> None:
    """What was written is what is read, with every field."""
    part = Part("a", ("b", "c"), Probe(url="https://x", ca_file="y"), ("d",), 2, ("e",), 3.5)
    write_spec(tmp_path / "parts.json", [part, Part("plain", ("f",))])
    assert read_spec(tmp_path / "parts.json") == [part, Part("plain", ("f",))]
    assert read_spec(tmp_path / "never") == []


def test_state_survives_its_file(tmp_path: Path) -> None:
    """What was written is what is read, with and without a running process."""
    written = SupervisorState(Identity(1, 2), {"a": PartState(Identity(3, 4), True, 5, 6.5, "x"), "b": PartState()})
    write_state(tmp_path / "state.json", written)
    assert read_state(tmp_path / "state.json") == written
    assert read_state(tmp_path / "never") is None


def test_a_full_log_is_kept_once_and_emptied(tmp_path: Path) -> None:
    """A log past its limit becomes the only older one; a small one is left alone."""
    (tmp_path / "big.log").write_bytes(b"x" * (LOG_LIMIT_BYTES + 1))
    (tmp_path / "small.log").write_text("y")
    bound_logs(tmp_path)
    assert (tmp_path / "big.log").stat().st_size == 0
    assert (tmp_path / "big.log.1").stat().st_size == LOG_LIMIT_BYTES + 1
    assert (tmp_path / "small.log").read_text() == "y"


def test_a_killed_part_is_restarted_and_the_others_stay(start: Start, layout: Layout) -> None:
    """SIGKILL of one part gives it a new process, keeps its neighbour's, and is told in the state."""
    process = start([shell("a", "exec sleep 60"), shell("b", "exec sleep 60")])
    supervision.wait_until_ready(layout, process, timeout_seconds=30)
    first, neighbour = pid_of(layout, "a"), pid_of(layout, "b")
    os.kill(first, signal.SIGKILL)
    assert eventually(lambda: pid_of(layout, "a") not in (0, first))
    assert pid_of(layout, "b") == neighbour
    assert state(layout).parts["a"].restarts == 1
    assert "exit status -9" in state(layout).parts["a"].last_exit
    assert supervision.stop(layout)


def test_a_restarting_part_recovers_and_a_dead_supervisor_does_not(start: Start, layout: Layout) -> None:
    """A part that is about to come back is waited for; with nobody to restart it there is no hope."""
    assert not supervision.recovers(layout, timeout_seconds=0)
    process = start([shell("a", "exec sleep 60")])
    supervision.wait_until_ready(layout, process, timeout_seconds=30)
    os.kill(pid_of(layout, "a"), signal.SIGKILL)
    assert supervision.recovers(layout, timeout_seconds=30)
    process.kill()
    process.wait()
    assert not supervision.recovers(layout, timeout_seconds=0)


def test_a_part_waits_for_what_it_needs_and_outlives_nobody(start: Start, layout: Layout, tmp_path: Path) -> None:
    """The first start waits for the needed part's probe; stopping goes by stages, preparations first."""
    told = tmp_path / "told"
    tell = f"echo $0 >> {told}"
    ready = Probe(socket_path=str(tmp_path / "socket"))
    serve = (
        'python3 -c "import socket, sys, signal; s = socket.socket(socket.AF_UNIX); '
        f"s.bind('{tmp_path}/socket'); s.listen(); signal.pause()\""
    )
    parts = [
        shell(
            "base",
            f"echo base >> {told}; trap 'kill $!; echo base-end >> {told}; exit' TERM; {serve} & wait",
            ready=ready,
            stop_stage=1,
        ),
        shell(
            "user",
            f"echo user >> {told}; trap 'echo user-end >> {told}; exit' TERM; sleep 60 & wait",
            needs=("base",),
            before_stop=("sh", "-c", tell, "prepared"),
        ),
    ]
    process = start(parts)
    supervision.wait_until_ready(layout, process, timeout_seconds=30)
    assert eventually(lambda: told.read_text().split() == ["base", "user"])
    supervision.stop(layout)
    assert told.read_text().split() == ["base", "user", "prepared", "user-end", "base-end"]


def test_the_end_of_the_owner_ends_everything(start: Start, layout: Layout) -> None:
    """When the lifeline closes, as it does when the owner is killed, the parts end."""
    process = start([shell("a", "exec sleep 60")])
    supervision.wait_until_ready(layout, process, timeout_seconds=30)
    part = state(layout).parts["a"].identity
    assert part is not None
    process.communicate()
    assert not alive(part)


def test_a_killed_supervisor_of_a_dying_kind_takes_its_parts_along(start: Start, layout: Layout) -> None:
    """With the owner's life at stake even SIGKILL of the supervisor leaves no part behind."""
    process = start([shell("a", "exec sleep 60")])
    supervision.wait_until_ready(layout, process, timeout_seconds=30)
    part = state(layout).parts["a"].identity
    assert part is not None
    process.kill()
    process.wait()
    assert wait_gone([part], 5) == []


def test_a_detached_supervisor_outlives_its_handle_without_a_warning(layout: Layout) -> None:
    """Who brought the shared cluster up goes on without it; warnings are errors, in finalizers too."""
    process = supervision.launch(layout, [shell("a", "exec sleep 60")])
    supervision.wait_until_ready(layout, process, timeout_seconds=30)
    pid = process.pid
    try:
        supervision.detach(process)
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            del process
            gc.collect()
        assert [str(warning.message) for warning in told] == []
        assert supervision.running_supervisor(layout) is not None
    finally:
        supervision.stop(layout)
        os.waitpid(pid, 0)


def test_stop_ends_what_a_dead_supervisor_left(layout: Layout) -> None:
    """Without a supervisor, `stop` finds the parts by their identity and ends them."""
    with subprocess.Popen(["sleep", "60"]) as left:
        identity = identify(left.pid)
        write_spec(layout.spec, [Part("a", ("sleep", "60"))])
        write_state(layout.state, SupervisorState(Identity(2**22 - 1, 1), {"a": PartState(identity, True)}))
        assert supervision.stop(layout)
        assert left.wait(timeout=20) == -signal.SIGTERM
    assert supervision.stop(layout) is False


def test_stop_leaves_a_stranger_with_a_stale_pid_alone(layout: Layout) -> None:
    """After a reboot the remembered pids may be anybody's."""
    with subprocess.Popen(["sleep", "60"]) as stranger:
        identity = identify(stranger.pid)
        assert identity is not None
        stale = Identity(identity.pid, identity.start_ticks - 5)
        write_spec(layout.spec, [Part("a", ("sleep", "60"))])
        write_state(layout.state, SupervisorState(stale, {"a": PartState(stale, True)}))
        assert supervision.stop(layout) is False
        assert stranger.poll() is None
        stranger.kill()


def test_a_part_that_keeps_ending_is_told_with_its_last_words(start: Start, layout: Layout) -> None:
    """Waiting does not go on until its timeout when a part cannot start."""
    part = shell("a", "echo no such option >&2; exit 7", ready=Probe(socket_path="/nowhere"))
    process = start([part])
    with pytest.raises(StartFailed, match=r"a keeps ending \(exit status 7") as failure:
        supervision.wait_until_ready(layout, process, timeout_seconds=20)
    assert "no such option" in failure.value.why

"""Which process is ours, and how it is ended."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from localcluster.processes import Identity, alive, cpu_seconds, identify, send, stat_fields, terminate, wait_gone


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    """A process that would run for a minute."""
    with subprocess.Popen(["sleep", "60"]) as process:
        yield process
        process.kill()


def identity_of(process: subprocess.Popen[bytes]) -> Identity:
    found = identify(process.pid)
    assert found is not None
    return found


def test_a_command_with_brackets_and_blanks_does_not_shift_the_fields() -> None:
    """The command in /proc/PID/stat may hold anything; the state is what follows its last bracket."""
    assert stat_fields("12 (a) b (c) S 1 2 3")[:2] == ["S", "1"]


def test_a_running_process_is_alive(sleeper: subprocess.Popen[bytes]) -> None:
    """The identity taken now is alive now."""
    assert alive(identity_of(sleeper))


def test_a_reused_pid_is_not_the_same_process(sleeper: subprocess.Popen[bytes]) -> None:
    """A process with the remembered pid but another start time is a stranger."""
    stale = Identity(sleeper.pid, identity_of(sleeper).start_ticks - 1)
    assert not alive(stale)


def test_a_stranger_with_our_pid_is_never_signalled(sleeper: subprocess.Popen[bytes]) -> None:
    """Ending a stale identity leaves the process that has its pid now untouched."""
    stale = Identity(sleeper.pid, identity_of(sleeper).start_ticks - 1)
    assert send(stale, signal.SIGKILL) is False
    terminate([stale], grace_seconds=0.1)
    assert sleeper.poll() is None


def test_a_pid_that_nobody_has_is_no_error() -> None:
    """A process that is gone can be ended again."""
    gone = Identity(2**22 - 1, 1)
    assert not alive(gone)
    assert send(gone, signal.SIGTERM) is False
    assert wait_gone([gone], 0.1) == []


def test_a_zombie_is_not_alive() -> None:
    """A process that ended but was not reaped yet counts as gone."""
    child = os.posix_spawn("/bin/true", ["true"], {})
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
    identity = identify(child)
    assert identity is not None
    assert not alive(identity)
    os.waitpid(child, 0)


def test_terminate_asks_first(sleeper: subprocess.Popen[bytes]) -> None:
    """A process that obeys SIGTERM ends by it."""
    terminate([identity_of(sleeper)], grace_seconds=5)
    assert sleeper.wait(timeout=20) == -signal.SIGTERM


def test_terminate_kills_who_does_not_listen() -> None:
    """A process that ignores SIGTERM is killed after the grace."""
    ignoring = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(60)"
    with subprocess.Popen([sys.executable, "-c", ignoring], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        terminate([identity_of(process)], grace_seconds=0.1)
        assert process.wait(timeout=20) == -signal.SIGKILL


def test_waiting_tells_who_is_left(sleeper: subprocess.Popen[bytes]) -> None:
    """A process that does not end in time is returned."""
    identity = identity_of(sleeper)
    started = time.monotonic()
    assert wait_gone([identity], 0.1) == [identity]
    assert time.monotonic() - started < 20


def test_cpu_time_counts_work() -> None:
    """A process that computes has used CPU time; one that is gone has none."""
    me = identify(os.getpid())
    assert me is not None
    assert cpu_seconds(me) > 0
    assert cpu_seconds(Identity(me.pid, me.start_ticks + 1)) == 0

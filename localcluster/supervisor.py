"""The process that starts the parts in order, restarts what dies, and stops all in reverse order.

It is single-threaded: one selector waits for exits (a pidfd per part), for SIGTERM, for the end of
the lifeline (standard input, when the owner asks for it: then nothing outlives the owner) and for
the next deadline of a probe or a restart.
"""

import argparse
import os
import resource
import selectors
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from localcluster.commands import run, tail
from localcluster.errors import CommandFailed
from localcluster.parts import Part, PartState, SupervisorState, read_spec, write_state
from localcluster.paths import Layout
from localcluster.probes import is_ready
from localcluster.processes import Identity, identify, terminate

PROBE_INTERVAL_SECONDS = 0.1
FIRST_BACKOFF_SECONDS = 0.2
LAST_BACKOFF_SECONDS = 10.0
STABLE_AFTER_SECONDS = 30.0
LOG_LIMIT_BYTES = 20_000_000
LOG_CHECK_SECONDS = 10.0


def next_backoff(previous_seconds: float, uptime_seconds: float) -> float:
    """Seconds to wait before a restart: doubling, from the start again after a stable time."""
    if uptime_seconds >= STABLE_AFTER_SECONDS or previous_seconds == 0:
        return FIRST_BACKOFF_SECONDS
    return min(previous_seconds * 2, LAST_BACKOFF_SECONDS)


@dataclass
class _Running:
    part: Part
    child: subprocess.Popen[bytes] | None = None
    pidfd: int = -1
    identity: Identity | None = None
    started_at: float = 0.0
    start_not_before: float = 0.0
    backoff_seconds: float = 0.0
    ready: bool = False
    ever_ready: bool = False
    restarts: int = 0
    past_cpu_seconds: float = 0.0
    last_exit: str = ""

    def state(self) -> PartState:
        return PartState(self.identity, self.ready, self.restarts, self.past_cpu_seconds, self.last_exit)


@dataclass
class Supervisor:
    """Runs the parts of one layout until it is told to stop."""

    layout: Layout
    parts: list[Part]
    die_with_owner: bool = False
    _running: dict[str, _Running] = field(default_factory=dict)
    _selector: selectors.DefaultSelector = field(default_factory=selectors.DefaultSelector)
    _stopping: bool = False

    def run(self) -> None:
        """Supervise until SIGTERM, SIGINT or the end of the lifeline; then stop everything."""
        self._running = {part.name: _Running(part) for part in self.parts}
        self._listen()
        next_log_check = 0.0
        self._save()
        while not self._stopping:
            if self._start_due() | self._probe():
                self._save()
            if time.monotonic() >= next_log_check:
                bound_logs(self.layout.logs)
                next_log_check = time.monotonic() + LOG_CHECK_SECONDS
            for key, _ in self._selector.select(self._pause_seconds()):
                key.data()
        self._stop_all()
        self.layout.state.unlink(missing_ok=True)

    def _listen(self) -> None:
        reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(writer)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: None)
        self._selector.register(reader, selectors.EVENT_READ, self._stop_soon)
        if self.die_with_owner:
            self._selector.register(sys.stdin.fileno(), selectors.EVENT_READ, self._stop_soon)

    def _stop_soon(self) -> None:
        self._stopping = True

    def _start_due(self) -> bool:
        changed = False
        for item in self._running.values():
            waiting = item.child is None and time.monotonic() >= item.start_not_before
            if waiting and all(self._running[name].ever_ready for name in item.part.needs):
                self._start(item)
                changed = True
        return changed

    def _start(self, item: _Running) -> None:
        argv = list(item.part.argv)
        if self.die_with_owner:
            # The kernel ends the part when this process dies, even by SIGKILL.
            argv = ["setpriv", "--pdeathsig", "KILL", *argv]
        with (self.layout.logs / f"{item.part.name}.log").open("ab") as log:
            item.child = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, cwd="/"
            )
        item.pidfd = os.pidfd_open(item.child.pid)
        item.identity = identify(item.child.pid)
        item.started_at = time.monotonic()
        item.ready = False
        self._selector.register(item.pidfd, selectors.EVENT_READ, lambda: self._ended(item))

    def _ended(self, item: _Running) -> None:
        assert item.child is not None  # noqa: S101 - registered only while a child runs
        _, status, usage = os.wait4(item.child.pid, 0)
        item.child.returncode = os.waitstatus_to_exitcode(status)
        item.past_cpu_seconds += usage.ru_utime + usage.ru_stime
        item.last_exit = f"exit status {item.child.returncode}, {time.strftime('%H:%M:%S')}"
        item.backoff_seconds = next_backoff(item.backoff_seconds, time.monotonic() - item.started_at)
        item.start_not_before = time.monotonic() + item.backoff_seconds
        item.restarts += 1
        self._selector.unregister(item.pidfd)
        os.close(item.pidfd)
        item.child, item.identity, item.ready = None, None, False
        self._save()

    def _probe(self) -> bool:
        changed = False
        for item in self._running.values():
            if item.child is not None and not item.ready and is_ready(item.part.ready):
                item.ready = item.ever_ready = changed = True
        return changed

    def _pause_seconds(self) -> float:
        if any(not item.ready for item in self._running.values()):
            return PROBE_INTERVAL_SECONDS
        return LOG_CHECK_SECONDS

    def _save(self) -> None:
        me = identify(os.getpid())
        assert me is not None  # noqa: S101 - this process runs
        write_state(self.layout.state, SupervisorState(me, {n: i.state() for n, i in self._running.items()}))

    def _stop_all(self) -> None:
        running = {name: item.identity for name, item in self._running.items() if item.identity}
        stop_in_order(self.parts, running)


def stop_in_order(parts: list[Part], running: dict[str, Identity], *, prepare: bool = True) -> None:
    """Stop the running parts stage by stage, each stage's preparations first."""
    for stage in sorted({part.stop_stage for part in parts}):
        members = [part for part in parts if part.stop_stage == stage and part.name in running]
        for part in members:
            if prepare and part.before_stop:
                try:
                    run(part.before_stop, timeout_seconds=60)
                except CommandFailed as failure:
                    print(f"before stopping {part.name}: {failure}", file=sys.stderr, flush=True)
        grace = max((part.grace_seconds for part in members), default=0.0)
        terminate([running[part.name] for part in members], grace_seconds=grace)


def bound_logs(folder: Path) -> None:
    """Keep each log below the limit: the full one becomes `.1`, its writer goes on in the emptied file."""
    for log in folder.glob("*.log"):
        if log.stat().st_size > LOG_LIMIT_BYTES:
            log.with_suffix(".log.1").write_bytes(log.read_bytes())
            # The writers append, so they continue at the new end.
            os.truncate(log, 0)


def log_tail(folder: Path, part: str, *, lines: int = 12) -> str:
    """The last lines that a part logged."""
    log = folder / f"{part}.log"
    return tail(log.read_text(errors="replace"), lines=lines) if log.exists() else ""


def main() -> None:
    """Entry point of the supervising process."""
    arguments = argparse.ArgumentParser(prog="localcluster.supervisor")
    arguments.add_argument("data", type=Path)
    arguments.add_argument("--die-with-owner", action="store_true")
    given = arguments.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    layout = Layout(given.data)
    Supervisor(layout, read_spec(layout.spec), given.die_with_owner).run()


if __name__ == "__main__":
    main()

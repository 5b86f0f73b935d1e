"""Operators by the dozen: one process that has imported everything forks a whole operator for each request.

Starting Python and importing costs ten times the CPU of the operator's own start. What is forked is the program's
own `main`, from reading its settings on, in a process of its own: SIGKILL on it is as real as any.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

ROOT = Path(__file__).resolve().parents[2]


class Operator:
    """A forked operator.

    It is known by a pidfd: the number of a process that has ended may be another's by the time it is used.
    """

    def __init__(self, pid: int, log: Path) -> None:
        self.log = log
        self._descriptor = os.pidfd_open(pid)
        self._gone = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._descriptor, self._note_the_end)

    def send(self, number: signal.Signals) -> None:
        """Send a signal, unless it has ended already."""
        if not self._gone.is_set():
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._descriptor, number)

    async def kill(self) -> None:
        """SIGKILL, and wait for the end."""
        self.send(signal.SIGKILL)
        await self.ended()

    async def ended(self) -> None:
        """Wait until the process is no more."""
        await self._gone.wait()

    def _note_the_end(self) -> None:
        self._loop.remove_reader(self._descriptor)
        os.close(self._descriptor)
        self._gone.set()


class ForkServer:
    """The process that forks; a context manager. Whoever starts an operator has to end it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._server: subprocess.Popen[bytes] | None = None

    def start(self, name: str, kubeconfig: Path, **settings: str) -> Operator:
        """Fork an operator; called in the event loop that is going to wait for its end.

        Args:
            name: Of its log file, which is appended to.
            kubeconfig: Which API server, as whom.
            settings: ``MARQUEE_OPERATOR_*`` without the prefix, in lower case.

        """
        assert self._server is not None
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        log = self._folder / f"{name}.log"
        environment = {f"MARQUEE_OPERATOR_{key.upper()}": value for key, value in settings.items()}
        wish = {"log": str(log), "environment": {"KUBECONFIG": str(kubeconfig)} | environment}
        self._server.stdin.write(json.dumps(wish).encode() + b"\n")
        self._server.stdin.flush()
        pid = int(self._server.stdout.readline())
        return Operator(pid, log)

    def __enter__(self) -> Self:
        path = os.pathsep.join([str(ROOT / "operator"), str(ROOT)])
        self._server = subprocess.Popen(
            [sys.executable, "-m", "tests.crash.forking"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=os.environ | {"PYTHONPATH": path},
            cwd=ROOT,
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.close()
        self._server.stdout.close()
        self._server.wait(timeout=10)


def serve() -> None:
    """Fork an operator for each line of JSON that comes in, and answer with its process id."""
    from marquee.control.app import __main__ as program

    gc.freeze()  # what is shared stays shared: a collection would touch, and so copy, every page
    for line in sys.stdin.buffer:
        # Not earlier: a process that ended at once must stay a zombie until the test has opened its pidfd.
        _reap()
        wish = json.loads(line)
        pid = os.fork()
        if pid == 0:
            _become_operator(wish, program.main)
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()


def _become_operator(wish: dict[str, Any], main: Any) -> None:
    log = os.open(wish["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (log, 1), (log, 2)):
        os.dup2(source, target)
    os.environ.update(wish["environment"])
    code = 70
    try:
        code = main()
    finally:
        sys.stderr.flush()
        os._exit(code)


def _reap() -> None:
    with suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG) != (0, 0):
            pass


if __name__ == "__main__":
    serve()

"""A throw-away PostgreSQL of Debian's packages, on a Unix socket in a folder of its own; needs root to become postgres.

Nothing is made faster than in production: fsync and synchronous_commit are on.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from localcluster import packages
from localcluster.stages import Stages

_START_SECONDS: Final = 60
_DATABASE: Final = "postgres"


class Postgres:
    """A server that lives as long as the context.

    Args:
        prefix: of its command, e.g. ``("taskset", "-c", "0")``.
        parent: folder that its own folder is made in; None: the usual one for temporary files.

    """

    def __init__(self, prefix: Sequence[str] = (), *, parent: Path | None = None) -> None:
        self._prefix = tuple(prefix)
        self._parent = parent
        self._folder = Path()
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        programs = _programs()
        self._folder = Path(tempfile.mkdtemp(prefix="marquee-postgres-", dir=self._parent))
        if os.geteuid() == 0:
            shutil.chown(self._folder, "postgres")
        data = self._folder / "data"
        self._run([programs / "initdb", "-D", data, "-U", "marquee", "-A", "trust", "-E", "UTF8", "--locale=C", "-N"])
        self._program, self._data = programs, data
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.crash()  # nobody will read the files again, so nothing need be tidied up
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def url(self) -> str:
        """For the ledger's settings."""
        return f"postgresql://marquee@/{_DATABASE}?host={self._folder}"

    @property
    def data_folder(self) -> Path:
        """Where its files lie."""
        return self._data

    def start(self) -> None:
        """Start the server and wait until it answers."""
        options = [
            "-c", "listen_addresses=", "-c", f"unix_socket_directories={self._folder}", "-c", "fsync=on",
            "-c", "synchronous_commit=on", "-c", "max_wal_size=4GB", "-c", "shared_buffers=256MB",
        ]  # fmt: skip
        command = [*self._prefix, *_as_postgres(), str(self._program / "postgres"), "-D", str(self._data), *options]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd="/", start_new_session=True)
        deadline = time.monotonic() + _START_SECONDS
        ready = [str(self._program / "pg_isready"), "-h", str(self._folder), "-q"]
        while subprocess.run(ready, check=False, timeout=10).returncode != 0:
            assert self._process.poll() is None, (self._folder / "log").read_text(encoding="utf-8")
            assert time.monotonic() < deadline, "PostgreSQL does not answer"
            time.sleep(0.05)

    def stop(self) -> None:
        """Stop it as an administrator would in a hurry: open connections are cut, nothing committed is lost."""
        if self._process is not None and self._process.poll() is None:
            os.kill(self.server_pid(), signal.SIGINT)
            self._process.wait(timeout=60)

    def crash(self) -> None:
        """Kill every process of the server at once."""
        if self._process is not None and self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(timeout=60)

    def server_pid(self) -> int:
        """The postmaster's process id."""
        return int((self._data / "postmaster.pid").read_text(encoding="ascii").splitlines()[0])

    def execute(self, statement: str) -> str:
        """Run one statement with psql; its output without headings."""
        where = ["-h", str(self._folder), "-U", "marquee", "-d", _DATABASE]
        command = ["psql", *where, "-v", "ON_ERROR_STOP=1", "-Atqc", statement]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout.strip()

    def create_database(self, name: str) -> str:
        """A database of its own on this server; its URL."""
        self.execute(f"CREATE DATABASE {name}")
        return f"postgresql://marquee@/{name}?host={self._folder}"

    @staticmethod
    def _run(command: Sequence[str | Path]) -> None:
        subprocess.run(
            [*_as_postgres(), *map(str, command)], check=True, stdout=subprocess.DEVNULL, cwd="/", timeout=120
        )


def _programs() -> Path:
    """The folder of the newest server that is installed; Debian keeps it off the PATH."""
    if not (found := _installed()):
        packages.ensure(("postgresql",), Stages(quiet=True))
        found = _installed()
    return max(found, key=lambda folder: int(folder.parent.name))


def _installed() -> list[Path]:
    return [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/postgres")]


def _as_postgres() -> list[str]:
    """PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return []
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "--"]

"""Load over HTTP: one server process on one core, wrk on another, requests as JSON on kept-alive connections."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Final

from tests.bench.front.in_process import Subject
from tests.bench.front.workload import BODY

CONNECTIONS: Final = 16
START_SECONDS: Final = 60
_LATENCY: Final = re.compile(r"^\s+99%\s+([\d.]+)(us|ms|s)$", re.MULTILINE)
_REQUESTS: Final = re.compile(r"(\d+) requests in ([\d.]+)(ms|s|m)")
_MILLISECONDS: Final = {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 6e4}


@dataclass(frozen=True)
class Load:
    """What one run of the load generator saw."""

    requests_per_second: float
    p99_milliseconds: float


@dataclass(frozen=True)
class Served:
    """A running server."""

    port: int
    pids: tuple[int, ...]

    def rss_megabytes(self) -> float:
        """Resident memory of all its processes, in 10^6 bytes."""
        page = os.sysconf("SC_PAGE_SIZE")
        return sum(
            int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * page / 1e6 for pid in self.pids
        )

    def cpu_seconds(self) -> float:
        """Processor time that its processes used since they started."""
        ticks = os.sysconf("SC_CLK_TCK")
        return sum(sum(map(int, _stat(pid)[11:13])) / ticks for pid in self.pids)


@contextmanager
def serving(subject: Subject, environment: dict[str, str], folder: Path, *, core: int = 0) -> Iterator[Served]:
    """A server of its own process group, ready to answer; ended by SIGTERM."""
    port, metrics_port = _free_port(), _free_port()
    settings = {
        **environment,
        "MARQUEE_LISTEN": f"127.0.0.1:{port}",
        "MARQUEE_METRICS_LISTEN": f"127.0.0.1:{metrics_port}",
    }
    with (folder / f"{subject}.log").open("ab") as log:
        process = subprocess.Popen(
            ["taskset", "-c", str(core), *_command(subject, port)],
            env={**os.environ, **settings},
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        _wait_until_answering(port, process)
        yield Served(port, _family(process.pid))
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=30)


def apply_load(port: int, seconds: float, folder: Path, *, core: int = 1) -> Load:
    """Send requests as fast as they are answered.

    Raises:
        RuntimeError: an answer was not 2xx.

    """
    script = folder / "post.lua"
    script.write_text(
        f'wrk.method = "POST"\nwrk.headers["content-type"] = "application/json"\nwrk.body = [[{BODY.decode()}]]\n',
        encoding="utf-8",
    )
    duration = f"-d{max(1, round(seconds))}s"  # wrk takes whole seconds
    command = ["taskset", "-c", str(core), "wrk", "-t1", f"-c{CONNECTIONS}", duration, "--latency"]
    done = subprocess.run(
        [*command, "-s", str(script), f"http://127.0.0.1:{port}/predict"],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return parse_wrk(done.stdout)


def parse_wrk(text: str) -> Load:
    """Read wrk's own report; any failed request makes the run worthless."""
    if "Non-2xx" in text or "Socket errors" in text:
        raise RuntimeError(f"requests failed under load:\n{text}")
    requests, latency = _REQUESTS.search(text), _LATENCY.search(text)
    if requests is None or latency is None:
        raise RuntimeError(f"wrk's report is not understood:\n{text}")
    seconds = float(requests[2]) * _MILLISECONDS[requests[3]] / 1e3
    return Load(int(requests[1]) / seconds, float(latency[1]) * _MILLISECONDS[latency[2]])


def _command(subject: Subject, port: int) -> Sequence[str]:
    if subject == "front":
        return [sys.executable, "-m", "bentos.front"]
    if subject == "bare":
        options = ["--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning"]
        return [sys.executable, "-m", "uvicorn", "tests.bench.front.bare:app", "--port", str(port), *options]
    service = "tests.bench.front.plain_service:PlainModel"
    return [sys.executable, "-m", "bentoml", "serve", service, "--port", str(port), "--host", "127.0.0.1"]


def _wait_until_answering(port: int, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"the server left with exit code {process.returncode}")
        connection = HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("POST", "/predict", BODY, {"content-type": "application/json"})
            if connection.getresponse().status == 200:
                return
        except (OSError, HTTPException):
            pass
        finally:
            connection.close()
        time.sleep(0.1)
    raise RuntimeError(f"the server did not answer within {START_SECONDS} s")


def _family(leader: int) -> tuple[int, ...]:
    """A process and all its descendants."""
    parents = {int(path.name): _parent(int(path.name)) for path in Path("/proc").iterdir() if path.name.isdigit()}
    family = [leader]
    for pid in family:  # grows while it is walked
        family.extend(child for child, parent in parents.items() if parent == pid)
    return tuple(family)


def _parent(pid: int) -> int | None:
    try:
        return int(_stat(pid)[1])
    except OSError:
        return None


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat after the command's name, which may hold blanks."""
    return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port

"""Load over HTTP: one server process on one core, wrk on another, requests as JSON on kept-alive connections."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from pathlib import Path
from typing import Final

from tests.bench.front.in_process import Subject
from tests.bench.front.workload import BODY

CONNECTIONS: Final = 16
START_SECONDS: Final = 60
_LATENCY: Final = r"^\s+{}%\s+([\d.]+)(us|ms|s) *$"
_REQUESTS: Final = re.compile(r"(\d+) requests in ([\d.]+)(ms|s|m)")
_MILLISECONDS: Final = {"us": 1e-3, "ms": 1.0, "s": 1e3, "m": 6e4}


@dataclass(frozen=True)
class Load:
    """What one run of the load generator saw."""

    requests: int
    requests_per_second: float
    p50_milliseconds: float
    p99_milliseconds: float


@dataclass(frozen=True)
class Request:
    """What is sent again and again: JSON by POST."""

    path: str = "/predict"
    body: bytes = BODY


PREDICT: Final = Request()


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
    """One of the suite's servers, ready to answer."""
    port, metrics_port = free_port(), free_port()
    settings = {
        **environment,
        "MARQUEE_LISTEN": f"127.0.0.1:{port}",
        "MARQUEE_METRICS_LISTEN": f"127.0.0.1:{metrics_port}",
    }
    with running(command_of(subject, port), settings, folder / f"{subject}.log", port, core=core) as served:
        yield served


@contextmanager
def running(
    command: Sequence[str], environment: dict[str, str], log: Path, port: int, *, request: Request = PREDICT, core: int
) -> Iterator[Served]:
    """A server of its own process group on one core, once it answers; ended by SIGTERM."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            ["taskset", "-c", str(core), *command],
            env={**os.environ, **environment},
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        wait_until_answering(port, process.poll, request)
        yield Served(port, family(process.pid))
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
        process.wait(timeout=30)


def apply_load(
    port: int,
    seconds: float,
    folder: Path,
    *,
    core: int = 1,
    connections: int = CONNECTIONS,
    request: Request = PREDICT,
) -> Load:
    """Send requests as fast as they are answered.

    Raises:
        RuntimeError: an answer was not 2xx.

    """
    script = folder / "post.lua"
    lines = ['wrk.method = "POST"', 'wrk.headers["content-type"] = "application/json"']
    script.write_text("\n".join([*lines, f"wrk.body = [==[{request.body.decode()}]==]", ""]), encoding="utf-8")
    duration = f"-d{max(1, round(seconds))}s"  # wrk takes whole seconds
    patience = "--timeout=30s"  # who is slow is measured; after two seconds wrk would call it an error
    command = ["taskset", "-c", str(core), "wrk", "-t1", f"-c{connections}", duration, patience, "--latency"]
    done = subprocess.run(
        [*command, "-s", str(script), f"http://127.0.0.1:{port}{request.path}"],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return parse_wrk(done.stdout)


def parse_wrk(text: str) -> Load:
    """Read wrk's own report; any failed request makes the run worthless."""
    if "Non-2xx" in text or "Socket errors" in text:
        raise RuntimeError(f"requests failed under load:\n{text}")
    requests = _REQUESTS.search(text)
    p50, p99 = (re.search(_LATENCY.format(percent), text, re.MULTILINE) for percent in (50, 99))
    if requests is None or p50 is None or p99 is None:
        raise RuntimeError(f"wrk's report is not understood:\n{text}")
    seconds = float(requests[2]) * _MILLISECONDS[requests[3]] / 1e3
    p50_milliseconds, p99_milliseconds = (float(found[1]) * _MILLISECONDS[found[2]] for found in (p50, p99))
    return Load(int(requests[1]), int(requests[1]) / seconds, p50_milliseconds, p99_milliseconds)


def command_of(subject: Subject, port: int) -> Sequence[str]:
    """What starts one of the suite's servers."""
    if subject == "front":
        return [sys.executable, "-m", "bentos.front"]
    if subject == "bare":
        options = ["--loop", "uvloop", "--http", "httptools", "--no-access-log", "--log-level", "warning"]
        return [sys.executable, "-m", "uvicorn", "tests.bench.front.bare:app", "--port", str(port), *options]
    service = "tests.bench.front.plain_service:PlainModel"
    return [sys.executable, "-m", "bentoml", "serve", service, "--port", str(port), "--host", "127.0.0.1"]


def wait_until_answering(port: int, left: Callable[[], int | None], request: Request = PREDICT) -> None:
    """Ask until the answer is 200.

    Args:
        port: of the server, on the loopback.
        left: its exit code, once it has ended.
        request: what it is asked.

    """
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if (code := left()) is not None:
            raise RuntimeError(f"the server left with exit code {code}")
        connection = HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("POST", request.path, request.body, {"content-type": "application/json"})
            if connection.getresponse().status == 200:
                return
        except (OSError, HTTPException):
            pass
        finally:
            connection.close()
        time.sleep(0.1)
    raise RuntimeError(f"the server did not answer within {START_SECONDS} s")


def family(leader: int) -> tuple[int, ...]:
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


def free_port() -> int:
    """A port of the loopback that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port

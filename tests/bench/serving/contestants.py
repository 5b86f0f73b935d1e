"""The servers: how each is started on a port, and what it is asked for the same row."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from bentos.front.predictor import load_predictor
from bentos.front.runtimes.triton import TritonModel
from bentos.front.settings import Settings
from tests.bench.front.load import (
    PREDICT,
    Request,
    Served,
    command_of,
    family,
    free_port,
    running,
    wait_until_answering,
)
from tests.bench.front.workload import INPUTS
from tests.support.triton import Triton

Name = Literal["bare", "bentoml", "front", "front_triton", "triton", "kserve", "litserve"]
NAMES: Final[tuple[Name, ...]] = ("bare", "front", "bentoml", "kserve", "litserve", "triton", "front_triton")
CORE: Final = 0
BATCH_ROWS: Final = 64

_ROW: Final = list(INPUTS.values())
_BY_TENSOR: Final[dict[str, Any]] = {
    "inputs": [{"name": "inputs", "shape": [1, len(_ROW)], "datatype": "FP32", "data": _ROW}]
}
_REQUESTS: Final[dict[Name, Request]] = {
    "kserve": Request("/v1/models/bench:predict", json.dumps({"instances": [_ROW]}).encode()),
    "triton": Request("/v2/models/bench/infer", json.dumps(_BY_TENSOR).encode()),
}


@dataclass(frozen=True)
class Arena:
    """What all servers have in common.

    Args:
        folder: for logs, caches and Triton's repository.
        environment: of `tests.bench.front.workload.prepare`.
        kserve: the Python of its environment.

    """

    folder: Path
    environment: dict[str, str]
    kserve: Path


def request_of(name: Name) -> Request:
    """What a server is asked: one row of 50 numbers as JSON, in its own words."""
    return _REQUESTS.get(name, PREDICT)


@contextmanager
def serving(name: Name, arena: Arena, *, batch_rows: int = BATCH_ROWS) -> Iterator[Served]:
    """The server, all of its processes on one core, once it answers.

    Args:
        name: of the server.
        arena: what they have in common.
        batch_rows: rows that Triton joins at most; 1: it joins none.

    """
    with ExitStack() as stack:
        if name == "triton":
            yield stack.enter_context(_triton_alone(arena, batch_rows))
            return
        port, environment = free_port(), dict(arena.environment)
        beside: tuple[Triton, ...] = ()
        if name == "front_triton":
            beside = (stack.enter_context(_triton(arena, name)),)
            environment |= _beside(beside[0], batch_rows)
        environment |= {"MARQUEE_LISTEN": f"127.0.0.1:{port}", "MARQUEE_METRICS_LISTEN": f"127.0.0.1:{free_port()}"}
        log, request = arena.folder / f"{name}.log", request_of(name)
        command = _command(name, port, arena)
        served = stack.enter_context(running(command, environment, log, port, request=request, core=CORE))
        yield Served(port, (*served.pids, *(pid for triton in beside for pid in _pinned(triton))))


def _command(name: Name, port: int, arena: Arena) -> Sequence[str]:
    match name:
        case "bare" | "bentoml":
            return command_of(name, port)
        case "kserve":
            return [str(arena.kserve), str(Path(__file__).with_name("kserve_server.py")), f"--http_port={port}"]
        case "litserve":
            return [sys.executable, "-m", "tests.bench.serving.litserve_server", str(port)]
    return command_of("front", port)


@contextmanager
def _triton(arena: Arena, name: str, *options: str) -> Iterator[Triton]:
    folder = arena.folder / name
    with Triton(folder, *options) as server:
        yield server


@contextmanager
def _triton_alone(arena: Arena, batch_rows: int) -> Iterator[Served]:
    """Triton's own HTTP server; the model is put there and loaded as the front does."""
    port = free_port()
    with _triton(arena, "triton", "--allow-http=true", "--http-address=127.0.0.1", f"--http-port={port}") as server:
        settings = Settings.from_environment(_ours(arena.environment) | _beside(server, batch_rows))
        runtime = load_predictor(settings)._runtime
        assert isinstance(runtime, TritonModel)
        runtime.close()
        pids = _pinned(server)
        assert server.process is not None
        wait_until_answering(port, server.process.poll, request_of("triton"))
        yield Served(port, pids)


def _beside(server: Triton, batch_rows: int) -> dict[str, str]:
    """What a front is told of a Triton beside it."""
    return {
        "MARQUEE_TRITON": json.dumps({"backend": "python", "maxBatchSize": batch_rows}),
        "MARQUEE_TRITON_ADDRESS": server.address,
        "MARQUEE_TRITON_METRICS_ADDRESS": f"127.0.0.1:{server.metrics_port}",
        "MARQUEE_TRITON_REPOSITORY_PATH": str(server.repository),
    }


def _ours(environment: dict[str, str]) -> dict[str, str]:
    return {key: value for key, value in environment.items() if key.startswith("MARQUEE_")}


def _pinned(server: Triton) -> tuple[int, ...]:
    """The processes of a Triton that has its model, from now on the server's core alone."""
    assert server.process is not None
    pids = family(server.process.pid)
    for pid in pids:
        for thread in Path(f"/proc/{pid}/task").iterdir():
            os.sched_setaffinity(int(thread.name), {CORE})
    return pids

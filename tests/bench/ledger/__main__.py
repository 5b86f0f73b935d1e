"""``python -m tests.bench.ledger``: batches over HTTP into a ledger on one core, every acknowledgement durable.

``--quick`` shortens every part to a smoke test; its figures are no figures.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from localcluster import packages
from localcluster.stages import Stages
from tests.bench.ledger.killing import lost_after_kill
from tests.bench.ledger.load import Rate, declare, exposures, outcomes, read_all, send
from tests.bench.ledger.rollouts import fill
from tests.bench.report import Goal, write_report
from tests.support.ledger import LedgerProcess, ledger_process, master_keys
from tests.support.operator import free_port
from tests.support.postgres import Postgres

GOALS: Final[Mapping[str, Goal]] = {
    "exposures_per_second": Goal(">=", 50_000),
    "outcomes_per_second": Goal(">=", 10_000),
    "evidence_1000_rollouts_ms": Goal("<=", 100),
    "bytes_per_exposure": Goal("<=", 60),
    "lost_after_kill": Goal("<=", 0),
    "postgresql_exposures_per_second": Goal(">=", 20_000),
}
SERVER_CORE: Final = ("taskset", "-c", "0")
LOAD_CORE: Final = 1
ROLLOUTS: Final = 1_000


@dataclass(frozen=True)
class Plan:
    """How much each part sends."""

    exposure_batches: int
    outcome_batches: int
    reads: int
    kills: int


FULL: Final = Plan(exposure_batches=400, outcome_batches=40, reads=20, kills=3)
QUICK: Final = Plan(exposure_batches=20, outcome_batches=2, reads=3, kills=1)


def on_sqlite(folder: Path, plan: Plan) -> dict[str, float]:
    """All figures of the default store."""
    path = folder / "ledger.db"
    metrics: dict[str, float] = {}
    with served(folder, f"sqlite:///{path}") as ledger:
        exposed, reported = _load(ledger, plan, "sqlite")
        metrics |= _rates(exposed, reported)
        fill(ledger.url, ROLLOUTS)
        gc.collect()
        gc.freeze()  # as the operator does at its start: half of the reads were this client looking through its imports
        times = [asyncio.run(read_all(ledger.url, ROLLOUTS)) for _ in range(plan.reads)]
        metrics["evidence_1000_rollouts_ms"] = statistics.median(times)
        metrics["evidence_1000_rollouts_ms_max"] = max(times)
        metrics["rss_mb"] = _rss(ledger.process.pid)
    with served(folder, f"sqlite:///{folder / 'size.db'}") as ledger:
        asyncio.run(declare(ledger.url))
        sized = asyncio.run(send(ledger.url, exposures(plan.exposure_batches // 2), ledger.process.pid))
    metrics["bytes_per_exposure"] = (folder / "size.db").stat().st_size / sized.records
    metrics["lost_after_kill"] = sum(lost_after_kill(folder, SERVER_CORE, number) for number in range(plan.kills))
    return metrics


def on_postgresql(folder: Path, plan: Plan) -> dict[str, float]:
    """The same load with PostgreSQL on the core of the ledger."""
    with Postgres(SERVER_CORE) as server, served(folder, server.url) as ledger:
        exposed, reported = _load(ledger, plan, "postgresql")
        size = float(server.execute("SELECT pg_total_relation_size('exposures')"))
    return {
        "postgresql_exposures_per_second": exposed.per_second,
        "postgresql_outcomes_per_second": reported.per_second,
        "postgresql_bytes_per_exposure": size / exposed.records,
    }


@contextmanager
def served(folder: Path, url: str) -> Iterator[LedgerProcess]:
    """A ledger on its core, with quotas out of the way."""
    settings = {
        "database_url": url,
        "master_keys_path": str(master_keys(folder)),
        "unauthenticated": "true",
        "exposures_per_second": "1e9",
        "outcomes_per_second": "1e9",
    }
    with ledger_process(folder, settings, port=free_port(), prefix=SERVER_CORE) as ledger:
        yield ledger


def _load(ledger: LedgerProcess, plan: Plan, store: str) -> tuple[Rate, Rate]:
    """New exposures, then an outcome for some of them; the bodies are made before the clock runs."""
    asyncio.run(declare(ledger.url))
    bodies = exposures(plan.exposure_batches)
    exposed = asyncio.run(send(ledger.url, bodies, ledger.process.pid))
    _say(f"{store}: {exposed.per_second:,.0f} exposures/s, {exposed.cpu_seconds / exposed.seconds:.0%} of a core")
    reports = list(outcomes(bodies[: plan.outcome_batches]))
    reported = asyncio.run(send(ledger.url, reports, ledger.process.pid))
    _say(f"{store}: {reported.per_second:,.0f} outcomes/s, {reported.cpu_seconds / reported.seconds:.0%} of a core")
    return exposed, reported


def _rates(exposed: Rate, reported: Rate) -> dict[str, float]:
    return {
        "exposures_per_second": exposed.per_second,
        "outcomes_per_second": reported.per_second,
        "cpu_us_per_exposure": exposed.cpu_seconds / exposed.records * 1e6,
        "cpu_us_per_outcome": reported.cpu_seconds / reported.records * 1e6,
    }


def _rss(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise RuntimeError(f"process {pid} has no memory")


def main(arguments: list[str]) -> int:
    """Run the suite; the exit code says whether every goal was met. Quick figures go to a file of their own."""
    parser = argparse.ArgumentParser(prog="tests.bench.ledger", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a smoke test: little of everything")
    quick = parser.parse_args(arguments).quick
    plan = QUICK if quick else FULL
    packages.ensure(("taskset",), Stages())
    os.sched_setaffinity(0, {LOAD_CORE})
    with tempfile.TemporaryDirectory(prefix="bench-ledger-") as name:
        metrics = on_sqlite(Path(name), plan) | on_postgresql(Path(name), plan)
    met = write_report("ledger-quick" if quick else "ledger", metrics, GOALS)
    return 0 if met or quick else 1


def _say(text: str) -> None:
    print(f"[{time.perf_counter() - _started:6.1f} s] {text}", flush=True)


_started = time.perf_counter()

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""``python -m tests.bench.audit``: what the audit log promises, in figures.

``--quick`` shortens every part to a smoke test; its figures are no figures.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from localcluster.stages import Stages
from marquee.audit import verify_offline
from marquee.audit.committing import Committer
from marquee.audit.log import AuditLog
from marquee.audit.recording import Recorder
from marquee.audit.store.posix import FolderStore
from tests.bench.audit.halting import halting
from tests.bench.audit.honest import append_honestly
from tests.bench.report import Goal, write_report
from tests.support.audit.disk import KINDS
from tests.support.audit.faults import BEFORE_FULL, faults_of, try_fault
from tests.support.audit.logs import AUTHOR, KEYS, SUBJECT, event
from tests.support.audit.mutations import Bench

GOALS: Final[Mapping[str, Goal]] = {
    "mutations_tried": Goal(">=", 100_000),
    "mutations_missed": Goal("<=", 0),
    "honest_appends": Goal(">=", 1_000_000),
    "false_alarms": Goal("<=", 0),
    "durable_appends_per_second": Goal(">=", 1_000),
    "checkpoint_behind_seconds_max": Goal("<=", 1),
    "verify_million_seconds": Goal("<=", 60),
    "syscall_faults_failed": Goal("<=", 0),
    "verifier_lines": Goal("<=", 300),
    "kill_switch_seconds": Goal("<=", 5),
    "kill_switch_seconds_without_ledger": Goal("<=", 5),
    "kill_switch_failed_requests": Goal("<=", 0),
}
WAITERS: Final = 64
MODELS: Final = 100
MEMORY: Final = Path("/dev/shm")  # noqa: S108 - mutations need no disk
BATCH: Final = 500


@dataclass(frozen=True)
class Plan:
    """How much each part does."""

    mutations: int
    appends: int
    durable_seconds: float
    fault_every: int
    turns: int


FULL: Final = Plan(mutations=100_000, appends=1_000_000, durable_seconds=15, fault_every=1, turns=5)
QUICK: Final = Plan(mutations=200, appends=3_000, durable_seconds=2, fault_every=120, turns=1)


def tampering(plan: Plan) -> dict[str, float]:
    """Each mutation is shown to the offline verifier; a process a core."""
    batches = [(seed, min(BATCH, plan.mutations - seed)) for seed in range(0, plan.mutations, BATCH)]
    missed = 0
    with ProcessPoolExecutor() as pool:
        for words in pool.map(_tamper, *zip(*batches, strict=True)):
            missed += len(words)
            for word in words:
                _say(f"missed: {word}")
    _say(f"{plan.mutations:,} mutations, {missed} missed")
    return {"mutations_tried": plan.mutations, "mutations_missed": missed}


def _tamper(seed: int, count: int) -> list[str]:
    """What was missed of so many mutations."""
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as name:
        bench = Bench(Path(name))
        tried = bench.mutations(random.Random(seed), count)
        missed = [f"{mutation.kind}, {mutation.what}" for mutation in tried if not bench.is_found(mutation)]
        return missed if bench.holds() else [*missed, "the log itself is refused"]


def honesty(folder: Path, plan: Plan) -> dict[str, float]:
    """An honest log of that size."""
    found = append_honestly(folder / "honest", plan.appends)
    _say(
        f"{found.appends:,} honest appends, {found.false_alarms} false alarms, verified in {found.verify_seconds:.1f} s"
    )
    return {
        "honest_appends": found.appends,
        "false_alarms": found.false_alarms,
        "verify_million_seconds": found.verify_seconds * 1e6 / found.appends,
        "fsck_million_seconds": found.fsck_seconds * 1e6 / found.appends,
        "bytes_per_entry": found.bytes_per_entry,
    }


def durable(folder: Path, plan: Plan) -> dict[str, float]:
    """Events of many models at once, each signed, written and flushed before its waiter goes on."""
    committer = Committer(AuditLog(FolderStore(folder / "durable"), KEYS))
    committer.start()
    recorder, latencies = Recorder(committer, AUTHOR), list[float]()
    deadline = time.perf_counter() + plan.durable_seconds

    def wait(number: int) -> None:
        while (started := time.perf_counter()) < deadline:
            recorder.record(f"growth/model-{number % MODELS}", event(), [SUBJECT])
            latencies.append(time.perf_counter() - started)

    with ThreadPoolExecutor(WAITERS) as pool:
        list(pool.map(wait, range(WAITERS)))
    per_second = len(latencies) / plan.durable_seconds
    counters = committer.counters
    committer.stop()
    median = sorted(latencies)[len(latencies) // 2] * 1e3
    _say(f"{per_second:,.0f} durable appends/s, {len(latencies) / counters.groups:.0f} a write, median {median:.1f} ms")
    return {
        "durable_appends_per_second": per_second,
        "durable_append_ms_median": median,
        "entries_per_write": len(latencies) / counters.groups,
        "checkpoint_behind_seconds_max": counters.behind_seconds_max,
    }


def faults(plan: Plan) -> dict[str, float]:
    """Every file call of a log's story goes wrong in every way; in a new log, and where a tile becomes full."""
    all_of_them = [
        (fault, existing)
        for existing in (0, BEFORE_FULL)
        for kind in KINDS
        for fault in faults_of(kind, existing, every=plan.fault_every)
    ]
    tried = failed = 0
    with ProcessPoolExecutor() as pool:
        for outcome in pool.map(try_fault, *zip(*all_of_them, strict=True), chunksize=16):
            tried += outcome.happened
            failed += bool(outcome.problems)
            for problem in outcome.problems[:1]:
                _say(f"{outcome.fault}: {problem}")
    _say(f"{tried:,} faults, {failed} failed")
    return {"syscall_faults_tried": tried, "syscall_faults_failed": failed}


def main(arguments: list[str]) -> int:
    """Run the suite; the exit code says whether every goal was met. Quick figures go to a file of their own."""
    parser = argparse.ArgumentParser(prog="tests.bench.audit", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a smoke test: little of everything")
    quick = parser.parse_args(arguments).quick
    plan = QUICK if quick else FULL
    with tempfile.TemporaryDirectory(prefix="bench-audit-") as name:
        metrics = durable(Path(name), plan) | honesty(Path(name), plan) | tampering(plan) | faults(plan)
    metrics |= halting(plan.turns, Stages())
    lines = Path(verify_offline.__file__).read_text(encoding="utf-8").splitlines()
    metrics["verifier_lines"] = len(lines)
    met = write_report("audit-quick" if quick else "audit", metrics, GOALS)
    return 0 if met or quick else 1


def _say(text: str) -> None:
    print(f"[{time.perf_counter() - _started:6.1f} s] {text}", flush=True)


_started = time.perf_counter()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

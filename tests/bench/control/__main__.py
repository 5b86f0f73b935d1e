"""``python -m tests.bench.control [--quick]``: prints the table and writes ``build/bench/control.json``."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from collections import defaultdict
from statistics import median
from typing import Final

from localcluster.errors import LocalClusterError
from localcluster.stages import Stages
from localcluster.toolchain import ensure_binaries
from tests.bench.control import isolation
from tests.bench.control.rounds import Round, Sizes, run_round
from tests.bench.report import Goal, write_report

GOALS: Final = {
    "ready_200_over_floor": Goal("<=", 1.2),
    "ready_1000_over_floor": Goal("<=", 1.2),
    "cpu_ms_per_model": Goal("<=", 15),
    "reads_per_model": Goal("<=", 1),
    "apiserver_cpu_ms_per_model": Goal("<=", 150),
    "resync_writes": Goal("<=", 0),
    "restart_writes": Goal("<=", 0),
    "upgrade_writes": Goal("<=", 0),
    "update_one_seconds": Goal("<=", 0.3),
    "rss_mb_1000": Goal("<=", 150),
}
WRITES_BEYOND_CHILDREN: Final = 2


def main() -> int:
    """Run the suite; exit code 1 when a goal is missed."""
    parser = argparse.ArgumentParser(prog="tests.bench.control", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one round with 20 and 50 models: does it run at all?")
    arguments = parser.parse_args()
    stages = Stages()
    try:
        ensure_binaries(stages)  # may fetch: before the network is cut off
        isolation.enter(sys.argv[1:])
        sizes = Sizes(small=20, large=50, changes=3) if arguments.quick else Sizes(small=200, large=1000, changes=11)
        rounds = asyncio.run(_run(sizes, stages, rounds=1 if arguments.quick else 3))
    except LocalClusterError as error:
        print(f"bench-control: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 128 + signal.SIGINT
    except asyncio.CancelledError:
        return 128 + signal.SIGTERM
    return _report(rounds, quick=arguments.quick)


async def _run(sizes: Sizes, stages: Stages, *, rounds: int) -> list[Round]:
    this = asyncio.current_task()
    assert this is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, this.cancel)  # so that what was started is ended
    found = []
    for number in range(rounds):
        stages.say(f"round {number + 1} of {rounds}")
        found.append(await run_round(sizes, stages))
    return found


def _report(rounds: list[Round], *, quick: bool) -> int:
    """Medians over the rounds; the quick run's figures carry no promise and go to a file of their own."""
    collected: dict[str, list[float]] = defaultdict(list)
    for one in rounds:
        for key, value in one.metrics().items():
            collected[key].append(value)
    metrics = {key: median(values) for key, values in collected.items()}
    goals = GOALS | {"writes_per_model": Goal("<=", metrics["children_per_model"] + WRITES_BEYOND_CHILDREN)}
    met = write_report("control-quick" if quick else "control", metrics, {} if quick else goals)
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())

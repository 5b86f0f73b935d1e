"""Whatever happens to the links and the processes: never two leaders, and in the end there is one."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.examples import examples
from tests.unit.control.cluster.lease_api import LeaseServer
from tests.unit.control.cluster.test_lease import Process
from tests.unit.control.runtime.virtual_time import VirtualTimeLoop, run_virtually

NAMES = ("a", "b", "c")


@dataclass(frozen=True)
class Fault:
    """After a pause, something happens to one process, the Lease, or all."""

    pause: float
    kind: str
    who: int
    seconds: float


faults = st.builds(
    Fault,
    st.floats(0, 12).map(lambda value: round(value, 1)),
    st.sampled_from(["cut", "lose", "slow", "unwatch", "die", "stop", "edit", "stall"]),
    st.integers(0, len(NAMES) - 1),
    st.floats(0.1, 30).map(lambda value: round(value, 1)),
)


class Cluster:
    """Three replicas; one that ended is started anew, as its Deployment would."""

    def __init__(self) -> None:
        self.server = LeaseServer()
        self.processes = {name: Process(self.server, name) for name in NAMES}
        self.starts = 0
        self.healing: set[asyncio.Task[None]] = set()
        for name in NAMES:
            self.restart(name)

    def restart(self, name: str) -> None:
        self.starts += 1
        self.processes[name] = Process(self.server, f"{name}-{self.starts}").start()

    def leaders(self) -> list[str]:
        return [name for name, process in self.processes.items() if process.election.is_leader]

    async def hit(self, fault: Fault) -> None:
        name = NAMES[fault.who]
        process = self.processes[name]
        link = process.link
        if fault.kind == "cut":
            link.is_cut = True
        elif fault.kind == "lose":
            link.loses_answers = True
        elif fault.kind == "slow":
            link.delay_seconds = fault.seconds / 10
        elif fault.kind == "unwatch":
            link.watch_is_forbidden = True
        elif fault.kind == "die":
            await process.die()
        elif fault.kind == "stop":
            await process.stop()
        elif fault.kind == "edit" and self.server.lease is not None:
            await self.server.write(self.server.lease)
        elif fault.kind == "stall":
            loop = asyncio.get_running_loop()
            assert isinstance(loop, VirtualTimeLoop)
            loop._jumping.now += fault.seconds
        task = asyncio.create_task(self._heal(process, fault.seconds))
        self.healing.add(task)
        task.add_done_callback(self.healing.discard)

    async def _heal(self, process: Process, seconds: float) -> None:
        await asyncio.sleep(seconds)
        process.link.is_cut = process.link.loses_answers = process.link.watch_is_forbidden = False
        process.link.delay_seconds = 0.0

    async def watch_over(self) -> None:
        """Look several times a second that at most one leads; start what has ended."""
        while True:
            leaders = self.leaders()
            assert len(leaders) <= 1, f"two leaders: {leaders}"
            for name, process in self.processes.items():
                if process.task is not None and process.task.done():
                    if not process.task.cancelled():
                        process.task.exception()
                    self.restart(name)
            await asyncio.sleep(0.05)


async def play(script: list[Fault]) -> None:
    cluster = Cluster()
    guard = asyncio.create_task(cluster.watch_over())
    for fault in script:
        await asyncio.sleep(fault.pause)
        await cluster.hit(fault)
        assert not guard.done(), guard.exception()
    await asyncio.sleep(120)
    assert not guard.done(), guard.exception()
    assert len(cluster.leaders()) == 1, "nobody leads though all is well again"
    guard.cancel()
    for process in cluster.processes.values():
        await process.stop()


@settings(max_examples=examples(30), deadline=None)
@given(st.lists(faults, max_size=12))
def test_never_two_leaders_and_finally_one(script: list[Fault]) -> None:
    """Through cuts, lost answers, slow links, crashes, restarts, edits and stalls."""
    run_virtually(play(script))

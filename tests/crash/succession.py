"""A leader that falls silent in the middle of a rollout, and the standby that has to wait until its Lease runs out.

The waiting takes a quarter of a minute and no CPU.
"""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final, Self

from tests.crash.bench import Bench
from tests.crash.forking import Operator
from tests.crash.proxy import Proxy, Reply, Write
from tests.crash.runs import WATCHES
from tests.crash.scenarios import UPDATE, serving_worlds
from tests.crash.traffic import troubles
from tests.crash.world import World

LEASE_SECONDS: Final = 15.0
"""The operator's own; a standby may take it that long after the leader's last word."""

_SWITCH: Final = "PATCH services/lead"
_PATIENCE_SECONDS: Final = 60.0


class End(Enum):
    """What happens to the leader when it switches users to the new revision."""

    KILLED_BEFORE = "killed before the switch"
    KILLED_AFTER = "killed after the switch"
    STOPPED_AFTER = "stopped after the switch, and continued when another leads"


@dataclass
class Succession:
    """One leader, one standby, one namespace in which a rollout begins."""

    bench: Bench
    end: End
    world: World
    silent_at: float = 0.0
    taken_over_at: float = 0.0
    early_writes: list[Write] = field(default_factory=list)
    """Of the standby, while it had no right to."""
    late_writes: list[Write] = field(default_factory=list)
    """Of the leader, when it had lost that right."""
    troubles: list[str] = field(default_factory=list)
    dump: dict[str, Any] = field(default_factory=dict)

    async def play(self) -> Self:
        """From the rollout's beginning to its end under the second leader."""
        plane, folder, namespace = self.bench.cluster.plane, self.bench.folder, self.world.namespace
        first, second = (Proxy(plane, folder, f"{namespace}-{name}") for name in ("first", "second"))
        async with first, second:
            leader = self._operator(first)
            try:
                await self._until(lambda: first.watches == WATCHES, "the leader is ready")
                standby = self._operator(second)
                try:
                    await self._until(lambda: second.watches == WATCHES + 1, "the standby watches the Lease too")
                    await self._roll_out(leader, first, second)
                finally:
                    await standby.kill()
            finally:
                await leader.kill()
        self.troubles = troubles(self.bench.observatory.history(namespace))
        return self

    async def _roll_out(self, leader: Operator, first: Proxy, second: Proxy) -> None:
        async def silence(write: Write) -> None:
            if write.what == _SWITCH and not self.silent_at:
                self.silent_at = time.monotonic()
                self.early_writes = list(second.writes)
                if self.end is End.STOPPED_AFTER:
                    leader.send(signal.SIGSTOP)
                else:
                    await leader.kill()

        async def before(write: Write) -> Reply | None:
            if self.end is not End.KILLED_BEFORE:
                return None
            await silence(write)
            return Reply(503, {}) if self.silent_at else None

        async def note(_: Write) -> Reply | None:
            self.taken_over_at = self.taken_over_at or time.monotonic()
            return None

        first.before, first.after, second.before = before, silence, note
        await UPDATE.provoke(self.world)
        await UPDATE.settled(self.world)
        self.dump = self.world.dump()
        written = len(first.writes)
        leader.send(signal.SIGCONT)
        async with asyncio.timeout(_PATIENCE_SECONDS):
            await leader.ended()
        self.late_writes = first.writes[written:]

    def _operator(self, proxy: Proxy) -> Operator:
        return self.bench.operator(proxy.kubeconfig, self.world.namespace, lease_name="shared")

    async def _until(self, holds: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while not holds():
            assert time.monotonic() < deadline, f"{self.end.value}: not in {_PATIENCE_SECONDS:g} s: {what}"
            await asyncio.sleep(0.1)


async def succeed(bench: Bench) -> dict[End, Succession]:
    """All ways at the same time."""
    worlds = await serving_worlds(bench, len(End))
    plays = [Succession(bench, end, world).play() for end, world in zip(End, worlds, strict=True)]
    return {succession.end: succession for succession in await asyncio.gather(*plays)}

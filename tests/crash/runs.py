"""One run: an operator is struck at its n-th write, a fresh one takes over, and the world must come out the same."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from tests.crash.api import Api
from tests.crash.forking import ForkServer, Operator
from tests.crash.observatory import Observatory
from tests.crash.proxy import Proxy, Reply, Write
from tests.crash.traffic import LABEL, troubles
from tests.crash.world import World
from tests.support.simulation import SimulatedCluster

AT_ONCE: Final = 5
"""Runs side by side: while one waits for pods, another's operator starts."""

_numbers = itertools.count(1)


class Moment(StrEnum):
    """When the operator is struck."""

    BEFORE = "before"
    """The write never reaches the API server."""
    AFTER = "after"
    """It is done, and the operator never hears of it."""


@dataclass(frozen=True, slots=True)
class Strike:
    """Which write, and when."""

    number: int
    moment: Moment

    def __str__(self) -> str:
        return f"{self.moment.value} write {self.number}"


@dataclass(frozen=True, slots=True)
class Scenario:
    """What people do, and how the world looks when it is done."""

    provoke: Callable[[World], Awaitable[None]]
    settled: Callable[[World], Awaitable[None]]
    at_the_strike: Callable[[World], Awaitable[None]] | None = None
    """Done at the moment of the strike, before the write goes on its way."""
    kills: bool = True


@dataclass(slots=True)
class Outcome:
    """What came of a run."""

    strike: Strike | None
    dump: dict[str, Any]
    writes: list[Write]
    """Of the operator that was struck."""
    struck: Write | None
    troubles: list[str]
    """Moments at which users were not looked after."""

    def __str__(self) -> str:
        return f"{self.strike or 'undisturbed'} ({self.struck.what if self.struck else 'no such write'})"


@dataclass
class Bench:
    """What all runs share."""

    cluster: SimulatedCluster
    forks: ForkServer
    folder: Path
    api: Api
    observatory: Observatory
    turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))

    async def world(self) -> World:
        """A new namespace."""
        name = f"crash-{next(_numbers)}"
        await self.api.send("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
        return World(self.api, self.observatory, name)

    def operator(self, kubeconfig: Path, namespace: str = "", **settings: str) -> Operator:
        """A fresh operator for one namespace, or for all, with a Lease of its own: it need not wait for the dead one's."""
        number = next(_numbers)
        settings = {
            "watch_namespaces": namespace,
            "pod_namespace": namespace or "default",
            "pod_name": f"operator-{number}",
            "lease_name": f"operator-{number}",
            "http_host": "127.0.0.1",
            "http_port": "0",
        } | settings
        return self.forks.start(f"operator-{number}", kubeconfig, **settings)

    async def play(self, scenario: Scenario, world: World, strike: Strike | None) -> Outcome:
        """One run, from what people do to the dump of what has become of it."""
        async with self.turns, Proxy(self.cluster.plane, self.folder, world.namespace) as proxy:
            return await _Run(self, scenario, world, strike, proxy).play()

    async def play_all(
        self, scenario: Scenario, worlds: Sequence[World], strikes: Sequence[Strike | None]
    ) -> list[Outcome]:
        """A run in each of the worlds; raises when one fails, after all have ended."""
        runs = [self.play(scenario, world, strike) for world, strike in zip(worlds, strikes, strict=True)]
        outcomes = await asyncio.gather(*runs, return_exceptions=True)
        failures = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
        if failures:
            raise BaseExceptionGroup(f"{len(failures)} of {len(outcomes)} runs failed", failures)
        return [outcome for outcome in outcomes if isinstance(outcome, Outcome)]


class _Run:
    def __init__(self, bench: Bench, scenario: Scenario, world: World, strike: Strike | None, proxy: Proxy) -> None:
        self.bench, self.scenario, self.world, self.strike, self.proxy = bench, scenario, world, strike, proxy
        self.struck: Write | None = None
        self.done = asyncio.Event()
        self.pointed: set[str] = set()
        self.troubles: list[str] = []
        self.operator = bench.operator(proxy.kubeconfig, world.namespace)
        proxy.before, proxy.after = self._before, self._after

    async def play(self) -> Outcome:
        try:
            await self.scenario.provoke(self.world)
            await self._until_struck_or_settled()
            writes = len(self.proxy.writes)
            if self.done.is_set() and self.scenario.kills:
                self.operator = self.bench.operator(self.proxy.kubeconfig, self.world.namespace)
            await self.scenario.settled(self.world)
            dump = self.world.dump()
        except AssertionError as error:
            error.add_note(f"struck {self.strike}: {self.struck.what if self.struck else 'never'}")
            error.add_note(f"log: {self.operator.log.read_text()[-3000:]}")
            raise
        finally:
            self.operator.kill()
            await self.operator.ended()
        found = self.troubles + troubles(self.bench.observatory.history(self.world.namespace))
        return Outcome(self.strike, dump, self.proxy.writes[:writes], self.struck, found)

    async def _until_struck_or_settled(self) -> None:
        waits = [asyncio.create_task(self.done.wait()), asyncio.create_task(self.scenario.settled(self.world))]
        if self.strike is None:
            waits.pop(0).cancel()
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        await asyncio.wait(waits)
        if self.struck is not None:
            await self.done.wait()
        elif not waits[-1].cancelled():
            waits[-1].result()

    async def _before(self, write: Write) -> Reply | None:
        self._note_where_traffic_goes(write)
        if not self._is_due(write):
            return None
        self.struck = write
        if self.scenario.at_the_strike is not None:
            await self.scenario.at_the_strike(self.world)
        if self.strike is not None and self.strike.moment is Moment.BEFORE:
            await self._kill()
            return Reply(503, {}) if self.scenario.kills else None
        return None

    async def _after(self, write: Write) -> Reply | None:
        if write is self.struck:
            await self._kill()
        return None

    def _is_due(self, write: Write) -> bool:
        return self.struck is None and self.strike is not None and write.number == self.strike.number

    async def _kill(self) -> None:
        if self.scenario.kills:
            self.operator.kill()
            await self.operator.ended()
        self.done.set()

    def _note_where_traffic_goes(self, write: Write) -> None:
        """Users may be sent to a revision only when it is their first, or has proven itself."""
        selector = write.body.get("spec", {}).get("selector", {}) if "/services/" in write.path else {}
        if (revision := selector.get(LABEL)) is None:
            return
        self.pointed.add(revision)
        proven = self.bench.cluster.predictors.proven[self.world.namespace, revision] > 0
        if len(self.pointed) > 1 and not proven:
            self.troubles.append(f"{write.what} sends users to {revision}, which has not proven itself")

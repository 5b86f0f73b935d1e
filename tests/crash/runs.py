"""One run: something happens to an operator at one of its writes, and the world must come out the same all the same."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from tests.crash.bench import Bench
from tests.crash.entries import Entries
from tests.crash.forking import Operator
from tests.crash.proxy import Proxy, Reply, Write
from tests.crash.traffic import LABEL, is_of_an_arm, troubles
from tests.crash.world import World

WATCHES: Final = 16
"""Of an operator of one namespace that is ready: eleven kinds of children, trainers' pods, and four of our own."""

_PATIENCE_SECONDS: Final = 180.0
_POLL_SECONDS: Final = 0.05


@dataclass(frozen=True, slots=True)
class Scenario:
    """What people do, and how the world looks when it is done."""

    provoke: Callable[[World], Awaitable[None]]
    settled: Callable[[World], Awaitable[None]]
    settings: Mapping[str, str] = field(default_factory=dict)
    """The operator's."""


@dataclass(frozen=True, slots=True)
class Blow:
    """What happens at a write."""

    name: str
    before: Callable[[Run, Write], Awaitable[Reply | None]] | None = None
    """On its way to the API server; what it returns is the answer, and the server never hears of the write."""
    after: Callable[[Run, Write], Awaitable[None]] | None = None
    """When the server has done it and the operator has not heard of it."""
    kills: bool = False
    """Whether the operator ends by it: the run is then over only when another one is there."""


@dataclass(frozen=True, slots=True)
class Strike:
    """A blow at one write, known by what it writes: `Write.what`, and at which time."""

    blow: Blow
    what: str = ""
    """Empty: at each write."""
    time: int = 1

    def __str__(self) -> str:
        return f"{self.blow.name} at {self.what or 'each write'} ({self.time})"


def strikes_at(writes: Sequence[Write], blow: Blow) -> list[Strike]:
    """A strike at each of the writes of an undisturbed run.

    Not simply at the n-th: how often a status is written on the way depends on who is quicker, and one time more or
    less would leave another write unstruck.
    """
    seen: Counter[str] = Counter()
    strikes = []
    for write in writes:
        seen[write.what] += 1
        strikes.append(Strike(blow, write.what, seen[write.what]))
    return strikes


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a run."""

    strike: Strike | None
    struck: Write | None
    dump: dict[str, Any]
    writes: list[Write]
    operators: int
    """Processes that it took."""
    troubles: list[str]
    """Moments at which users were not looked after, or traffic changed without an entry."""
    entries: list[str]
    """What the audit log has of the model."""

    def __str__(self) -> str:
        return f"{self.strike or 'undisturbed'}{'' if self.struck else ', never struck'}"


class Run:
    """A world, an operator that is started again whenever it ends, and the proxy between it and the API server."""

    def __init__(self, bench: Bench, world: World, strike: Strike | None) -> None:
        self.world = world
        self.proxy = Proxy(bench.cluster.plane, bench.folder, world.namespace, bench.ledger.url)
        self.operator: Operator | None = None
        self._bench = bench
        self._strike = strike
        self._struck: Write | None = None
        self._over = asyncio.Event()
        self._operators = 0
        self._pointed: set[str] = set()
        self._troubles: list[str] = []
        self._entries = Entries(bench.ledger)
        self._enters = False

    async def play(self, scenario: Scenario) -> Outcome:
        """From what people do to what has become of it."""
        self._enters = "audit_key_path" in scenario.settings
        async with self._bench.turns, self.proxy:
            self.proxy.before, self.proxy.after = self._before, self._after
            keeper = asyncio.create_task(self._keep_an_operator(scenario.settings))
            try:
                await scenario.provoke(self.world)
                await self._until_struck_or(scenario)
                await self._until_replaced()
                await scenario.settled(self.world)
                dump = self.world.dump()
            except AssertionError as error:
                error.add_note(f"{self._strike}{'' if self._struck else ', never struck'}")
                error.add_note(self.operator.log.read_text()[-3000:] if self.operator else "no operator")
                raise
            finally:
                keeper.cancel()
                await asyncio.wait([keeper])
                await self.kill()
        found = self._troubles + troubles(self._bench.observatory.history(self.world.namespace))
        entries = self._entries.all(self.world.namespace)
        return Outcome(self._strike, self._struck, dump, self.proxy.writes, self._operators, found, entries)

    async def kill(self) -> None:
        """SIGKILL, and wait for the end."""
        if self.operator is not None:
            await self.operator.kill()
            self.proxy.cut_watches()  # it has nobody to tell any more

    async def _keep_an_operator(self, settings: Mapping[str, str]) -> None:
        """What a Deployment does in a cluster."""
        if "audit_key_path" in settings:
            settings = {**settings, "audit_url": self.proxy.audit_url}
        while True:
            self.operator = self._bench.operator(self.proxy.kubeconfig, self.world.namespace, **settings)
            self._operators += 1
            await self.operator.ended()

    async def _until_struck_or(self, scenario: Scenario) -> None:
        """A run may need fewer writes than another: it is over then, without a blow."""
        waits = [asyncio.ensure_future(scenario.settled(self.world))]
        if self._strike is not None and self._strike.what:
            waits.append(asyncio.ensure_future(self._wait_over()))
        done, pending = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in pending:
            wait.cancel()
            with suppress(asyncio.CancelledError):
                await wait
        for wait in done:
            wait.result()

    async def _until_replaced(self) -> None:
        if self._struck is None or self._strike is None or not self._strike.blow.kills:
            return
        deadline = asyncio.get_running_loop().time() + _PATIENCE_SECONDS
        while self._operators < 2 or self.proxy.watches < WATCHES:
            assert asyncio.get_running_loop().time() < deadline, "no second operator is ready"
            await asyncio.sleep(_POLL_SECONDS)

    async def _wait_over(self) -> None:
        await self._over.wait()

    async def _before(self, write: Write) -> Reply | None:
        self._note_where_users_go(write)
        if self._enters:
            self._troubles += self._entries.missing_before(write, self.world.namespace)
        if not self._is_due(write):
            return None
        assert self._strike is not None
        self._struck = write
        reply = None
        if self._strike.blow.before is not None:
            reply = await self._strike.blow.before(self, write)
        if self._strike.blow.after is None:
            self._over.set()
        return reply

    async def _after(self, write: Write) -> None:
        if write is self._struck and self._strike is not None and self._strike.blow.after is not None:
            await self._strike.blow.after(self, write)
            self._over.set()

    def _is_due(self, write: Write) -> bool:
        if self._strike is None or not self._strike.what:
            return self._strike is not None
        times = sum(earlier.what == self._strike.what for earlier in self.proxy.writes)
        return write.what == self._strike.what and times == self._strike.time

    def _note_where_users_go(self, write: Write) -> None:
        """They may be sent to a revision only when it is their first, or has proven itself."""
        if "/services" not in write.path or is_of_an_arm(write.body):
            return
        if (revision := write.body.get("spec", {}).get("selector", {}).get(LABEL)) is None:
            return
        self._pointed.add(revision)
        proven = self._bench.cluster.predictors.proven[self.world.namespace, revision] > 0
        if len(self._pointed) > 1 and not proven:
            self._troubles.append(f"{write.what} sends users to {revision}, which has not proven itself")


async def play_all(
    bench: Bench, scenario: Scenario, worlds: Sequence[World], strikes: Sequence[Strike | None]
) -> list[Outcome]:
    """A run in each of the worlds; raises when one fails, after all have ended."""
    runs = [Run(bench, world, strike).play(scenario) for world, strike in zip(worlds, strikes, strict=True)]
    outcomes = await asyncio.gather(*runs, return_exceptions=True)
    failures = [outcome for outcome in outcomes if isinstance(outcome, BaseException)]
    if failures:
        raise BaseExceptionGroup(f"{len(failures)} of {len(outcomes)} runs failed", failures)
    return [outcome for outcome in outcomes if isinstance(outcome, Outcome)]

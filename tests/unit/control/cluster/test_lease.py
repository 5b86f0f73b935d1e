from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from typing import Any

import pytest

from marquee.control.cluster.errors import LeadershipLost
from marquee.control.cluster.lease import LeaderElection, LeaseSettings
from marquee.control.runtime.clock import monotonic_seconds
from tests.unit.control.cluster.lease_api import LeaseLink, LeaseServer
from tests.unit.control.runtime.virtual_time import VirtualTimeLoop, run_virtually


class Process:
    """One replica of the operator: leads until told otherwise, and notes when."""

    def __init__(self, server: LeaseServer, name: str, **settings: Any) -> None:
        self.link = LeaseLink(server)
        self.election = LeaderElection(
            self.link,
            namespace="ns",
            name="x",
            identity=name,
            settings=LeaseSettings(**settings),
            rng=random.Random(name),
        )
        self.led_at: float | None = None
        self.ended_at: float | None = None
        self.work: Callable[[], Awaitable[None]] = lambda: asyncio.sleep(1e9)
        self.task: asyncio.Task[None] | None = None

    def start(self) -> Process:
        self.task = asyncio.create_task(self.election.run(self._lead))
        return self

    async def _lead(self) -> None:
        self.led_at = monotonic_seconds()
        try:
            await self.work()
        finally:
            self.ended_at = monotonic_seconds()

    async def stop(self) -> None:
        """Shut down cleanly, as on SIGTERM."""
        assert self.task is not None
        self.task.cancel()
        with suppress(asyncio.CancelledError, LeadershipLost):
            await self.task

    async def die(self) -> None:
        """End without giving anything back."""
        self.link.is_cut = True
        await self.stop()


def virtually(scenario: Callable[[LeaseServer], Coroutine[Any, Any, None]]) -> None:
    async def main() -> None:
        await scenario(LeaseServer())

    run_virtually(main())


def test_the_first_leads_at_once() -> None:
    """Without a Lease the first process creates it and leads without waiting."""

    async def scenario(server: LeaseServer) -> None:
        first = Process(server, "first").start()
        await asyncio.sleep(0.1)
        assert first.led_at == 0
        assert first.election.is_leader
        assert server.lease is not None
        assert server.lease["spec"] | {"acquireTime": "", "renewTime": ""} == {
            "holderIdentity": "first",
            "leaseDurationSeconds": 15,
            "leaseTransitions": 1,
            "acquireTime": "",
            "renewTime": "",
        }
        await first.stop()

    virtually(scenario)


def test_a_standby_waits_without_asking() -> None:
    """While a leader renews, a standby neither leads nor polls: it watches."""

    async def scenario(server: LeaseServer) -> None:
        first, second = Process(server, "first").start(), Process(server, "second")
        await asyncio.sleep(0.1)
        second.start()
        await asyncio.sleep(3600)
        assert second.led_at is None
        assert not second.election.is_leader
        assert 3600 / 5 <= first.link.calls["PUT"] <= 3600 / 4.5 + 1
        assert second.link.calls["GET"] + second.link.calls["WATCH"] <= 2
        assert (second.link.calls["PUT"], second.link.calls["POST"]) == (0, 0)
        await first.stop()
        await second.stop()

    virtually(scenario)


def test_a_clean_end_hands_over_at_once() -> None:
    """A leader that is shut down gives the Lease back, and the standby leads right away."""

    async def scenario(server: LeaseServer) -> None:
        first, second = Process(server, "first").start(), Process(server, "second")
        await asyncio.sleep(1)
        second.start()
        await asyncio.sleep(99)
        await first.stop()
        await asyncio.sleep(0.1)
        assert first.ended_at == 100
        assert second.led_at == 100
        assert not first.election.is_leader
        await second.stop()
        assert server.holder == ""

    virtually(scenario)


def test_a_crashed_leader_is_replaced_after_its_lease() -> None:
    """A leader that vanishes is replaced once the Lease was unchanged for its duration, not earlier."""

    async def scenario(server: LeaseServer) -> None:
        first, second = Process(server, "first").start(), Process(server, "second")
        await asyncio.sleep(1)
        second.start()
        await asyncio.sleep(99)
        await first.die()
        await asyncio.sleep(30)
        assert second.led_at is not None
        assert 100 - 5 + 15 <= second.led_at <= 100 + 15.1
        await second.stop()

    virtually(scenario)


def test_of_standbys_that_wake_at_once_one_leads() -> None:
    """When the leader vanishes, all standbys find the Lease free at the same moment; the fence lets one through."""

    async def scenario(server: LeaseServer) -> None:
        first = Process(server, "first").start()
        await asyncio.sleep(1)
        standbys = [Process(server, f"standby-{n}").start() for n in range(5)]
        await asyncio.sleep(20)
        await first.die()
        await asyncio.sleep(30)
        assert sum(process.election.is_leader for process in standbys) == 1
        assert sum(process.led_at is not None for process in standbys) == 1
        for process in standbys:
            await process.stop()

    virtually(scenario)


def test_the_other_side_s_clock_does_not_matter() -> None:
    """A Lease with a renewTime of years ago binds as long as it keeps changing."""

    async def scenario(server: LeaseServer) -> None:
        first = Process(server, "first").start()
        await asyncio.sleep(1)
        second = Process(server, "second").start()
        for _ in range(20):
            await asyncio.sleep(5)
            assert server.lease is not None
            server.lease["spec"]["renewTime"] = "1999-01-01T00:00:00.000000Z"
        assert second.led_at is None
        await first.stop()
        await second.stop()

    virtually(scenario)


def test_a_holder_s_longer_duration_is_kept() -> None:
    """A standby with a shorter duration waits as long as the Lease itself says."""

    async def scenario(server: LeaseServer) -> None:
        first = Process(server, "first", duration_seconds=60).start()
        await asyncio.sleep(1)
        second = Process(server, "second").start()
        await asyncio.sleep(1)
        await first.die()
        await asyncio.sleep(200)
        assert second.led_at is not None
        assert second.led_at >= 60
        await second.stop()

    virtually(scenario)


def test_a_cut_off_leader_stops_before_another_starts() -> None:
    """A leader that cannot renew stops believing in itself, ends its work and raises, all before the standby leads."""

    async def scenario(server: LeaseServer) -> None:
        first, second = Process(server, "first").start(), Process(server, "second").start()
        await asyncio.sleep(20)
        first.link.is_cut = True
        assert first.task is not None
        with pytest.raises(LeadershipLost, match="ns/x could not be renewed within 10 s"):
            await first.task
        assert first.ended_at is not None
        assert 25 <= first.ended_at <= 30.1
        assert not first.election.is_leader
        assert second.led_at is None
        await asyncio.sleep(30)
        assert second.led_at is not None
        assert second.led_at > first.ended_at + 2
        await second.stop()

    virtually(scenario)


def test_a_short_outage_changes_nothing() -> None:
    """An API server that is away for some seconds costs nobody the lead."""

    async def scenario(server: LeaseServer) -> None:
        first, second = Process(server, "first").start(), Process(server, "second").start()
        for _ in range(20):
            await asyncio.sleep(20)
            first.link.is_cut = second.link.is_cut = True
            await asyncio.sleep(4)
            first.link.is_cut = second.link.is_cut = False
        assert (first.led_at, first.ended_at, second.led_at) == (0, None, None)
        await first.stop()
        await second.stop()

    virtually(scenario)


def test_a_lost_answer_to_a_renewal_is_no_loss() -> None:
    """When a renewal was written but its answer lost, the fence holds the next one off; the leader sees why."""

    async def scenario(server: LeaseServer) -> None:
        first = Process(server, "first").start()
        await asyncio.sleep(4)
        first.link.loses_answers = True
        await asyncio.sleep(1.5)
        first.link.loses_answers = False
        await asyncio.sleep(60)
        assert first.election.is_leader
        assert first.election.counters.failed_renewals >= 1
        await first.stop()

    virtually(scenario)


def test_a_lost_answer_to_the_first_write_is_no_deadlock() -> None:
    """A process whose Lease was created without it knowing takes it at the next look."""

    async def scenario(server: LeaseServer) -> None:
        first = Process(server, "first")
        first.link.loses_answers = True
        first.start()
        await asyncio.sleep(0.01)
        first.link.loses_answers = False
        await asyncio.sleep(5)
        assert first.led_at is not None
        assert first.led_at < 2
        await first.stop()

    virtually(scenario)


def test_somebody_else_s_edit_is_no_loss() -> None:
    """A Lease that somebody annotates stays ours: the version is read anew."""

    async def scenario(server: LeaseServer) -> None:
        first = Process(server, "first").start()
        await asyncio.sleep(1)
        assert server.lease is not None
        server.lease["metadata"]["annotations"] = {"note": "hello"}
        await server.write(server.lease)
        await asyncio.sleep(60)
        assert first.election.is_leader
        assert server.lease["metadata"]["annotations"] == {"note": "hello"}
        await first.stop()

    virtually(scenario)


def test_a_lease_that_is_another_s_is_lost_at_the_next_renewal() -> None:
    """A leader that finds another's name in the Lease ends at once and says whose it is."""

    async def scenario(server: LeaseServer) -> None:
        first = Process(server, "first").start()
        await asyncio.sleep(1)
        assert server.lease is not None
        server.lease["spec"]["holderIdentity"] = "thief"
        await server.write(server.lease)
        assert first.task is not None
        with pytest.raises(LeadershipLost, match="held by 'thief'"):
            await first.task
        assert monotonic_seconds() <= 5.1
        assert server.holder == "thief"

    virtually(scenario)


def test_a_deleted_lease_makes_no_second_leader() -> None:
    """When the Lease is deleted, its holder ends, and a standby still waits as long as the Lease had bound."""

    async def scenario(server: LeaseServer) -> None:
        first, second = Process(server, "first").start(), Process(server, "second").start()
        await asyncio.sleep(11)
        await server.delete()
        assert first.task is not None
        with pytest.raises(LeadershipLost, match="deleted"):
            await first.task
        assert first.ended_at is not None
        await asyncio.sleep(20)
        assert second.led_at is not None
        assert first.ended_at <= 15.1 < 20 <= second.led_at <= 26
        await second.stop()

    virtually(scenario)


def test_a_stalled_process_does_not_believe_in_itself() -> None:
    """A process that stood still for longer than its deadline knows before it writes: `is_leader` asks the clock."""

    async def scenario(server: LeaseServer) -> None:
        first = Process(server, "first").start()
        await asyncio.sleep(1)
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualTimeLoop)
        loop._jumping.now += 12
        assert not first.election.is_leader
        await first.stop()

    virtually(scenario)


def test_without_the_right_to_watch_a_standby_polls() -> None:
    """A standby that may not watch takes over all the same, a little later."""

    async def scenario(server: LeaseServer) -> None:
        first, second = Process(server, "first").start(), Process(server, "second")
        second.link.watch_is_forbidden = True
        await asyncio.sleep(0.1)
        second.start()
        await asyncio.sleep(50)
        await first.stop()
        stopped_at = monotonic_seconds()
        await asyncio.sleep(5)
        assert second.led_at is not None
        assert second.led_at - stopped_at < 2
        await second.stop()

    virtually(scenario)


def test_the_lease_is_kept_until_the_work_has_ended() -> None:
    """A shutdown whose work takes its time to end keeps renewing, and nobody else leads meanwhile."""

    async def scenario(server: LeaseServer) -> None:
        async def slow_to_end() -> None:
            try:
                await asyncio.sleep(1e9)
            finally:
                await asyncio.sleep(40)

        first, second = Process(server, "first"), Process(server, "second")
        first.work = slow_to_end
        first.start()
        await asyncio.sleep(1)
        second.start()
        await asyncio.sleep(9)
        await first.stop()
        await asyncio.sleep(0.1)
        assert (first.ended_at, second.led_at) == (50, 50)
        await second.stop()

    virtually(scenario)


def test_work_that_will_not_end_cannot_keep_a_lost_lead() -> None:
    """When the lead is lost, the process ends within a second even if its work does not."""

    async def scenario(server: LeaseServer) -> None:
        async def stubborn() -> None:
            while True:
                with suppress(asyncio.CancelledError):
                    await asyncio.sleep(5)
                if monotonic_seconds() > 100:
                    return

        first = Process(server, "first")
        first.work = stubborn
        first.start()
        await asyncio.sleep(1)
        first.link.is_cut = True
        assert first.task is not None
        with pytest.raises(LeadershipLost):
            await first.task
        assert monotonic_seconds() <= 10 + 1.1
        await asyncio.sleep(120)

    virtually(scenario)


def test_work_that_returns_gives_the_lease_back() -> None:
    """When the work is done, so is the election, and the Lease is free."""

    async def scenario(server: LeaseServer) -> None:
        first = Process(server, "first")
        first.work = lambda: asyncio.sleep(3)
        first.start()
        assert first.task is not None
        await first.task
        assert monotonic_seconds() == 3
        assert server.holder == ""

    virtually(scenario)


def test_work_that_fails_gives_the_lease_back_and_its_error_on() -> None:
    """An error of the work reaches the caller, after the Lease was given back."""

    async def scenario(server: LeaseServer) -> None:
        async def fail() -> None:
            await asyncio.sleep(2)
            raise ValueError("bug")

        first = Process(server, "first")
        first.work = fail
        first.start()
        assert first.task is not None
        with pytest.raises(ValueError, match="bug"):
            await first.task
        assert server.holder == ""

    virtually(scenario)


def test_giving_back_survives_a_renewal_under_way() -> None:
    """A shutdown in the middle of a renewal that the server takes gives the Lease back all the same."""

    async def scenario(server: LeaseServer) -> None:
        first = Process(server, "first").start()
        await asyncio.sleep(1)
        first.link.delay_seconds = 0.4
        while first.link.calls["PUT"] == 0:
            await asyncio.sleep(0.05)
        await asyncio.sleep(0.5)  # written, and the answer is on its way
        await first.stop()
        assert server.holder == ""

    virtually(scenario)


def test_a_shutdown_without_server_does_not_hang() -> None:
    """A server that does not answer delays the shutdown by the release's time-out at most."""

    async def scenario(server: LeaseServer) -> None:
        first = Process(server, "first").start()
        await asyncio.sleep(1)
        first.link.delay_seconds = 1000
        await first.stop()
        assert monotonic_seconds() <= 1 + 3.1

    virtually(scenario)


def test_a_standby_that_is_shut_down_leaves_the_lease_alone() -> None:
    """Stopping a standby writes nothing."""

    async def scenario(server: LeaseServer) -> None:
        first, second = Process(server, "first").start(), Process(server, "second")
        await asyncio.sleep(1)
        second.start()
        await asyncio.sleep(1)
        await second.stop()
        assert server.holder == "first"
        assert second.link.calls["PUT"] == 0
        await first.stop()

    virtually(scenario)


def test_identities_differ_by_default() -> None:
    """Two processes on one host are told apart."""

    async def scenario(server: LeaseServer) -> None:
        link = LeaseLink(server)
        names = {LeaderElection(link, namespace="ns", name="x").identity for _ in range(10)}
        assert len(names) == 10

    virtually(scenario)

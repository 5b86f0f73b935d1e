from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, suppress

import pytest

from localcluster import ControlPlane
from marquee.control.cluster.client import Client
from marquee.control.cluster.connection import Connection
from marquee.control.cluster.errors import LeadershipLost
from marquee.control.cluster.lease import LeaderElection, LeaseSettings
from marquee.control.kinds import LEASE
from tests.api.cluster.conftest import Connect
from tests.api.cluster.wire import Wire

QUICK = LeaseSettings(
    duration_seconds=3, deadline_seconds=2.2, renew_seconds=0.5, attempt_seconds=0.8, retry_seconds=0.2
)
"""Short enough for a test that waits for the end of a Lease, long enough for a busy machine."""
PATIENT = LeaseSettings(retry_seconds=0.2)
"""For tests in which no Lease runs out."""


class Replica:
    """One process's election."""

    def __init__(self, connection: Connection, namespace: str, name: str, settings: LeaseSettings = QUICK) -> None:
        self.election = LeaderElection(
            connection, namespace=namespace, name="operator", identity=name, settings=settings
        )
        self.leads = asyncio.Event()
        self.task = asyncio.create_task(self.election.run(self._lead))

    async def _lead(self) -> None:
        self.leads.set()
        await asyncio.Event().wait()

    async def stop(self) -> None:
        self.task.cancel()
        with suppress(asyncio.CancelledError, LeadershipLost):
            await self.task


async def test_one_of_many_leads_and_a_clean_end_hands_over(
    connect_to: Connect, client: Client, namespace: str
) -> None:
    """Of five replicas one leads; each clean end is followed by another leader before a Lease could run out."""
    replicas = [Replica(await connect_to(), namespace, f"r{n}", PATIENT) for n in range(5)]
    loop = asyncio.get_running_loop()
    try:
        while replicas:
            waiting = [asyncio.create_task(replica.leads.wait()) for replica in replicas]
            started = loop.time()
            await asyncio.wait(waiting, timeout=20, return_when=asyncio.FIRST_COMPLETED)
            took_seconds = loop.time() - started
            for task in waiting:
                task.cancel()
            leaders = [replica for replica in replicas if replica.leads.is_set()]
            assert len(leaders) == 1
            assert took_seconds < PATIENT.duration_seconds
            assert [r.election.is_leader for r in replicas].count(True) == 1
            lease = await client.get(LEASE, namespace, "operator")
            assert lease["spec"]["holderIdentity"] == leaders[0].election.identity
            await leaders[0].stop()
            replicas.remove(leaders[0])
        lease = await client.get(LEASE, namespace, "operator")
        assert lease["spec"]["holderIdentity"] == ""
        assert lease["spec"]["leaseTransitions"] == 5
    finally:
        for replica in replicas:
            await replica.stop()


async def test_a_leader_that_is_cut_off_ends_before_its_successor_starts(
    connect_to: Connect, plane: ControlPlane, namespace: str
) -> None:
    """Cut off, a leader stops believing in itself and ends; the standby leads only after that."""
    async with Wire(plane.server) as wire:
        first = Replica(await connect_to(server=wire.url), namespace, "first")
        await asyncio.wait_for(first.leads.wait(), 20)
        second = Replica(await connect_to(), namespace, "second")
        await asyncio.sleep(1)
        wire.cut()
        overlap = 0
        async with asyncio.timeout(30):
            while not second.leads.is_set():
                overlap += first.election.is_leader and second.election.is_leader
                await asyncio.sleep(0.01)
        try:
            assert overlap == 0
            assert not first.election.is_leader
            with pytest.raises(LeadershipLost):
                await asyncio.wait_for(first.task, 20)
        finally:
            await second.stop()
            await first.stop()


async def test_never_two_leaders_while_wires_break(connect_to: Connect, plane: ControlPlane, namespace: str) -> None:
    """Three replicas whose wires break in turn never lead together, and one leads in the end."""
    async with AsyncExitStack() as stack:
        wires = [await stack.enter_async_context(Wire(plane.server)) for _ in range(3)]
        connections = [await connect_to(server=wire.url) for wire in wires]
        replicas = [Replica(connection, namespace, f"r{n}") for n, connection in enumerate(connections)]
        most = 0
        terms = 0

        async def look(seconds: float) -> None:
            nonlocal most, terms
            for _ in range(round(seconds / 0.02)):
                most = max(most, sum(replica.election.is_leader for replica in replicas))
                for n, replica in enumerate(replicas):
                    if replica.task.done():
                        assert isinstance(replica.task.exception(), LeadershipLost)
                        replicas[n] = Replica(connections[n], namespace, f"r{n}-{terms}")
                        terms += 1
                await asyncio.sleep(0.02)

        try:
            await look(1)
            for wire in wires:
                wire.cut()
                await look(3.5)
                wire.mend()
            await look(4.5)
            async with asyncio.timeout(30):
                while sum(replica.election.is_leader for replica in replicas) != 1:
                    await look(0.1)
            assert most == 1
            assert terms >= 1
        finally:
            for replica in replicas:
                await replica.stop()


async def test_losing_the_lease_to_another_writer_ends_the_lead(
    connection: Connection, client: Client, namespace: str
) -> None:
    """A Lease that another took by force is noticed at the next renewal, and left to it."""
    replica = Replica(connection, namespace, "first")
    await asyncio.wait_for(replica.leads.wait(), 20)
    path = LEASE.object_path(namespace, "operator")
    await connection.request(
        "PATCH", path, body={"spec": {"holderIdentity": "thief"}}, content_type="application/merge-patch+json"
    )

    with pytest.raises(LeadershipLost, match="'thief'"):
        await asyncio.wait_for(replica.task, 20)

    assert (await client.get(LEASE, namespace, "operator"))["spec"]["holderIdentity"] == "thief"

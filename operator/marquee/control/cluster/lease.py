"""Who leads: one process holds a Lease, the others stand by with warm caches.

The Lease's resourceVersion is the fence: taking and renewing are PUTs with the version last seen, so of two
processes that try at once the API server lets one through. Nobody compares clocks. A standby believes a holder
gone when the Lease has not changed for its whole duration on the standby's own monotonic clock; a leader stops
believing in itself earlier than that, counted from before its last successful renewal was sent.

One thing it cannot guard against: who deletes the Lease under its holder while another process starts, which has
not seen that there was a holder, has two leaders until the first one's next renewal. Do not delete it; a standby
that saw the holder still waits.
"""

from __future__ import annotations

import asyncio
import os
import random
import secrets
import socket
from collections.abc import Awaitable, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Any

import structlog

from marquee.control.cluster.connection import Connection
from marquee.control.cluster.errors import ClusterError, Conflict, LeadershipLost, NotFound
from marquee.control.cluster.lease_record import LeaseRecord, lease_holder, lease_version
from marquee.control.runtime.clock import micro_time, monotonic_seconds, utc_now

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class LeaseSettings:
    """The periods of the election; each is a good part shorter than the one before."""

    duration_seconds: int = 15
    """How long, in whole seconds, an unchanged Lease binds a standby. Default 15: a crashed leader is replaced
    after that, and an API server may be away so long without anyone losing the lead."""

    deadline_seconds: float = 10.0
    """How long, in seconds, a leader believes in its last renewal. Default 10: the five that remain cover a
    stalled process and a write still on its way."""

    renew_seconds: float = 5.0
    """Pause, in seconds, between renewals. Default 5: one may fail without harm; a write every five seconds."""

    attempt_seconds: float = 3.0
    """Time-out, in seconds, of one request for the Lease. Default 3: leaves a renewal a second attempt."""

    retry_seconds: float = 1.0
    """Pause, in seconds, after a failed attempt, and the longest a standby that may not watch is late. Default 1."""

    cancel_seconds: float = 1.0
    """Time, in seconds, that the work gets to end when the lead is lost. Default 1: another may start any moment."""

    release_seconds: float = 3.0
    """Time-out, in seconds, of giving the Lease back. Default 3: shutting down does not wait for a server."""


@dataclass(slots=True)
class LeaseCounters:
    """What the election has done since the start."""

    acquired: int = 0
    renewed: int = 0
    failed_renewals: int = 0
    """Attempts, not losses: the next attempt may succeed in time."""


class LeaderElection:
    """One process's part in the election.

    Args:
        connection: to the API server.
        namespace: of the Lease.
        name: of the Lease.
        identity: names this process in the Lease; must differ between processes. Default: the pod's or host's name
            with a random tail.
        settings: see `LeaseSettings`.
        rng: for jitter.

    """

    def __init__(
        self,
        connection: Connection,
        *,
        namespace: str,
        name: str,
        identity: str | None = None,
        settings: LeaseSettings | None = None,
        rng: random.Random | None = None,
    ) -> None:
        self.identity = identity or f"{os.environ.get('POD_NAME') or socket.gethostname()}_{secrets.token_hex(4)}"
        self.counters = LeaseCounters()
        self._settings = settings or LeaseSettings()
        self._record = LeaseRecord(connection, namespace, name, timeout_seconds=self._settings.attempt_seconds)
        self._rng = rng or random.Random()  # noqa: S311 - jitter, not a secret
        self._lease: dict[str, Any] | None = None  # as last seen
        self._free_at = 0.0  # when the holder that was last seen counts as gone
        self._believed_until = 0.0

    @property
    def is_leader(self) -> bool:
        """True while no other process can have taken the lead. Ask right before every write."""
        return monotonic_seconds() < self._believed_until

    async def run(self, lead: Callable[[], Awaitable[None]]) -> None:
        """Stand by until elected, then await `lead()`; return or raise what it does.

        Cancelled, it cancels `lead()`, keeps the Lease until that has ended, and gives it back, so that a standby
        takes over at once.

        Raises:
            LeadershipLost: the Lease is another's or could not be renewed in time. `lead()` was cancelled; this
                process must end.

        """
        await self._acquire()
        leading = asyncio.ensure_future(lead())
        renewing = asyncio.create_task(self._keep_renewing(), name="lease-renewal")
        try:
            await asyncio.wait({leading, renewing}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            try:
                lost = await self._step_down(leading, renewing)
            finally:
                renewing.cancel()  # whatever cut the stepping down short, nobody must go on renewing
        if lost is None:
            return leading.result()
        if leading.done() and not leading.cancelled() and (error := leading.exception()) is not None:
            raise lost from error
        raise lost

    async def _step_down(self, leading: asyncio.Future[None], renewing: asyncio.Task[None]) -> BaseException | None:
        """End the work, then the renewals, then give the Lease back; return why it was lost, if it was."""
        leading.cancel()
        await asyncio.wait({leading, renewing}, return_when=asyncio.FIRST_COMPLETED)
        if renewing.done():
            self._believed_until = 0.0
            await asyncio.wait({leading}, timeout=self._settings.cancel_seconds)
            return None if renewing.cancelled() else renewing.exception()
        renewing.cancel()
        await asyncio.wait({renewing})
        self._believed_until = 0.0
        await self._release()
        return None

    async def _acquire(self) -> None:
        failures = 0
        while True:
            try:
                self._note(await self._record.read())
                if self._free_at <= monotonic_seconds():
                    await self._take()
                    return
                await self._stand_by()
                failures = 0
            except Conflict:
                log.debug("lease taken by another first", lease=str(self._record))
            except ClusterError as error:
                failures += 1
                if failures & (failures - 1) == 0:  # the 1st, 2nd, 4th, ...: an outage does not fill the log
                    log.warning("cannot stand by for the lease", lease=str(self._record), error=str(error))
                await asyncio.sleep(self._settings.retry_seconds * (0.5 + self._rng.random()))

    def _note(self, lease: dict[str, Any] | None) -> None:
        """Look at the Lease; one that has changed binds for its whole duration from now, by our own clock."""
        if lease is None:
            # Deleted under its holder, which may not know yet: what was seen last binds on.
            self._lease = None
        elif self._lease is None or lease_version(lease) != lease_version(self._lease):
            self._lease = lease
            if lease_holder(lease) in {"", self.identity}:
                self._free_at = 0.0
            else:
                binding_seconds = max(self._settings.duration_seconds, lease["spec"].get("leaseDurationSeconds") or 0)
                self._free_at = monotonic_seconds() + binding_seconds

    async def _stand_by(self) -> None:
        """Wait until the Lease may be free: given back, deleted, or unchanged for too long."""
        if self._lease is None:
            await asyncio.sleep(self._free_at - monotonic_seconds())
            return
        changes = self._record.changes(since=self._lease)
        with suppress(TimeoutError):
            async with asyncio.timeout_at(self._free_at) as expiry, aclosing(changes):
                async for lease in changes:
                    if lease is None:
                        return
                    self._note(lease)
                    if self._free_at <= monotonic_seconds():
                        return
                    expiry.reschedule(self._free_at)
            await asyncio.sleep(self._settings.retry_seconds * self._rng.random())

    async def _take(self) -> None:
        sent_at = monotonic_seconds()
        now = micro_time(utc_now())
        spec = dict(self._lease.get("spec") or {}) if self._lease else {}
        spec |= {
            "holderIdentity": self.identity,
            "leaseDurationSeconds": self._settings.duration_seconds,
            "acquireTime": now,
            "renewTime": now,
            "leaseTransitions": (spec.get("leaseTransitions") or 0) + 1,
        }
        self._lease = await (
            self._record.create(spec) if self._lease is None else self._record.replace(self._lease, spec)
        )
        self._believed_until = sent_at + self._settings.deadline_seconds
        self.counters.acquired += 1
        log.info("leading", lease=str(self._record), identity=self.identity)

    async def _keep_renewing(self) -> None:
        while True:
            await asyncio.sleep(self._settings.renew_seconds * (1.0 - 0.1 * self._rng.random()))
            try:
                async with asyncio.timeout_at(self._believed_until):
                    await self._renew()
            except TimeoutError:
                raise LeadershipLost(
                    f"lease {self._record} could not be renewed within "
                    f"{self._settings.deadline_seconds:g} s; ending so that another process can lead"
                ) from None

    async def _renew(self) -> None:
        """Try to renew until it is done.

        Raises:
            LeadershipLost: the Lease is another's, or gone.

        """
        while not await self._renewed():
            self.counters.failed_renewals += 1
            await asyncio.sleep(self._settings.retry_seconds)

    async def _renewed(self) -> bool:
        assert self._lease is not None  # noqa: S101 - for the type checker: only a leader renews
        sent_at = monotonic_seconds()
        try:
            self._lease = await self._record.replace(
                self._lease, self._lease["spec"] | {"renewTime": micro_time(utc_now())}
            )
        except (Conflict, NotFound):
            await self._look_whose_it_is()
            return False
        except ClusterError as error:
            log.warning("lease not renewed", lease=str(self._record), error=str(error))
            return False
        self._believed_until = sent_at + self._settings.deadline_seconds
        self.counters.renewed += 1
        return True

    async def _look_whose_it_is(self) -> None:
        """After a fence held us off: take the Lease's new version if it is still ours (an answer of ours was lost)."""
        try:
            lease = await self._record.read()
        except ClusterError as error:
            log.warning("lease not read", lease=str(self._record), error=str(error))
            return
        if lease is None or lease_holder(lease) != self.identity:
            holder = "nobody: it was deleted" if lease is None else repr(lease_holder(lease))
            raise LeadershipLost(f"lease {self._record} is held by {holder}; ending")
        self._lease = lease

    async def _release(self) -> None:
        """Give the Lease back; if that fails, a standby waits for it to run out."""
        try:
            async with asyncio.timeout(self._settings.release_seconds):
                # Once more when the fence holds: the cancelled renewal may have been written after all.
                if not await self._released():
                    await self._look_whose_it_is()
                    await self._released()
        except (ClusterError, TimeoutError) as error:
            log.warning("lease not given back", lease=str(self._record), error=str(error))

    async def _released(self) -> bool:
        assert self._lease is not None  # noqa: S101 - for the type checker: only a leader gives back
        spec = self._lease["spec"] | {"holderIdentity": "", "renewTime": micro_time(utc_now())}
        try:
            await self._record.replace(self._lease, spec)
        except Conflict:
            return False
        log.info("lease given back", lease=str(self._record), identity=self.identity)
        return True

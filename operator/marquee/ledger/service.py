"""The life of the ledger: migrate, listen, serve, drain."""

from __future__ import annotations

import asyncio
import gc
import logging
import os
import signal
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final

from aiohttp import web

from marquee.audit.errors import AuditError
from marquee.contract.prediction import Verifier
from marquee.ledger.access.apiserver import ApiServer, ApiServerReviewer, in_cluster
from marquee.ledger.access.gate import Gate
from marquee.ledger.access.keys import ApiKeys
from marquee.ledger.access.masterkeys import MasterKeys
from marquee.ledger.access.models import Models
from marquee.ledger.access.quotas import Quota, Quotas
from marquee.ledger.access.reviews import ServiceAccounts
from marquee.ledger.access.senders import Authenticator, Everybody, Role
from marquee.ledger.book.entries import Sweep
from marquee.ledger.book.sealing import KeyRing
from marquee.ledger.book.subjects import strangers
from marquee.ledger.committing import Committer
from marquee.ledger.erasing import Eraser
from marquee.ledger.errors import LedgerError, SettingsError
from marquee.ledger.http.app import MAX_URL_BYTES, application
from marquee.ledger.http.metrics import Metrics
from marquee.ledger.http.state import State
from marquee.ledger.keeping import keeping
from marquee.ledger.settings import Settings
from marquee.ledger.store.database import Database
from marquee.ledger.store.migrating import migrate
from marquee.ledger.store.reading import reading

log = logging.getLogger(__name__)

KEEP_ALIVE_SECONDS: Final = 120
"""Longer than predictors keep idle connections, so that it is they who close them."""
SWEEP_SECONDS: Final = 60.0
_SWEEP_PAUSE_SECONDS: Final = 0.2
"""Between slices: a big sweep leaves most of the disk to the others."""
_BACKLOG: Final = 1_024


@dataclass(frozen=True)
class Running:
    """A ledger that answers."""

    state: State
    port: int


async def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT, then drain.

    Raises:
        LedgerError: the settings, the mounted files or the database cannot be used.

    """
    leaving = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, leaving.set)
    async with running(settings) as ledger:
        gc.collect()
        gc.freeze()  # what was loaded stays: looking through it again made a large read half as slow again
        log.info("listening on port %d", ledger.port)
        await leaving.wait()
        log.info("draining for %g s", settings.drain_seconds)
        ledger.state.draining = True
        await asyncio.sleep(settings.drain_seconds)


@asynccontextmanager
async def running(
    settings: Settings, *, authenticator: Authenticator | None = None, models: Models | None = None
) -> AsyncIterator[Running]:
    """A ledger on its port; on leaving, requests in flight are answered and what waits is written.

    Args:
        settings: as read.
        authenticator: instead of what the settings say, for tests.
        models: the same.

    Raises:
        LedgerError: it cannot be started.

    """
    server = _api_server(settings)
    authenticator = authenticator or _authenticator(settings, server)
    keys = MasterKeys(settings.master_keys_path)
    database = Database(settings.database_url)
    try:
        await asyncio.to_thread(migrate, database)
        async with _committing(database) as committer, keeping(settings) as audit:
            await _warn_of_strangers(database, keys)
            state = State(
                database=database,
                committer=committer,
                authenticator=authenticator,
                quotas=_quotas(settings),
                keys=keys,
                verifier=Verifier(keys.get),
                metrics=Metrics(committer, audit),
                models=models or Models(server),
                eraser=Eraser(database, committer, keys.all, audit),
                audit=audit,
                audit_url="" if audit else settings.audit_url,
            )
            async with _listening(state, settings) as port, _sweeping(committer, keys), _finishing(state):
                yield Running(state, port)
    finally:
        database.dispose()


@asynccontextmanager
async def _committing(database: Database) -> AsyncIterator[Committer]:
    committer = Committer(database)
    committer.start()
    try:
        yield committer
    finally:
        await committer.stop()


@asynccontextmanager
async def _listening(state: State, settings: Settings) -> AsyncIterator[int]:
    runner = web.AppRunner(
        application(state),
        access_log=None,
        handle_signals=False,
        keepalive_timeout=KEEP_ALIVE_SECONDS,
        max_line_size=MAX_URL_BYTES,
    )
    await runner.setup()
    try:
        site = web.TCPSite(runner, settings.http_host, settings.http_port, backlog=_BACKLOG)
        try:
            await site.start()
        except OSError as error:
            address = f"{settings.http_host}:{settings.http_port}"
            raise SettingsError(f"cannot listen on {address}: {error}") from error
        port: int = runner.addresses[0][1]
        yield port
    finally:
        await runner.cleanup()


@asynccontextmanager
async def _sweeping(committer: Committer, keys: MasterKeys) -> AsyncIterator[None]:
    """Now and then, throw away what is not needed any more."""

    async def sweep() -> None:
        while True:
            more = False
            with suppress(LedgerError):  # it is logged where it happens, and there is another minute
                more = (await committer.submit(Sweep(ring=KeyRing(keys.all())))).more
            await asyncio.sleep(_SWEEP_PAUSE_SECONDS if more else SWEEP_SECONDS)

    async with _beside(sweep()):
        yield


@asynccontextmanager
async def _finishing(state: State) -> AsyncIterator[None]:
    """Finish erasures that something interrupted: at the start, and now and then."""

    async def finish() -> None:
        try:
            await state.eraser.finish()
            await state.eraser.catch_up()
        except (LedgerError, AuditError) as error:
            log.error("it was not looked for erased subjects that an older database may have brought back: %s", error)
        while True:
            with suppress(LedgerError):  # it is logged where it happens, and there is another minute
                await state.eraser.finish()
            await asyncio.sleep(SWEEP_SECONDS)

    if state.audit_url:  # the ledger that keeps the log does it
        yield
        return
    async with _beside(finish()):
        yield


@asynccontextmanager
async def _beside(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def _warn_of_strangers(database: Database, keys: MasterKeys) -> None:
    ring = KeyRing(keys.all())
    if count := await reading(database, lambda connection: strangers(connection, ring)):
        log.error("the master key of %d or more subjects is missing: they can be neither read nor forgotten", count)


def _api_server(settings: Settings) -> ApiServer | None:
    """The cluster's, where the ledger runs in one; None where there is none and nothing needs it.

    Raises:
        SettingsError: service-account tokens are to be taken, and there is nobody to ask about them.

    """
    needed = settings.service_accounts and not settings.unauthenticated
    try:
        return in_cluster(os.environ, settings.service_account_path)
    except SettingsError:
        if needed:
            raise
        return None


def _authenticator(settings: Settings, server: ApiServer | None) -> Authenticator:
    if settings.unauthenticated:
        log.warning("everybody on this machine may do everything: MARQUEE_LEDGER_UNAUTHENTICATED is set")
        return Everybody()
    keys = ApiKeys(settings.api_keys_path) if settings.api_keys_path else None
    accounts = None
    if settings.service_accounts and server is not None:
        operators, officers = frozenset(settings.operators), frozenset(settings.privacy_officers)
        accounts = ServiceAccounts(ApiServerReviewer(server), operators, officers)
    return Gate(keys, accounts)


def _quotas(settings: Settings) -> Quotas:
    rates = {Role.EXPOSURES: settings.exposures_per_second, Role.OUTCOMES: settings.outcomes_per_second}
    return Quotas({role: Quota(rate, rate * settings.burst_seconds) for role, rate in rates.items()})

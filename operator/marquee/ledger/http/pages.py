"""``/healthz``, ``/readyz`` and ``/metrics``."""

from __future__ import annotations

from http import HTTPStatus

from aiohttp import web
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from marquee.ledger.errors import StoreUnavailableError
from marquee.ledger.http.requests import state_of
from marquee.ledger.store.reading import answering


async def healthz(request: web.Request) -> web.Response:
    """``ok`` while the event loop turns and the thread that writes is there."""
    state = state_of(request)
    alive = state.committer.alive and (state.audit is None or state.audit.alive)
    return _page("" if alive else "a thread that writes has ended")


async def readyz(request: web.Request) -> web.Response:
    """``ok`` while the database answers and the process is not about to leave."""
    state = state_of(request)
    if state.draining:
        return _page("draining")
    try:
        await answering(state.database)
    except StoreUnavailableError as error:
        return _page(str(error))
    return _page("")


async def metrics(request: web.Request) -> web.Response:
    """The samples."""
    body = generate_latest(state_of(request).metrics.registry)
    return web.Response(body=body, headers={"content-type": CONTENT_TYPE_LATEST})


def _page(problem: str) -> web.Response:
    status = HTTPStatus.SERVICE_UNAVAILABLE if problem else HTTPStatus.OK
    return web.Response(status=status.value, text=(problem or "ok") + "\n")

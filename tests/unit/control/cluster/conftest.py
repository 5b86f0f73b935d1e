from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio
from aiohttp import web

from marquee.control.cluster.connection import Connection
from tests.unit.control.cluster.scripted_api import ScriptedApi


@pytest_asyncio.fixture
async def api() -> AsyncIterator[ScriptedApi]:
    scripted = ScriptedApi()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", scripted.handle)
    runner = web.AppRunner(app, shutdown_timeout=0.01)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    scripted.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    yield scripted
    await runner.cleanup()


@pytest_asyncio.fixture
async def connection(api: ScriptedApi) -> AsyncIterator[Connection]:
    connected = api.connect()
    yield connected
    await connected.close()

"""``/healthz``, ``/readyz`` and ``/metrics`` of the operator."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest


async def serve_pages(
    host: str,
    port: int,
    *,
    healthy: Callable[[], str],
    ready: Callable[[], str],
    metrics: CollectorRegistry,
) -> web.AppRunner:
    """Start the pages; ``healthy`` and ``ready`` return why not, or an empty text.

    Raises:
        OSError: the port is taken.

    """

    def verdict(check: Callable[[], str]) -> web.Response:
        problem = check()
        return web.Response(status=503 if problem else 200, text=(problem or "ok") + "\n")

    async def healthz(_: web.Request) -> web.Response:
        return verdict(healthy)

    async def readyz(_: web.Request) -> web.Response:
        return verdict(ready)

    async def metrics_page(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(metrics), headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = web.Application()
    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/metrics", metrics_page)
    runner = web.AppRunner(app, access_log=None, handle_signals=False)
    await runner.setup()
    await web.TCPSite(runner, host, port).start()
    return runner

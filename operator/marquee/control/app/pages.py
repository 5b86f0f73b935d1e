"""``/healthz``, ``/readyz`` and ``/metrics`` of the operator, and further pages on the same port."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest


async def serve_pages(
    host: str,
    port: int,
    *,
    unready_because: Callable[[], str],
    metrics: CollectorRegistry,
    further: Iterable[web.RouteDef] = (),
) -> web.AppRunner:
    """Start the pages; ``unready_because`` returns an empty text when the operator is ready.

    ``/healthz`` says no more than that the event loop turns. A part that gives up ends the process by itself, and an
    API server that is silent does not speak sooner to a process that was restarted: that is for ``/readyz``.

    Raises:
        OSError: the port is taken.

    """

    async def healthz(_: web.Request) -> web.Response:
        return web.Response(text="ok\n")

    async def readyz(_: web.Request) -> web.Response:
        problem = unready_because()
        return web.Response(status=503 if problem else 200, text=(problem or "ok") + "\n")

    async def metrics_page(_: web.Request) -> web.Response:
        return web.Response(body=generate_latest(metrics), headers={"Content-Type": CONTENT_TYPE_LATEST})

    app = web.Application()
    app.router.add_get("/healthz", healthz)
    app.router.add_get("/readyz", readyz)
    app.router.add_get("/metrics", metrics_page)
    app.add_routes(further)
    runner = web.AppRunner(app, access_log=None, handle_signals=False)
    await runner.setup()
    await web.TCPSite(runner, host, port).start()
    return runner

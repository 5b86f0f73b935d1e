"""kopf's watches, against an API server that does not list Marquee's kinds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, cast

import pytest
import pytest_asyncio
from aiohttp import web
from kubernetes.aio.client import Configuration

from marquee.control.app.watching import registry_of, watch
from marquee.control.cluster.access import Access
from marquee.control.cluster.errors import KindsUnknown
from marquee.control.observe.resources import Resources

JUST_STARTED: dict[str, dict[str, Any]] = {
    "/api": {"kind": "APIVersions", "versions": ["v1"]},
    "/api/v1": {"kind": "APIResourceList", "groupVersion": "v1", "resources": []},
    "/apis": {"kind": "APIGroupList", "groups": []},
}
"""Answers of a server that lists its own kinds already, and those of CustomResourceDefinitions not yet."""


@pytest_asyncio.fixture
async def url() -> AsyncIterator[str]:
    """An API server of that kind."""

    async def answer(request: web.Request) -> web.Response:
        body = JUST_STARTED.get(request.path)
        return web.json_response(body or {"kind": "Status", "code": 404}, status=200 if body else 404)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app, shutdown_timeout=0.01)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


@pytest.mark.parametrize("namespaces", [(), ("crm",)], ids=["cluster-wide", "one namespace"])
async def test_kinds_that_are_not_listed_end_the_watch(url: str, namespaces: tuple[str, ...]) -> None:
    """Kopf looks for kinds once: who went on without them would hear of no model ever again."""
    access = Access(cast("Any", Configuration(host=url)))
    registry = registry_of(Resources(), access, lambda _: None)
    with pytest.raises(KindsUnknown, match=r"marketingmodels, modelapprovals, modelrevisions of marquee\.dev"):
        async with asyncio.timeout(20):
            await watch(registry, namespaces, asyncio.Event())

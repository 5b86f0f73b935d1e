"""The crash tests' view of the world, when the API server ends a watch."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from types import SimpleNamespace
from typing import Any, cast

import aiohttp
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.crash.api import Api
from tests.crash.observatory import Observatory
from tests.support.kinds import collection

_ALL_TOLD = {"metadata": {"resourceVersion": "9", "annotations": {"k8s.io/initial-events-end": "true"}}}
_PODS = (("kept", "gone"), ("kept",))
"""What exists when the first watch begins, and when the second does."""


def line(kind: str, told: dict[str, Any]) -> bytes:
    """An event as the API server sends it."""
    return json.dumps({"type": kind, "object": told}).encode() + b"\n"


def pod(name: str) -> dict[str, Any]:
    """One in the namespace ``ns``."""
    return {"metadata": {"name": name, "namespace": "ns", "resourceVersion": "1"}}


class Watches:
    """Answers watches; the first one of Pods ends by itself, or with an error as the last thing said."""

    def __init__(self, last: bytes = b"") -> None:
        self.seen: Counter[str] = Counter()
        self._last = last

    async def answer(self, request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse()
        await answer.prepare(request)
        pods = _PODS[min(self.seen[request.path], 1)] if request.path == collection("Pod") else ()
        self.seen[request.path] += 1
        for name in pods:
            await answer.write(line("ADDED", pod(name)))
        await answer.write(line("BOOKMARK", _ALL_TOLD))
        if pods == _PODS[0]:
            await answer.write(self._last)
            return answer
        await asyncio.sleep(30)
        return answer


async def gone_is_noticed(watches: Watches) -> None:
    """Wait for the end of a Pod that no watch tells of."""
    app = web.Application()
    app.router.add_get("/{path:.*}", watches.answer)
    async with TestServer(app) as server, aiohttp.ClientSession(server.make_url("/")) as session:
        api = cast("Api", SimpleNamespace(session=session))
        async with Observatory(api) as observatory:

            def names() -> list[str]:
                return [body["metadata"]["name"] for body in observatory.objects("ns", "Pod")]

            await observatory.until("ns", lambda: names() == ["gone", "kept"], 5)
            await observatory.until("ns", lambda: names() == ["kept"], 5)
    assert watches.seen[collection("Pod")] == 2


async def test_what_goes_between_two_watches_is_noticed() -> None:
    """Whoever waits for its end is woken, though no watch tells of it."""
    await gone_is_noticed(Watches())


async def test_a_watch_that_ends_in_an_error_begins_anew() -> None:
    """Such as one whose history the server has not got any more."""
    await gone_is_noticed(Watches(line("ERROR", {"kind": "Status", "code": 410, "metadata": {}})))

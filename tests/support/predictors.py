"""What simulated pods answer to the operator's probe: one server for all, told apart by the pod's own address."""

from __future__ import annotations

import asyncio
import json
import ssl
import threading
from collections import Counter
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Final, Self

import aiohttp
from aiohttp import web

from localcluster import ControlPlane
from marquee.contract.pod import PROBE_PATH, SERVING_PORT, ProbeReply, Setting

_POD_KNOWN_SECONDS: Final = 5.0
_GOODBYE_SECONDS: Final = 0.1
"""A TLS connection that was told to close is closed a few turns of the loop later."""

Arm = tuple[str, str]
"""Namespace and revision."""


class Predictors:
    """Follows the pods by a watch and answers as each of them would; runs in a thread of its own.

    Args:
        plane: Whose pods.
        addresses: Addresses that the pods may have.

    """

    def __init__(self, plane: ControlPlane, addresses: list[str]) -> None:
        self._plane = plane
        self._addresses = addresses
        self._settings: dict[str, dict[str, str]] = {}
        self._lies: dict[Arm, dict[str, str]] = {}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="predictors", daemon=True)
        self._watching: asyncio.Task[None] | None = None
        self._runner: web.AppRunner | None = None
        self.proven: Counter[Arm] = Counter()
        """Probes answered truthfully."""

    def lie(self, namespace: str, revision: str, /, **fields: str) -> None:
        """Have a revision's pods answer with other values from now on; without fields: with the truth again.

        ``status`` makes them answer with that HTTP status; the rest are fields of `ProbeReply`.
        """
        self._lies[namespace, revision] = fields

    def __enter__(self) -> Self:
        self._thread.start()
        self._await(self._start())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._await(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _await(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=30)

    async def _start(self) -> None:
        app = web.Application()
        app.router.add_get(PROBE_PATH, self._answer)
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False)
        await self._runner.setup()
        for address in self._addresses:
            await web.TCPSite(self._runner, address, SERVING_PORT).start()
        self._watching = asyncio.create_task(self._watch())

    async def _stop(self) -> None:
        assert self._watching is not None
        assert self._runner is not None
        self._watching.cancel()
        await asyncio.wait([self._watching])
        await self._runner.cleanup()
        await asyncio.sleep(_GOODBYE_SECONDS)

    async def _watch(self) -> None:
        tls = ssl.create_default_context(cafile=self._plane.ca_file)
        tls.load_cert_chain(self._plane.client_cert_file, self._plane.client_key_file)
        async with aiohttp.ClientSession(self._plane.server, connector=aiohttp.TCPConnector(ssl=tls)) as session:
            while True:
                try:
                    await self._follow(session)
                except (aiohttp.ClientError, OSError):
                    await asyncio.sleep(0.2)  # a test may have ended the API server

    async def _follow(self, session: aiohttp.ClientSession) -> None:
        """One watch from "any version": it begins with what exists."""
        params = {"watch": "1", "labelSelector": "app.kubernetes.io/managed-by=marquee"}
        timeout = aiohttp.ClientTimeout(total=None)
        async with session.get("/api/v1/pods", params=params, timeout=timeout, read_bufsize=2**24) as response:
            async for line in response.content:
                self._take(json.loads(line)["object"])

    def _take(self, pod: dict[str, Any]) -> None:
        address = pod.get("status", {}).get("podIP")
        if address and "deletionTimestamp" not in pod["metadata"]:
            environment = pod["spec"]["containers"][0]["env"]
            self._settings[address] = {entry["name"]: entry.get("value", "") for entry in environment}

    async def _answer(self, request: web.Request) -> web.Response:
        assert request.transport is not None
        settings = await self._settings_of(request.transport.get_extra_info("sockname")[0])
        arm = settings[Setting.NAMESPACE], settings[Setting.REVISION]
        lie = dict(self._lies.get(arm, {}))
        if not lie:
            self.proven[arm] += 1
        if status := lie.pop("status", None):
            return web.Response(status=int(status), text="no prediction")
        truth = ProbeReply(
            model=settings[Setting.MODEL],
            revision=settings[Setting.REVISION],
            artifact_digest=settings[Setting.ARTIFACT_DIGEST],
            outputs={"probability": 0.5},
            prediction_id="simulated",
        )
        return web.Response(
            body=truth.model_copy(update=lie).model_dump_json(by_alias=True), content_type="application/json"
        )

    async def _settings_of(self, address: str) -> dict[str, str]:
        """The operator may have heard of the pod a moment before us."""
        async with asyncio.timeout(_POD_KNOWN_SECONDS):
            while address not in self._settings:
                await asyncio.sleep(0.005)
        return self._settings[address]

"""Answers the operator's probe predictions for every simulated pod: one server, told apart by the pod's address."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final, Self

from aiohttp import web

from marquee.contract.pod import PROBE_PATH, SERVING_PORT, ProbeReply, Setting
from marquee.control.cluster.connection import Connection
from marquee.control.kinds import POD
from tests.bench.control.watch import Watch

_POD_KNOWN_SECONDS: Final = 5.0


@dataclass
class Predictors:
    """What all pods together would answer; follows the pods by a watch to know which address is whose."""

    connection: Connection
    probes: int = 0
    _pods: dict[str, asyncio.Future[dict[str, str]]] = field(default_factory=dict)
    _runner: web.AppRunner | None = None
    _watch: Watch | None = None

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_get(PROBE_PATH, self._answer)
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False)
        await self._runner.setup()
        await web.TCPSite(self._runner, "0.0.0.0", SERVING_PORT).start()  # noqa: S104 - the namespace is our own
        self._watch = await Watch(self.connection, POD, self._take).start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._watch is not None:
            await self._watch.stop()
        if self._runner is not None:
            await self._runner.cleanup()

    def _take(self, body: dict[str, Any]) -> None:
        address = body.get("status", {}).get("podIP")
        if not address or "deletionTimestamp" in body["metadata"]:
            return
        settings = {entry["name"]: entry.get("value", "") for entry in body["spec"]["containers"][0].get("env", ())}
        known = self._at(address)
        if known.done():  # the address of a pod that is gone
            known = self._pods[address] = asyncio.get_running_loop().create_future()
        known.set_result(settings)

    def _at(self, address: str) -> asyncio.Future[dict[str, str]]:
        return self._pods.setdefault(address, asyncio.get_running_loop().create_future())

    async def _answer(self, request: web.Request) -> web.Response:
        assert request.transport is not None
        address = request.transport.get_extra_info("sockname")[0]
        settings = await self._settings_of(address)
        self.probes += 1
        reply = ProbeReply(
            model=settings[Setting.MODEL],
            revision=settings[Setting.REVISION],
            artifact_digest=settings[Setting.ARTIFACT_DIGEST],
            outputs={"probability": 0.5},
            prediction_id="simulated",
        )
        return web.Response(body=reply.model_dump_json(by_alias=True), content_type="application/json")

    async def _settings_of(self, address: str) -> dict[str, str]:
        """The operator may have heard of the pod a moment before us."""
        async with asyncio.timeout(_POD_KNOWN_SECONDS):
            return await asyncio.shield(self._at(address))

"""The witness over HTTP: ``POST /add-checkpoint``, as https://c2sp.org/tlog-witness says."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from aiohttp import web

from marquee.audit.errors import AuditError, FormatError
from marquee.audit.keys import PublicKey, Use, load_private, read_public
from marquee.audit.notes import MAX_NOTE_BYTES
from marquee.audit.store.posix import FolderStore
from marquee.audit.witness.judging import ADD_CHECKPOINT, Refusal, judge
from marquee.audit.witness.memory import Memory

log = logging.getLogger(__name__)

MAX_BODY_BYTES: Final = MAX_NOTE_BYTES + 8 * 1024

Logs = Mapping[str, Sequence[PublicKey]]


def read_logs(text: str, where: str) -> Logs:
    """Keys of logs by origin, one on each line; ``#`` begins a comment. Raises `FormatError`."""
    logs: dict[str, list[PublicKey]] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if word := line.partition("#")[0].strip():
            key = read_public(word, f"{where}, line {number}")
            if key.use is not Use.LOG:
                raise FormatError(f"{where}, line {number}", "is no log's key", "give the public keys of logs")
            logs.setdefault(key.name, []).append(key)
    if not logs:
        raise FormatError(where, "names no log", "give the public key of a log on each line")
    return logs


def application(memory: Memory, logs: Logs) -> web.Application:
    """The one route. Judging, remembering and signing are one step: no two requests may interleave."""

    async def add_checkpoint(request: web.Request) -> web.Response:
        body = await request.read()
        async with turn:
            verdict = judge(body, logs, memory.seen)
            if isinstance(verdict, Refusal):
                log.warning("refused with %d: %s", verdict.status, verdict.text.strip())
                return web.Response(status=verdict.status, text=verdict.text, content_type=verdict.content_type)
            try:
                signature = await asyncio.to_thread(memory.cosign, verdict)
            except AuditError as error:
                log.error("nothing was cosigned: %s", error)
                return web.Response(status=503, text="the witness cannot remember anything at the moment\n")
        return web.Response(text=signature.line)

    turn = asyncio.Lock()
    app = web.Application(client_max_size=MAX_BODY_BYTES)
    app.add_routes([web.post(ADD_CHECKPOINT, add_checkpoint)])
    return app


@asynccontextmanager
async def listening(app: web.Application, host: str, port: int) -> AsyncIterator[int]:
    """The port on which it answers. Raises `FormatError` when there is none to be had."""
    runner = web.AppRunner(app, access_log=None, handle_signals=False)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host, port).start()
        except OSError as error:
            raise FormatError(f"{host}:{port}", f"cannot be listened on: {error}", "choose another --port") from error
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()


def main(key: Path, logs: Path, state: str, host: str, port: int) -> int:
    """Serve until SIGTERM or SIGINT. Raises `AuditError` when it cannot begin."""
    try:
        known = read_logs(logs.read_text(encoding="utf-8"), str(logs))
    except OSError as error:
        raise FormatError(str(logs), f"cannot be read: {error}", "name a file with the logs' keys") from error
    private = load_private(key)
    if private.use is not Use.COSIGNATURE:
        raise FormatError(str(key), "is no witness's key", "make one with: python -m marquee.audit new-key --witness")
    memory = Memory(FolderStore(state), private)
    try:
        asyncio.run(_serve(application(memory, known), host, port))
    finally:
        memory.close()
    return 0


async def _serve(app: web.Application, host: str, port: int) -> None:
    leaving = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, leaving.set)
    async with listening(app, host, port) as actual:
        log.info("listening on port %d", actual)
        await leaving.wait()

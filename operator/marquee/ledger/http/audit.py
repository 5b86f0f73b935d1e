"""``/v1/audit``: the operator enters what it is about to do; everybody reads the log, and takes proofs of it away.

Nothing in an entry is secret or personal, and a log that only some may read convinces nobody: reads need no
credentials.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Final

from aiohttp import hdrs, web

from marquee.audit.errors import MissingError
from marquee.contract.assignment import is_namespace
from marquee.contract.audit_paths import FREEZES, MAX_AUDIT_ENTRIES
from marquee.ledger.access.senders import Role
from marquee.ledger.auditing import KeptLog
from marquee.ledger.http.problems import ProblemError, malformed
from marquee.ledger.http.requests import model_path_of, reply, sender_of, state_of

_TEXT: Final = "text/plain"
_IMMUTABLE: Final = {hdrs.CACHE_CONTROL: "max-age=604800, immutable"}
_DIGITS: Final = 18


async def post_entry(request: web.Request) -> web.Response:
    """Enter one entry, as its author has signed it; answered when it is on the disk."""
    await sender_of(request, Role.AUDIT)
    return reply(await _log(request).enter(await request.read()))


async def get_entries(request: web.Request) -> web.Response:
    """Entries in the order of the log."""
    return reply(await _log(request).entries(_number(request, "from"), _limit(request)))


async def get_entries_of_model(request: web.Request) -> web.Response:
    """A model's entries, the newest first."""
    model = _numbered(request)
    try:
        return reply(await _log(request).entries_of(model, _number(request, "from"), _limit(request)))
    except IndexError as error:
        raise _unknown(f"from is not the index of an entry of {model}: {error}") from None


async def get_proofs(request: web.Request) -> web.Response:
    """Proofs of the entries that are named."""
    texts = request.query.getall("index", [])
    if not 0 < len(texts) <= MAX_AUDIT_ENTRIES:
        raise malformed(f"name 1 to {MAX_AUDIT_ENTRIES} entries: ?index=0&index=7")
    return await _proofs(_log(request), [_whole(text, "index") for text in texts])


async def get_proofs_of_model(request: web.Request) -> web.Response:
    """Proofs of a model's entries from a number on."""
    model, log = _numbered(request), _log(request)
    try:
        indices = await log.indices_of(model, max(1, _number(request, "first") or 1))
    except IndexError as error:
        raise _unknown(f"no such entry: {error}") from None
    return await _proofs(log, indices)


async def get_policy(request: web.Request) -> web.Response:
    """Whom this log asks to be trusted."""
    return web.Response(text=_log(request).policy(), content_type=_TEXT)


async def get_file(request: web.Request) -> web.Response:
    """One file of C2SP tlog-tiles."""
    path = request.match_info["path"]
    log = _log(request)
    try:
        content = await log.file(path)
    except MissingError:
        content = None
    if content is None:
        raise _unknown(f"this log has no file {path[:200]!r}")
    if path.startswith("tile/"):
        return web.Response(body=content, content_type="application/octet-stream", headers=_IMMUTABLE)
    return web.Response(body=content, content_type=_TEXT, charset="utf-8")


async def _proofs(log: KeptLog, indices: list[int]) -> web.Response:
    try:
        return web.Response(text=await log.proofs(indices), content_type=_TEXT)
    except IndexError as error:
        raise _unknown(f"no such entry: {error}") from None


def _numbered(request: web.Request) -> str:
    """A model, or an operator's list of freezes. Raises `ProblemError`."""
    namespace, name = request.match_info["namespace"], request.match_info["model"]
    return f"{namespace}/{name}" if name == FREEZES and is_namespace(namespace) else model_path_of(request)


def _log(request: web.Request) -> KeptLog:
    audit = state_of(request).audit
    if audit is None:
        detail = "this ledger keeps no audit log; ask the one that does, or set MARQUEE_LEDGER_AUDIT_PATH"
        raise ProblemError(HTTPStatus.NOT_FOUND, "no-audit-log", detail)
    return audit


def _limit(request: web.Request) -> int:
    limit = _number(request, "limit")
    return MAX_AUDIT_ENTRIES if limit is None else min(max(1, limit), MAX_AUDIT_ENTRIES)


def _number(request: web.Request, name: str) -> int | None:
    text = request.query.get(name)
    return None if text is None else _whole(text, name)


def _whole(text: str, name: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= _DIGITS):
        raise malformed(f"{name} is a whole number, not {text[:40]!r}")
    return int(text)


def _unknown(detail: str) -> ProblemError:
    return ProblemError(HTTPStatus.NOT_FOUND, "entry-unknown", detail)

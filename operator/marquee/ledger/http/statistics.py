"""``GET /v1/statistics``: the integers of many rollouts, as of one moment, with one request."""

from __future__ import annotations

from hashlib import blake2b
from http import HTTPStatus
from typing import Final

from aiohttp import web

from marquee.ledger.access.senders import Role, Sender
from marquee.ledger.book.entries import RolloutKey
from marquee.ledger.book.statistics import Integers, read
from marquee.ledger.http.problems import ProblemError, malformed
from marquee.ledger.http.requests import sender_of, state_of
from marquee.ledger.store.reading import reading

_TAG_BYTES: Final = 16


async def get_statistics(request: web.Request) -> web.Response:
    """The rollouts that are named by ``rollout=namespace/model/name``, or all that are not closed.

    ``ETag`` and ``If-None-Match`` work as usual: 304 while no integer has changed.
    """
    sender = await sender_of(request, Role.STATISTICS)
    keys = [_key(text) for text in request.query.getall("rollout", [])]
    found = await reading(state_of(request).database, lambda connection: read(connection, keys or None))
    body = _body(found, sender, keys)
    tag = f'"{blake2b(body, digest_size=_TAG_BYTES).hexdigest()}"'
    if request.headers.get("if-none-match") == tag:
        return web.Response(status=HTTPStatus.NOT_MODIFIED.value, headers={"etag": tag})
    return web.Response(body=body, content_type="application/json", headers={"etag": tag})


def _body(found: list[Integers], sender: Sender, keys: list[RolloutKey]) -> bytes:
    """What the sender may see, as JSON.

    Raises:
        ProblemError: 404, a named rollout is not known, or not to this sender.

    """
    visible = [item for item in found if sender.may(Role.STATISTICS, item.rollout.model)]
    unknown = set(keys) - {item.rollout for item in visible}
    if unknown:
        raise ProblemError(HTTPStatus.NOT_FOUND, "rollout-unknown", f"there is no rollout {min(unknown)}")
    return b'{"rollouts":[%b]}' % b",".join(item.document for item in visible)


def _key(text: str) -> RolloutKey:
    model, _, name = text.rpartition("/")
    if model.count("/") != 1:
        raise malformed(f"rollout={text[:200]!r} is not namespace/model/rollout", "malformed-name")
    return RolloutKey(model, name)

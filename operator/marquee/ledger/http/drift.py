"""``POST /v1/drift`` and ``/v1/drift/profiles`` from predictors, safe to repeat; ``GET /v1/drift/...`` for verdicts,
and ``PUT /v1/drift/.../performance``.
"""

from __future__ import annotations

from hashlib import blake2b
from http import HTTPStatus
from typing import Final

import orjson
from aiohttp import web

from marquee.contract.drift import (
    CONTENT_TYPE,
    SLICE_SECONDS,
    DriftBatch,
    DriftBatchError,
    ProfileReceipt,
    ProfileReport,
    decode_drift,
)
from marquee.contract.ledger import BatchReceipt, MetricDeclaration
from marquee.ledger.access.senders import Role
from marquee.ledger.book.drift import RETENTION_SECONDS
from marquee.ledger.book.entries import CountDrift, DeclarePerformance, Describe
from marquee.ledger.book.windows import Wanted, read, tag
from marquee.ledger.http.problems import ProblemError, forbidden, malformed
from marquee.ledger.http.requests import charge, model_of, model_path_of, reply, sender_of, state_of
from marquee.ledger.store.reading import reading

CLOCK_SECONDS: Final = 300
"""How much a pod's clock may be ahead."""
EXPIRED_SECONDS: Final = 6 * 24 * 3_600
"""Shorter than batch ids are remembered: what is older could come a second time without anybody knowing."""
MOST_WINDOWS: Final = 1_000


async def post_profile(request: web.Request) -> web.Response:
    """Take over which bins a revision's pods count."""
    sender = await sender_of(request, Role.EXPOSURES)
    report = await model_of(request, ProfileReport)
    if not sender.may(Role.EXPOSURES, report.model):
        raise forbidden(f"{sender.name} may not act for {report.model}")
    charge(request, sender, Role.EXPOSURES, 1)
    await state_of(request).committer.submit(Describe(report))
    return reply(ProfileReceipt(digest="sha256:" + report.layout.digest.hex()))


async def post_drift(request: web.Request) -> web.Response:
    """Take a batch of counters; the answer means that it is on disk."""
    sender = await sender_of(request, Role.EXPOSURES)
    if request.content_type != CONTENT_TYPE:
        detail = f"send {CONTENT_TYPE}, not {request.content_type}"
        raise ProblemError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", detail)
    raw = await request.read()
    try:
        batch = decode_drift(raw)
    except DriftBatchError as error:
        raise malformed(str(error), "malformed-batch") from None
    if not sender.may(Role.EXPOSURES, batch.model):
        raise forbidden(f"{sender.name} may not act for {batch.model}")
    state = state_of(request)
    _check_time(batch, state.clock())
    charge(request, sender, Role.EXPOSURES, 1)
    digest = int.from_bytes(blake2b(raw, digest_size=8).digest(), "big", signed=True)
    answer = await state.committer.submit(CountDrift(batch, digest))
    state.metrics.batches.labels("drift", "duplicate" if answer.duplicate else "new").inc()
    return reply(BatchReceipt(batch_id=batch.batch_id.hex(), duplicate=answer.duplicate))


async def put_performance(request: web.Request) -> web.Response:
    """Declare the outcome that a model's performance is counted by: 201, or 200 when it was known."""
    model = model_path_of(request)
    await sender_of(request, Role.ROLLOUTS, model)
    metric = await model_of(request, MetricDeclaration)
    answer = await state_of(request).committer.submit(DeclarePerformance(model, metric))
    return reply(metric, HTTPStatus.OK if answer.duplicate else HTTPStatus.CREATED)


async def get_drift(request: web.Request) -> web.Response:
    """Windows of a revision: the first ones and the last ones, with ``ETag`` and ``If-None-Match`` as usual."""
    model = model_path_of(request)
    await sender_of(request, Role.STATISTICS, model)
    state = state_of(request)
    wanted = _wanted(request, model, int(state.clock()))
    numbers = await reading(state.database, lambda connection: tag(connection, wanted))
    asked = (wanted.seconds, wanted.baseline, wanted.last, wanted.performance)
    etag = f'"{"-".join(map(str, (*numbers, *asked)))}"'
    if request.headers.get("if-none-match") == etag:
        return web.Response(status=HTTPStatus.NOT_MODIFIED.value, headers={"etag": etag})
    body = await reading(state.database, lambda connection: orjson.dumps(read(connection, wanted)))
    return web.Response(body=body, content_type="application/json", headers={"etag": etag})


def _wanted(request: web.Request, model: str, now: int) -> Wanted:
    """What the query asks for.

    Raises:
        ProblemError: 400.

    """
    seconds = _number(request, "seconds", 86_400, SLICE_SECONDS, 7 * 86_400)
    if seconds % SLICE_SECONDS:
        raise malformed(f"seconds={seconds} is no multiple of {SLICE_SECONDS}", "malformed")
    most = min(MOST_WINDOWS, RETENTION_SECONDS // seconds)
    baseline, last = (_number(request, name, min(28, most), 0, most) for name in ("baseline", "last"))
    performance = _number(request, "performance", 0, 0, most)
    return Wanted(model, request.match_info["revision"], seconds, baseline, last, now, performance)


def _number(request: web.Request, name: str, default: int, low: int, high: int) -> int:
    given = request.query.get(name, str(default))
    if not (given.isascii() and given.isdigit() and low <= int(given) <= high):
        raise malformed(f"{name}={given[:50]!r} is no whole number from {low} to {high}", "malformed")
    return int(given)


def _check_time(batch: DriftBatch, now: float) -> None:
    begin = batch.slice * SLICE_SECONDS
    if begin > now + CLOCK_SECONDS:
        detail = f"slice {batch.slice} begins {begin - now:.0f} s from now: the pod's clock is ahead of the ledger's"
        raise malformed(detail, "slice-in-future")
    if begin < now - EXPIRED_SECONDS:
        detail = f"slice {batch.slice} is {(now - begin) / 86_400:.1f} days old; six are taken"
        raise malformed(detail, "slice-expired")

"""``POST /v1/exposures`` and ``POST /v1/counts``: from predictors, safe to send again."""

from __future__ import annotations

from hashlib import blake2b
from http import HTTPStatus

from aiohttp import web

from marquee.contract.assignment import unit_hash
from marquee.contract.cohort import Arm, Cohort
from marquee.contract.exposures import (
    CONTENT_TYPE,
    MAX_UNITS,
    BatchError,
    ExposureBatch,
    ExposureGroup,
    decode_batch,
)
from marquee.contract.ledger import BatchReceipt, CountsBatch, ExposuresReport
from marquee.ledger.access.senders import Role
from marquee.ledger.book.entries import Count, Expose
from marquee.ledger.http.problems import ProblemError, forbidden, malformed
from marquee.ledger.http.requests import charge, model_of, reply, sender_of, state_of


async def post_exposures(request: web.Request) -> web.Response:
    """Take a batch of exposures; the answer means that it is on disk."""
    sender = await sender_of(request, Role.EXPOSURES)
    raw = await request.read()
    batch = await _batch(request, raw)
    if not sender.may(Role.EXPOSURES, batch.model):
        raise forbidden(f"{sender.name} may not act for {batch.model}")
    charge(request, sender, Role.EXPOSURES, batch.size)
    state = state_of(request)
    answer = await state.committer.submit(Expose(batch, _digest(raw)), batch.size)
    if not answer.duplicate:
        state.metrics.exposures.inc(batch.size)
    return _receipt(request, "exposures", batch.batch_id.hex(), answer.duplicate)


async def _batch(request: web.Request, raw: bytes) -> ExposureBatch:
    """The batch in a body: eight bytes a unit, as predictors send it, or JSON with identifiers.

    Raises:
        ProblemError: 400, 415 or 422.

    """
    if request.content_type not in {CONTENT_TYPE, "application/json"}:
        detail = f"send {CONTENT_TYPE} or application/json, not {request.content_type}"
        raise ProblemError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", detail)
    try:
        if request.content_type == CONTENT_TYPE:
            return decode_batch(raw)
        batch = _of_report(await model_of(request, ExposuresReport))
        if batch.size > MAX_UNITS:
            raise BatchError(f"a batch has at most {MAX_UNITS} units, not {batch.size}")
    except BatchError as error:
        raise malformed(str(error), "malformed-batch") from None
    return batch


def _of_report(report: ExposuresReport) -> ExposureBatch:
    groups = tuple(
        ExposureGroup(
            Cohort(seen.rollout, seen.step, Arm[seen.arm.upper()]),
            b"".join(unit_hash(report.model, unit) for unit in seen.units),
        )
        for seen in report.exposures
    )
    return ExposureBatch(bytes.fromhex(report.batch_id), report.model, groups)


async def post_counts(request: web.Request) -> web.Response:
    """Take increments of requests, errors and slow requests."""
    sender = await sender_of(request, Role.EXPOSURES)
    batch = await model_of(request, CountsBatch)
    if not sender.may(Role.EXPOSURES, batch.model):
        raise forbidden(f"{sender.name} may not act for {batch.model}")
    charge(request, sender, Role.EXPOSURES, len(batch.counts))
    digest = _digest(batch.model_dump_json().encode())
    answer = await state_of(request).committer.submit(Count(batch, digest), len(batch.counts))
    return _receipt(request, "counts", batch.batch_id, answer.duplicate)


def _receipt(request: web.Request, kind: str, batch_id: str, duplicate: bool) -> web.Response:
    result = "duplicate" if duplicate else "new"
    state_of(request).metrics.batches.labels(kind, result).inc()
    return reply(BatchReceipt(batch_id=batch_id, duplicate=duplicate))


def _digest(content: bytes) -> int:
    return int.from_bytes(blake2b(content, digest_size=8).digest(), "big", signed=True)

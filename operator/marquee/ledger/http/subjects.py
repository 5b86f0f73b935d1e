"""Data subjects over HTTP: pods send decisions and read whom to withhold; whoever answers for the people does the rest.

``/v1/prediction-log``, ``/v1/suppressions`` and ``/v1/erasures``. Identifiers are hashed here and go no further; no
answer, log line or entry has one.
"""

from __future__ import annotations

from hashlib import blake2b
from http import HTTPStatus
from typing import Final

from aiohttp import web
from pydantic import TypeAdapter, ValidationError

from marquee.contract.assignment import UNIT_HASH_BYTES, unit_hash
from marquee.contract.ledger import BatchReceipt, UnitName
from marquee.contract.privacy import (
    MAX_RECORDS,
    MAX_SUBJECTS,
    ErasureReceipt,
    ErasureRequest,
    KeptDecision,
    LoggedDecision,
    PredictionLogBatch,
    SubjectReply,
    Subjects,
    SuppressionReceipt,
    SuppressionsReply,
    UnitHash,
)
from marquee.ledger.access.senders import Role, Sender
from marquee.ledger.book import decisions, subjects, suppressing
from marquee.ledger.book.decisions import Kept
from marquee.ledger.book.entries import Keep, Sealable, Suppress
from marquee.ledger.book.sealing import KeyRing
from marquee.ledger.http.problems import ProblemError, forbidden, malformed
from marquee.ledger.http.requests import charge, model_of, model_path_of, reply, sender_of, state_of
from marquee.ledger.store.reading import reading

CLOCK_SECONDS: Final = 300
"""How much a pod's clock may be ahead."""
EXPIRED_SECONDS: Final = 6 * 24 * 3_600
"""Shorter than batch ids and forgotten subjects are remembered: an older decision could come a second time, or from
before its subject was erased, without anybody knowing."""

_UNIT: Final = TypeAdapter(UnitName)
_HASH: Final = TypeAdapter(UnitHash)
_BESIDE: Final = {"subject", "milliseconds"}
"""What of a decision is not in its ciphertext."""


async def post_decisions(request: web.Request) -> web.Response:
    """Keep a batch of decisions of the sender's own model; the answer means that it is on disk."""
    sender = await sender_of(request, Role.EXPOSURES)
    batch = await model_of(request, PredictionLogBatch)
    if not sender.serves(batch.model):
        raise forbidden(f"{sender.name} does not serve {batch.model}: only a model's own pods log its decisions")
    state = state_of(request)
    _check_times(batch, state.clock())
    charge(request, sender, Role.EXPOSURES, len(batch.decisions))
    answer = await state.committer.submit(_entry(batch, KeyRing(state.keys.all())), len(batch.decisions))
    state.metrics.batches.labels("decisions", "duplicate" if answer.duplicate else "new").inc()
    return reply(BatchReceipt(batch_id=batch.batch_id, duplicate=answer.duplicate))


async def get_decisions(request: web.Request) -> web.Response:
    """All that is kept of one subject, by pages."""
    model = model_path_of(request)
    await sender_of(request, Role.SUBJECTS, model)
    unit, after, state = _subject(request, model), _after(request), state_of(request)
    await _require_known(request, model)
    ring, now = KeyRing(state.keys.all()), int(state.clock())
    page, listed = await reading(
        state.database,
        lambda connection: (
            decisions.read(connection, ring, model, unit, after=after, limit=MAX_RECORDS, now=now),
            suppressing.is_listed(connection, model, unit),
        ),
    )
    return reply(
        SubjectReply(
            model=model,
            subject=unit.hex(),
            suppressed=listed,
            decisions=tuple(_kept(unit, one) for one in page.decisions),
            next=f"{page.next[0]}.{page.next[1]}" if page.next else None,
        )
    )


async def get_suppressions(request: web.Request) -> web.Response:
    """A page of a model's list, for its pods and trainers, and for whoever may change it."""
    model = model_path_of(request)
    state = state_of(request)
    sender = await state.authenticator.authenticate(request.headers.get("authorization", ""))
    if not (sender.may(Role.EXPOSURES, model) or sender.may(Role.SUBJECTS, model) or sender.serves(model)):
        raise forbidden(f"{sender.name} may not read whom {model} withholds")
    revision = await reading(state.database, lambda connection: suppressing.revision(connection, model))
    if request.headers.get("if-none-match") == _tag(revision):
        return web.Response(status=HTTPStatus.NOT_MODIFIED.value, headers={"etag": _tag(revision)})
    after = bytes.fromhex(_hash(request.query["after"], "after")) if "after" in request.query else b""
    page = await reading(state.database, lambda connection: suppressing.page(connection, model, after, MAX_SUBJECTS))
    units = tuple(unit.hex() for unit in page.units)
    answer = reply(SuppressionsReply(revision=page.revision, units=units, next=None if page.is_last else units[-1]))
    answer.headers["etag"] = _tag(page.revision)
    return answer


async def post_suppressions(request: web.Request) -> web.Response:
    """Withhold subjects from now on."""
    return await _change(request, listed=True)


async def delete_suppressions(request: web.Request) -> web.Response:
    """Withhold them no more."""
    return await _change(request, listed=False)


async def post_erasure(request: web.Request) -> web.Response:
    """Forget somebody; the answer means that the keys are gone."""
    sender = await sender_of(request, Role.SUBJECTS)
    asked, state = await model_of(request, ErasureRequest), state_of(request)
    if state.audit is None and state.audit_url:
        detail = f"this ledger keeps no audit log, and an erasure is entered in it: send it to {state.audit_url}"
        raise ProblemError(HTTPStatus.CONFLICT, "log-elsewhere", detail)
    units = await _units_of(request, asked, sender)
    erased = await state.eraser.erase(units, suppress=asked.suppress, actor=sender.name, ground=asked.reason)
    state.metrics.erasures.inc(len(erased))
    return reply(ErasureReceipt(erased=tuple(erased)))


async def _units_of(request: web.Request, asked: ErasureRequest, sender: Sender) -> list[tuple[str, bytes]]:
    """The models that may know the subject, and its hash there.

    Raises:
        ProblemError: 403, 404.

    """
    if asked.model is None:
        known = await reading(state_of(request).database, subjects.models)
        chosen = [model for model in known if sender.may(Role.SUBJECTS, model)]
    else:
        if not sender.may(Role.SUBJECTS, asked.model):
            raise forbidden(f"{sender.name} may not act for {asked.model}")
        await _require_known(request, asked.model)
        chosen = [asked.model]
    if asked.unit is None:
        return [(model, bytes.fromhex(asked.unit_hash or "")) for model in chosen]
    return [(model, unit_hash(model, asked.unit)) for model in chosen]


async def _change(request: web.Request, *, listed: bool) -> web.Response:
    model = model_path_of(request)
    await sender_of(request, Role.SUBJECTS, model)
    named = await model_of(request, Subjects)
    await _require_known(request, model)
    units = {unit_hash(model, unit) for unit in named.units} | {bytes.fromhex(one) for one in named.unit_hashes}
    answer = await state_of(request).committer.submit(Suppress(model, tuple(units), listed), len(units))
    return reply(SuppressionReceipt(changed=answer.changed, revision=answer.revision))


async def _require_known(request: web.Request, model: str) -> None:
    """Refuse a name that is nobody's: "nothing is kept" must never come from a typing mistake.

    Raises:
        ProblemError: 404.
        ModelsUnavailableError: it cannot be found out.

    """
    state = state_of(request)
    if await reading(state.database, lambda connection: subjects.model_id(connection, model)) is not None:
        return
    if await state.models.read(model) is None:
        detail = f"there is no MarketingModel {model}, and nothing is kept about subjects of one"
        raise ProblemError(HTTPStatus.NOT_FOUND, "model-unknown", detail)


def _check_times(batch: PredictionLogBatch, now: float) -> None:
    """Refuse decisions of clocks that are wrong.

    Raises:
        ProblemError: 400.

    """
    for number, one in enumerate(batch.decisions):
        ahead = one.milliseconds / 1_000 - now
        if ahead > CLOCK_SECONDS:
            detail = f"decisions.{number}: lies {ahead:.0f} s ahead of the ledger's clock; check the pod's"
            raise malformed(detail, "decision-in-future")
        if ahead < -EXPIRED_SECONDS:
            detail = f"decisions.{number}: is {-ahead / 86_400:.1f} days old; six are taken"
            raise malformed(detail, "decision-expired")


def _entry(batch: PredictionLogBatch, ring: KeyRing) -> Keep:
    content = batch.model_dump_json().encode()
    return Keep(
        bytes.fromhex(batch.batch_id),
        int.from_bytes(blake2b(content, digest_size=8).digest(), "big", signed=True),
        batch.model,
        batch.revision,
        batch.retention_days,
        tuple(_sealable(one) for one in batch.decisions),
        ring,
    )


def _sealable(one: LoggedDecision) -> Sealable:
    plaintext = one.model_dump_json(by_alias=True, exclude=_BESIDE, exclude_defaults=True).encode()
    return Sealable(bytes.fromhex(one.subject), one.milliseconds, plaintext)


def _kept(unit: bytes, one: Kept) -> KeptDecision:
    decision = LoggedDecision.model_validate_json(
        b'{"subject":"%s","milliseconds":%d,%s' % (unit.hex().encode(), one.milliseconds, one.plaintext[1:])
    )
    return KeptDecision.model_validate(
        decision.model_dump() | {"revision": one.revision, "expires": float(one.expires_at)}
    )


def _subject(request: web.Request, model: str) -> bytes:
    """The unit's hash that the query names.

    Raises:
        ProblemError: 400.

    """
    given = [name for name in ("unit", "unitHash") if name in request.query]
    if len(given) != 1:
        raise malformed("name the subject by unit=IDENTIFIER or by unitHash=16 hexadecimal digits, and by one of them")
    if given == ["unitHash"]:
        return bytes.fromhex(_hash(request.query["unitHash"], "unitHash"))
    try:
        return unit_hash(model, _UNIT.validate_python(request.query["unit"]))
    except ValidationError:
        raise malformed("unit: an identifier has 1 to 256 characters") from None


def _hash(text: str, name: str) -> str:
    try:
        return _HASH.validate_python(text)
    except ValidationError:
        raise malformed(f"{name}: a unit's hash is {2 * UNIT_HASH_BYTES} small hexadecimal digits") from None


def _after(request: web.Request) -> tuple[int, int]:
    given = request.query.get("after", "0.0")
    subject, separator, number = given.partition(".")
    if not (separator and all(part.isascii() and part.isdigit() and len(part) <= 18 for part in (subject, number))):
        raise malformed("after: give what the page before has as its next")
    return int(subject), int(number)


def _tag(revision: int) -> str:
    return f'"{revision}"'

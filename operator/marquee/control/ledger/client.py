"""The operator's requests to the ledger over its HTTP session: declare, stamp, close, and read what is open."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final, TypeVar

import aiohttp
import orjson
from pydantic import BaseModel, ValidationError

from marquee.api.drift import Drift
from marquee.contract.audit import ENTRY_TYPE, AuditEntriesReply, EnteredReply, LoggedEntry
from marquee.contract.audit_paths import AUDIT_ENTRIES_PATH, AUDIT_MODELS_PATH
from marquee.contract.drift import DRIFT_PATH, DriftReply
from marquee.contract.ledger import (
    ROLLOUTS_PATH,
    STATISTICS_PATH,
    RolloutDeclaration,
    RolloutStatistics,
    StatisticsReply,
)
from marquee.contract.performance import PERFORMANCE_PATH
from marquee.contract.stamping import Stamping
from marquee.control.ledger.credentials import ProjectedToken
from marquee.control.ledger.errors import LedgerNotUnderstoodError, LedgerUnavailableError, refusal
from marquee.judging.performing import declaration_of, drift_path

MAX_REPLY_BYTES: Final = 32 * 2**20
"""A thousand open rollouts of ten steps and three metrics take 7 MiB."""
_SLICE: Final = 20
"""Rollouts that are read in one go. A thousand at once take a good part of a second, in which nothing else of the
operator would run, such as the renewal of its Lease."""
_MAX_DETAIL: Final = 300
_NEWEST_ENTRIES: Final = 50
"""The newest decision about traffic is among them, and all that a run that is not settled has: those are three."""
_CHUNK_BYTES: Final = 64 * 1024
_PROBLEM_TYPE: Final = "urn:marquee:problem:"


_Reply = TypeVar("_Reply", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class _Answer:
    request: str
    status: int
    etag: str
    body: bytes


class LedgerClient:
    """One ledger, as the operator sees it. Nothing is repeated here: who calls knows how long it can wait.

    Args:
        session: of the process; its cookies and redirects are not used.
        url: of the ledger, such as ``http://marquee-ledger.marquee-system:8090``.
        token_path: file of the projected service-account token; None: send none (a laptop's ledger).
        timeout_seconds: for one request, its answer included.

    """

    def __init__(
        self, session: aiohttp.ClientSession, url: str, token_path: Path | None, *, timeout_seconds: float = 10.0
    ) -> None:
        self._session = session
        self._url = url.rstrip("/")
        self._token = ProjectedToken(token_path) if token_path is not None else None
        self._timeout_seconds = timeout_seconds
        self._etag = ""

    async def declare(self, model: str, rollout: str, declaration: RolloutDeclaration) -> None:
        """Say what a rollout counts. Saying the same again changes nothing.

        Args:
            model: ``namespace/name``.
            rollout: its name, unique within the model.
            declaration: its metrics.

        Raises:
            DeclaredOtherwiseError: it was declared with other metrics; what it counts stays.
            LedgerError: as the tree says.

        """
        answer = await self._send(
            "PUT", _path(model, rollout), body=declaration.model_dump_json(by_alias=True).encode()
        )
        _expect(answer, HTTPStatus.OK, HTTPStatus.CREATED)

    async def stamp(self, model: str, rollout: str, stamping: Stamping) -> None:
        """Let a step begin soon that the pods of both arms stamp themselves. Saying the same again changes nothing.

        Raises:
            LedgerError: as the tree says.

        """
        body = stamping.model_dump_json(by_alias=True).encode()
        answer = await self._send("PUT", _path(model, rollout) + "/stamping", body=body)
        _expect(answer, HTTPStatus.OK, HTTPStatus.CREATED)

    async def end_stamping(self, model: str, rollout: str) -> None:
        """Let no pod stamp for a rollout any more. Saying it again changes nothing.

        Raises:
            RolloutUnknownError: the ledger has no such rollout.
            LedgerError: as the tree says.

        """
        _expect(await self._send("DELETE", _path(model, rollout) + "/stamping"), HTTPStatus.NO_CONTENT)

    async def close(self, model: str, rollout: str) -> None:
        """End a rollout: its integers stay, `statistics` leaves it out from now on. Closing again changes nothing.

        Raises:
            RolloutUnknownError: the ledger has no such rollout.
            LedgerError: as the tree says.

        """
        _expect(await self._send("POST", _path(model, rollout) + "/close"), HTTPStatus.NO_CONTENT)

    async def statistics(self) -> tuple[RolloutStatistics, ...] | None:
        """All rollouts that are not closed, as of one moment; None when nothing has changed since the last call.

        Raises:
            LedgerError: as the tree says; the next call then answers in full if the last good one is out of date.

        """
        answer = await self._send("GET", STATISTICS_PATH, etag=self._etag)
        if answer.status == HTTPStatus.NOT_MODIFIED and self._etag:
            return None
        _expect(answer, HTTPStatus.OK)
        rollouts = await _rollouts(answer)
        self._etag = answer.etag
        return rollouts

    async def drift(self, model: str, revision: str, drift: Drift, *, etag: str = "") -> tuple[DriftReply, str] | None:
        """The windows that a verdict needs, and their tag; None when they are those of the tag that was given.

        Where the ledger counts performance by another outcome than the spec says, or by none, it is told.

        Raises:
            LedgerError: as the tree says.

        """
        answer = await self._send("GET", drift_path(model, revision, drift), etag=etag)
        if answer.status == HTTPStatus.NOT_MODIFIED and etag:
            return None
        _expect(answer, HTTPStatus.OK)
        reply = await asyncio.to_thread(_read, answer, DriftReply)
        if drift.performance is not None:
            wanted = declaration_of(drift.performance)
            if reply.performance is None or reply.performance.metric != wanted:
                body = wanted.model_dump_json(by_alias=True).encode()
                told = await self._send("PUT", f"{DRIFT_PATH}/{model}{PERFORMANCE_PATH}", body=body)
                _expect(told, HTTPStatus.OK, HTTPStatus.CREATED)
        return reply, answer.etag

    async def newest_entries(self, model: str) -> tuple[LoggedEntry, ...]:
        """A model's newest entries in the audit log, the newest first.

        Raises:
            LedgerError: as the tree says.

        """
        answer = await self._send("GET", f"{AUDIT_MODELS_PATH}/{model}?limit={_NEWEST_ENTRIES}")
        _expect(answer, HTTPStatus.OK)
        return _read(answer, AuditEntriesReply).entries

    async def append_entry(self, entry: bytes) -> EnteredReply:
        """Enter a signed entry; returns when it is durable. Sending the same again changes nothing.

        Raises:
            OutOfSequenceError: it is not the next one of its model.
            LedgerError: as the tree says.

        """
        answer = await self._send("POST", AUDIT_ENTRIES_PATH, body=entry, content_type=ENTRY_TYPE)
        _expect(answer, HTTPStatus.OK)
        return _read(answer, EnteredReply)

    async def _send(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        etag: str = "",
        content_type: str = "application/json",
    ) -> _Answer:
        request = f"{method} {self._url}{path}"
        headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
        if self._token is not None:
            headers["Authorization"] = f"Bearer {self._token.value()}"
        if body is not None:
            headers["Content-Type"] = content_type
        if etag:
            headers["If-None-Match"] = etag
        try:
            async with self._session.request(
                method,
                self._url + path,
                data=body,
                headers=headers,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=self._timeout_seconds),
            ) as response:
                content = await _bounded(response, request)
                return _Answer(request, response.status, response.headers.get("etag", ""), content)
        except TimeoutError as error:
            raise LedgerUnavailableError(f"{request}: no answer within {self._timeout_seconds:g} s") from error
        except (aiohttp.ClientError, OSError) as error:
            raise LedgerUnavailableError(f"{request}: {type(error).__name__}: {error}") from error


async def _rollouts(answer: _Answer) -> tuple[RolloutStatistics, ...]:
    """The statistics in an answer, read slice by slice."""
    found: list[RolloutStatistics] = []
    try:
        documents: list[Any] = orjson.loads(answer.body)["rollouts"]
        for start in range(0, len(documents), _SLICE):
            found += StatisticsReply.model_validate({"rollouts": documents[start : start + _SLICE]}).rollouts
            await asyncio.sleep(0)
    except ValidationError as error:
        raise _not_understood(answer, _first_complaint(error)) from None
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise _not_understood(answer, f"no JSON with rollouts: {error}") from None
    return tuple(found)


def _read(answer: _Answer, kind: type[_Reply]) -> _Reply:
    try:
        return kind.model_validate_json(answer.body)
    except ValidationError as error:
        raise _not_understood(answer, _first_complaint(error)) from None


def _first_complaint(error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']}"


def _path(model: str, rollout: str) -> str:
    return f"{ROLLOUTS_PATH}/{model}/{rollout}"


async def _bounded(response: aiohttp.ClientResponse, request: str) -> bytes:
    """The body, but not more of it than any ledger says."""
    parts: list[bytes] = []
    size = 0
    async for chunk in response.content.iter_chunked(_CHUNK_BYTES):
        size += len(chunk)
        if size > MAX_REPLY_BYTES:
            raise LedgerNotUnderstoodError(f"{request}: the answer has more than {MAX_REPLY_BYTES:,} bytes")
        parts.append(chunk)
    return b"".join(parts)


def _expect(answer: _Answer, *wanted: HTTPStatus) -> None:
    """Raise what an answer other than the wanted ones means."""
    if answer.status in wanted:
        return
    kind, detail = _problem(answer.body)
    if answer.status == HTTPStatus.TOO_MANY_REQUESTS or answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        raise LedgerUnavailableError(f"{answer.request}: {answer.status} {kind}".rstrip() + f": {detail}")
    if answer.status >= HTTPStatus.BAD_REQUEST:
        raise refusal(answer.request, answer.status, kind, detail)
    raise _not_understood(answer, f"an answer with status {answer.status}")


def _problem(body: bytes) -> tuple[str, str]:
    """Kind and detail of a problem (RFC 9457); of anything else the beginning."""
    try:
        problem: Any = orjson.loads(body)
        return str(problem["type"]).removeprefix(_PROBLEM_TYPE), str(problem["detail"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return "", body[:_MAX_DETAIL].decode(errors="replace").strip() or "no reason was given"


def _not_understood(answer: _Answer, what: str) -> LedgerNotUnderstoodError:
    return LedgerNotUnderstoodError(
        f"{answer.request}: not understood: {what}; is MARQUEE_OPERATOR_LEDGER_URL a ledger of this version?"
    )

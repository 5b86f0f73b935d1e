"""Errors as people and programs read them: RFC 9457 problem details, in the shape that predictors use too."""

from __future__ import annotations

import logging
import math
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Final

import orjson
from aiohttp import web

from marquee.audit.errors import (
    AuditError,
    EntryTooLargeError,
    FormatError,
    ProofError,
    SequenceGapError,
    SequenceReusedError,
)
from marquee.evidence.errors import CountsError, EvidenceError, QuestionError
from marquee.ledger.access.senders import ReviewUnavailableError, UnauthenticatedError
from marquee.ledger.errors import (
    BatchReusedError,
    BusyError,
    ClockWentBackError,
    DeclarationChangedError,
    EpochSharedError,
    ErasurePendingError,
    LedgerError,
    ModelNotJudgedError,
    ModelsUnavailableError,
    ProfileUnknownError,
    RolloutUnknownError,
    SealBrokenError,
    StampingChangedError,
    StoreUnavailableError,
    TooManyRolloutsError,
)

log = logging.getLogger(__name__)

PROBLEM_TYPE: Final = "urn:marquee:problem:"
CONTENT_TYPE: Final = "application/problem+json"
_RETRY_SECONDS: Final = 1

_OF_ERRORS: Final[dict[type[Exception], tuple[HTTPStatus, str]]] = {
    BatchReusedError: (HTTPStatus.CONFLICT, "batch-reused"),
    DeclarationChangedError: (HTTPStatus.CONFLICT, "declaration-changed"),
    StampingChangedError: (HTTPStatus.CONFLICT, "stamping-changed"),
    TooManyRolloutsError: (HTTPStatus.CONFLICT, "too-many-rollouts"),
    ProfileUnknownError: (HTTPStatus.CONFLICT, "profile-unknown"),
    EpochSharedError: (HTTPStatus.CONFLICT, "epoch-shared"),
    ClockWentBackError: (HTTPStatus.CONFLICT, "clock-went-back"),
    RolloutUnknownError: (HTTPStatus.NOT_FOUND, "rollout-unknown"),
    ModelNotJudgedError: (HTTPStatus.UNPROCESSABLE_ENTITY, "model-not-judged"),
    ModelsUnavailableError: (HTTPStatus.SERVICE_UNAVAILABLE, "models-unavailable"),
    CountsError: (HTTPStatus.UNPROCESSABLE_ENTITY, "counts-contradictory"),
    QuestionError: (HTTPStatus.UNPROCESSABLE_ENTITY, "question-unanswerable"),
    SealBrokenError: (HTTPStatus.INTERNAL_SERVER_ERROR, "seal-broken"),
    ErasurePendingError: (HTTPStatus.SERVICE_UNAVAILABLE, "erasure-pending"),
    BusyError: (HTTPStatus.SERVICE_UNAVAILABLE, "busy"),
    StoreUnavailableError: (HTTPStatus.SERVICE_UNAVAILABLE, "store-unavailable"),
    ReviewUnavailableError: (HTTPStatus.SERVICE_UNAVAILABLE, "review-unavailable"),
    UnauthenticatedError: (HTTPStatus.UNAUTHORIZED, "unauthenticated"),
}


_OF_AUDIT_ERRORS: Final[tuple[tuple[type[AuditError], HTTPStatus, str], ...]] = (
    (EntryTooLargeError, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "entry-too-large"),
    (FormatError, HTTPStatus.UNPROCESSABLE_ENTITY, "entry-invalid"),
    (ProofError, HTTPStatus.UNPROCESSABLE_ENTITY, "entry-unsigned"),
    (SequenceGapError, HTTPStatus.CONFLICT, "sequence-gap"),
    (SequenceReusedError, HTTPStatus.CONFLICT, "sequence-reused"),
    (AuditError, HTTPStatus.SERVICE_UNAVAILABLE, "audit-unavailable"),
)
"""The first that fits."""


class ProblemError(Exception):
    """An HTTP error. ``kind`` is the stable name that programs may compare."""

    def __init__(self, status: HTTPStatus, kind: str, detail: str, *, retry_seconds: float | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.kind = kind
        self.detail = detail
        self.retry_seconds = retry_seconds

    def to_response(self) -> web.Response:
        """The problem as a response."""
        body = {
            "type": PROBLEM_TYPE + self.kind,
            "title": self.status.phrase,
            "status": self.status.value,
            "detail": self.detail,
        }
        headers = {"content-type": CONTENT_TYPE}
        if self.retry_seconds is not None:
            headers["retry-after"] = str(max(1, math.ceil(self.retry_seconds)))
        if self.status is HTTPStatus.UNAUTHORIZED:
            headers["www-authenticate"] = "Bearer"
        return web.Response(status=self.status.value, body=orjson.dumps(body), headers=headers)


def malformed(detail: str, kind: str = "malformed") -> ProblemError:
    """400: the body cannot be read."""
    return ProblemError(HTTPStatus.BAD_REQUEST, kind, detail)


def forbidden(detail: str) -> ProblemError:
    """403: the sender is known and may not do this."""
    return ProblemError(HTTPStatus.FORBIDDEN, "forbidden", detail)


def over_quota(sender: str, role: str, seconds: float) -> ProblemError:
    """429, with the time after which the same request fits."""
    detail = f"{sender} has used up its quota of {role}; send it again in {math.ceil(seconds)} s, or ask for more"
    return ProblemError(HTTPStatus.TOO_MANY_REQUESTS, "over-quota", detail, retry_seconds=seconds)


@web.middleware
async def problems(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    """Turn everything that is raised into a problem; what nobody foresaw is logged and says nothing of itself."""
    try:
        return await handler(request)
    except ProblemError as problem:
        return problem.to_response()
    except (LedgerError, UnauthenticatedError, ReviewUnavailableError, EvidenceError) as error:
        return _of(error).to_response()
    except AuditError as error:
        return _of_audit(error).to_response()
    except web.HTTPException as error:
        return _of_aiohttp(error).to_response()
    except ConnectionResetError:
        raise
    except Exception:
        log.exception("a request to %s failed", request.path)
        detail = "the ledger failed to answer; its log says why"
        return ProblemError(HTTPStatus.INTERNAL_SERVER_ERROR, "internal", detail).to_response()


def _of(error: Exception) -> ProblemError:
    status, kind = _OF_ERRORS.get(type(error), (HTTPStatus.INTERNAL_SERVER_ERROR, "internal"))
    retry = _RETRY_SECONDS if status is HTTPStatus.SERVICE_UNAVAILABLE else None
    return ProblemError(status, kind, str(error), retry_seconds=retry)


def _of_audit(error: AuditError) -> ProblemError:
    status, kind = next((status, kind) for one, status, kind in _OF_AUDIT_ERRORS if isinstance(error, one))
    retry = _RETRY_SECONDS if status is HTTPStatus.SERVICE_UNAVAILABLE else None
    return ProblemError(status, kind, str(error), retry_seconds=retry)


def _of_aiohttp(error: web.HTTPException) -> ProblemError:
    status = HTTPStatus(error.status)
    kinds = {404: "not-found", 405: "method-not-allowed", 413: "body-too-large"}
    detail = {
        404: "nothing is served under this path; see docs/ledger.md",
        405: "this path does not take this method",
        413: "the body is too large; send fewer records a request",
    }
    return ProblemError(status, kinds.get(error.status, "http"), detail.get(error.status, error.reason))

"""Errors as people and programs read them: RFC 9457 problem details."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, Final

import orjson

from bentos.front.asgi import Response
from bentos.front.schema import MAX_ERRORS, FieldError
from marquee.contract.pod import HEADER_DEADLINE

PROBLEM_TYPE: Final = "urn:marquee:problem:"
_CONTENT_TYPE: Final = (b"content-type", b"application/problem+json")


class ProblemError(Exception):
    """An HTTP error. ``kind`` is the stable name that programs may compare."""

    def __init__(
        self,
        status: HTTPStatus,
        kind: str,
        detail: str,
        *,
        errors: Sequence[FieldError] = (),
        headers: Sequence[tuple[bytes, bytes]] = (),
        close: bool = False,
        turned_away: bool = False,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.kind = kind
        self.detail = detail
        self.errors = errors
        self.headers = headers
        self.close = close
        self.turned_away = turned_away

    def to_response(self) -> Response:
        """The problem as a response.

        ``error`` repeats the detail: clients of the Open Inference Protocol look for it there.
        """
        body: dict[str, Any] = {
            "type": PROBLEM_TYPE + self.kind,
            "title": self.status.phrase,
            "status": self.status.value,
            "detail": self.detail,
            "error": self.detail,
        }
        if self.errors:
            body["errors"] = [{"pointer": error.pointer, "detail": error.detail} for error in self.errors]
        headers = [_CONTENT_TYPE, *self.headers]
        return Response(self.status.value, orjson.dumps(body), headers, close=self.close, turned_away=self.turned_away)


def invalid_input(errors: Sequence[FieldError]) -> ProblemError:
    """422: each error names the field and says what it must be."""
    first = errors[0]
    more = f"; and {len(errors) - 1} more" if len(errors) > 1 else ""
    if len(errors) >= MAX_ERRORS:
        more += " or further ones that were not looked for"
    return ProblemError(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        "invalid-input",
        f"{first.pointer or 'the body'} {first.detail}{more}",
        errors=errors,
    )


def malformed(detail: str) -> ProblemError:
    """400: the body is no JSON."""
    return ProblemError(HTTPStatus.BAD_REQUEST, "malformed-json", f"the body is no JSON: {detail}")


def not_found(detail: str) -> ProblemError:
    """404: nothing is served under this path."""
    return ProblemError(HTTPStatus.NOT_FOUND, "not-found", detail)


def method_not_allowed(method: str, allowed: str) -> ProblemError:
    """405, with the methods that are."""
    detail = f"{method} is not allowed here; use {allowed}"
    return ProblemError(
        HTTPStatus.METHOD_NOT_ALLOWED, "method-not-allowed", detail, headers=[(b"allow", allowed.encode())]
    )


def too_large(limit: int) -> ProblemError:
    """413; the connection ends because the rest of the body may still be on the way."""
    return ProblemError(
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        "body-too-large",
        f"the body has more than {limit} bytes; send fewer rows a request, or raise maxRequestBytes of the model",
        close=True,
    )


def unsupported_media_type(detail: str) -> ProblemError:
    """415: the body is not plain JSON."""
    return ProblemError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", detail)


def unavailable(
    kind: str, detail: str, *, retry_seconds: int = 1, close: bool = True, turned_away: bool = False
) -> ProblemError:
    """503, with the time after which trying again makes sense."""
    return ProblemError(
        HTTPStatus.SERVICE_UNAVAILABLE,
        kind,
        detail,
        headers=[(b"retry-after", str(retry_seconds).encode())],
        close=close,
        turned_away=turned_away,
    )


def overloaded(retry_seconds: int) -> ProblemError:
    """503: it would have to wait for too long. The connection stays: a new one would cost more than the answer."""
    return ProblemError(
        HTTPStatus.SERVICE_UNAVAILABLE,
        "overloaded",
        f"more requests are waiting for the model than it can answer in time; retry after {retry_seconds} s",
        headers=[(b"retry-after", b"%d" % retry_seconds)],
        turned_away=True,
    )


def deadline_exceeded() -> ProblemError:
    """504: the request's own deadline was over before its turn came; the model was not asked."""
    return ProblemError(
        HTTPStatus.GATEWAY_TIMEOUT,
        "deadline-exceeded",
        f"the request waited for longer than its {HEADER_DEADLINE} allows; the model was not asked",
        turned_away=True,
    )


def internal(kind: str, detail: str) -> ProblemError:
    """500: not the caller's fault."""
    return ProblemError(HTTPStatus.INTERNAL_SERVER_ERROR, kind, detail)

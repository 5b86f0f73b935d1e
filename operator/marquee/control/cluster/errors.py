"""What can go wrong between the operator and the Kubernetes API: one tree of exceptions.

ClusterError
├── ApiError                  the server answered, and refused
│   ├── Unauthorized   401    it does not know who is asking
│   ├── Forbidden      403    RBAC or admission does not allow it
│   ├── NotFound       404
│   ├── Conflict       409    another field manager owns the field, or the object has changed meanwhile
│   │   └── AlreadyExists
│   ├── Gone           410    the resourceVersion to continue from is too old: list again
│   ├── Invalid        422    the object breaks the schema or a validation rule
│   ├── TooManyRequests 429   the server asks for patience
│   └── ServerFault    5xx    the server itself is in trouble
├── Unreachable               no answer: connection refused, reset, cut or timed out
├── MalformedAnswer           an answer that is not the Kubernetes API's, as from a proxy in between
├── LoginFailed               no usable credentials
├── KindsUnknown              the server does not know Marquee's kinds, or not yet
└── LeadershipLost            the Lease is another's, or could not be renewed in time
"""
# ruff: noqa: N818 - the names are the API's own reasons, as in its documentation and its answers

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class ClusterError(Exception):
    """Base of everything that this package raises on purpose."""


class Cause(NamedTuple):
    """One of the reasons inside a refusal: the field's path in the object, empty where there is none."""

    field: str
    message: str


class ApiError(ClusterError):
    """The server answered with a failure; the message is the server's own."""

    def __init__(
        self,
        status: int,
        reason: str,
        message: str,
        path: str,
        *,
        method: str = "",
        causes: list[Cause] | None = None,
        retry_after: float | None = None,
    ) -> None:
        request = f"{method} {path}".strip()
        super().__init__(f"{request}: {status} {reason}: {message}")
        self.status = status
        self.reason = reason
        self.message = message
        self.path = path
        self.method = method
        self.causes: list[Cause] = causes or []
        """Field and message of each cause, in the server's order."""
        self.retry_after = retry_after
        """Seconds after which the server wants to be asked again; None when it did not say."""


class Unauthorized(ApiError):
    """401: the credentials are missing, expired or unknown."""


class Forbidden(ApiError):
    """403: RBAC, admission or a quota does not allow the request."""


class NotFound(ApiError):
    """404: the object, or its kind, does not exist."""


class Conflict(ApiError):
    """409: another field manager owns a field (`causes` names it), or the precondition does not hold."""


class AlreadyExists(Conflict):
    """409: an object of this name exists already."""


class Gone(ApiError):
    """410: the server no longer has the changes since the given resourceVersion."""


class Invalid(ApiError):
    """422: the object breaks its schema or a validation rule; `causes` names the fields."""


class TooManyRequests(ApiError):
    """429: the server asks to come back after `retry_after` seconds."""


class ServerFault(ApiError):
    """5xx: the server, or a webhook or aggregated API behind it, is in trouble."""


class Unreachable(ClusterError):
    """No answer came; whether a write took effect is unknown."""


class MalformedAnswer(ClusterError):
    """The answer is not what the Kubernetes API speaks."""


class LoginFailed(ClusterError):
    """No usable credentials: no kubeconfig, no service account, or a login helper that failed."""


class KindsUnknown(ClusterError):
    """The server does not list Marquee's kinds: the CRDs are missing, or it has just been started."""


class LeadershipLost(ClusterError):
    """The Lease is no longer ours: the process must end, because another may lead already."""


_BY_STATUS: dict[int, type[ApiError]] = {
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    409: Conflict,
    410: Gone,
    422: Invalid,
    429: TooManyRequests,
}


def api_error(
    status: int,
    body: Mapping[str, Any],
    path: str,
    *,
    method: str = "",
    retry_after_header: str | None = None,
) -> ApiError:
    """Build the error for a failed answer from its ``Status`` body (meta/v1; ``{}`` when it had none)."""
    kind: type[ApiError] = _BY_STATUS.get(status, ServerFault if status >= 500 else ApiError)
    reason = str(body.get("reason") or kind.__name__)
    if kind is Conflict and reason == "AlreadyExists":
        kind = AlreadyExists
    details = body.get("details") or {}
    return kind(
        status,
        reason,
        str(body.get("message") or "the server gave no message"),
        path,
        method=method,
        causes=[
            Cause(str(cause.get("field", "")), str(cause.get("message", ""))) for cause in details.get("causes") or ()
        ],
        retry_after=_seconds(retry_after_header) or _seconds(details.get("retryAfterSeconds")),
    )


def _seconds(value: object) -> float | None:
    """Seconds from a ``Retry-After`` header or a Status; the header's other form, a date, counts as absent."""
    try:
        seconds = float(str(value))
    except ValueError:
        return None
    return seconds if 0 < seconds < float("inf") else None

"""Reads what the API server answers: objects, refusals and the events of a watch."""

from __future__ import annotations

from typing import Any

import orjson

from marquee.control.cluster.errors import ApiError, MalformedAnswer, api_error

_SHOWN_BYTES = 200
"""How much of an answer that cannot be read is shown in the error."""


def json_object(payload: bytes, *, method: str, path: str) -> dict[str, Any]:
    """Return the JSON object of a successful answer.

    Raises:
        MalformedAnswer: it is none.

    """
    answer = _decoded(payload)
    if answer is None:
        raise MalformedAnswer(f"{method} {path}: no JSON object but {payload[:_SHOWN_BYTES]!r}")
    return answer


def refusal(status: int, payload: bytes, *, method: str, path: str, retry_after: str | None) -> ApiError:
    """Build the error of a failed answer; what is no ``Status``, as a proxy's page, becomes its message."""
    body = _decoded(payload)
    if body is None:
        body = {"message": payload[:_SHOWN_BYTES].decode(errors="replace").strip()}
    return api_error(status, body, path, method=method, retry_after_header=retry_after)


def watch_event(line: bytes, *, path: str) -> dict[str, Any]:
    """Return one event of a watch, ``{"type": ..., "object": ...}``.

    Raises:
        ApiError: the event is an ERROR; the watch is over.
        MalformedAnswer: the line is no event.

    """
    event = _decoded(line)
    if event is None or not isinstance(event.get("object"), dict) or "type" not in event:
        raise MalformedAnswer(f"WATCH {path}: no event but {line[:_SHOWN_BYTES]!r}")
    if event["type"] == "ERROR":
        status = event["object"]
        raise api_error(int(status.get("code") or 500), status, path, method="WATCH")
    return event


def _decoded(payload: bytes) -> dict[str, Any] | None:
    try:
        decoded = orjson.loads(payload)
    except orjson.JSONDecodeError:
        return None
    return decoded if isinstance(decoded, dict) else None

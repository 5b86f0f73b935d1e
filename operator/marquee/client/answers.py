"""What came back from a server, and the problem that it tells of (RFC 9457)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

_PROBLEM_TYPE: Final = "urn:marquee:problem:"
_SHOWN: Final = 200
"""Most characters that a message repeats of an answer nobody understands."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer, however it was fetched."""

    status: int
    headers: Mapping[str, str]
    """By names in lower case."""
    body: bytes

    def document(self) -> dict[str, Any]:
        """The body as a JSON object; empty when it is none."""
        try:
            document = json.loads(self.body)
        except (ValueError, RecursionError):
            return {}
        return document if isinstance(document, dict) else {}


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a server refuses."""

    kind: str
    """Stable name of a problem of Marquee; empty for an answer of something between, such as a gateway."""
    detail: str


def problem_of(answer: Answer) -> Problem:
    """The problem in an answer; never empty words."""
    document = answer.document()
    name, detail = document.get("type"), document.get("detail")
    kind = name.removeprefix(_PROBLEM_TYPE) if isinstance(name, str) and name.startswith(_PROBLEM_TYPE) else ""
    if not (isinstance(detail, str) and detail):
        detail = answer.body[:_SHOWN].decode("utf-8", "replace").strip() or "no explanation"
    return Problem(kind, detail)

"""The head of a request for a prediction, in one pass over its headers: who asks, until when, and what of a cache."""

from __future__ import annotations

from collections.abc import Iterable
from http import HTTPStatus
from typing import Final

from bentos.front.asgi import Header
from bentos.front.caching import ANY, Directives, directives_of
from bentos.front.callers import CALLER_HEADERS, Caller, Callers
from bentos.front.problems import ProblemError, unsupported_media_type
from marquee.contract.pod import HEADER_DEADLINE
from marquee.contract.privacy import HEADER_PURPOSE_TOKEN, HEADER_PURPOSES

MAX_DEADLINE_MILLISECONDS: Final = 600_000

_DEADLINE: Final = HEADER_DEADLINE.encode()
_LENGTH: Final = b"content-length"
_TYPE: Final = b"content-type"
_ENCODING: Final = b"content-encoding"
_BINARY: Final = b"inference-header-content-length"
_EXPECT: Final = b"expect"
_CACHE: Final = b"cache-control"
_JSON_TYPE: Final = b"application/json"
_PURPOSES: Final = HEADER_PURPOSES.encode()
_TOKEN: Final = HEADER_PURPOSE_TOKEN.encode()
_KNOWN: Final = CALLER_HEADERS | {_DEADLINE, _LENGTH, _TYPE, _ENCODING, _BINARY, _EXPECT, _CACHE}
_CONSENT: Final = frozenset({_PURPOSES, _TOKEN})
_LISTS: Final = frozenset({_CACHE, _PURPOSES})
"""Headers that may come more than once, and are one list then (RFC 9110, section 5.3)."""
_MILLISECOND: Final = 1_000_000


class Head:
    """What the headers of one request say."""

    __slots__ = ("cache", "caller", "deadline", "declared", "problem", "purposes", "token", "waits")

    def __init__(self, caller: Caller | None = None, *, cache: Directives = ANY) -> None:
        self.caller = caller or Caller()
        self.cache = cache
        self.deadline: int | None = None
        """When the answer is of no use any more, in nanoseconds of the front's clock."""
        self.declared: int | None = None
        """The length of the body, if the client says it."""
        self.waits = False
        """The client sends its body only when it is asked to (``Expect: 100-continue``)."""
        self.problem: ProblemError | None = None
        """Why the body is not even looked at."""
        self.purposes = b""
        """What the caller says that the subject has consented to; read where the model asks for consent."""
        self.token: bytes | None = None
        """The same, signed."""

    @property
    def scope(self) -> bytes:
        """What keeps the answer to this request apart from that to others with the same input.

        The gateway stamps no cohort on a holdout's requests, and another one in each arm and step.
        """
        return self.caller.stamp


class Heads:
    """Reads the heads of one model's requests.

    Args:
        callers: reads who asks.
        asks_consent: whether what the subject has consented to is read as well.

    """

    def __init__(self, callers: Callers, *, asks_consent: bool = False) -> None:
        self._callers = callers
        self._asks_consent = asks_consent
        self._known = _KNOWN | _CONSENT if asks_consent else _KNOWN

    def read(self, headers: Iterable[Header], started: int) -> Head:
        """The head; what is wrong with it is its ``problem``, or that of its caller.

        Args:
            headers: with names in small letters.
            started: nanoseconds of the front's clock, when the request's head was there.

        """
        given: dict[bytes, bytes] = {}
        for name, value in headers:
            if name in self._known:
                if name not in given:
                    given[name] = value
                else:  # what is sent twice means nothing, unless it is a list
                    given[name] = given[name] + b"," + value if name in _LISTS else b""
        head = Head(self._callers.of(given))
        if (length := given.get(_LENGTH)) is not None:
            head.declared = int(length)
        head.waits = given.get(_EXPECT, b"").lower() == b"100-continue"
        if (control := given.get(_CACHE)) is not None:
            head.cache = directives_of(control)
        head.problem = _refusal(given)
        if self._asks_consent:
            head.purposes, head.token = given.get(_PURPOSES, b""), given.get(_TOKEN)
        if (deadline := given.get(_DEADLINE)) is not None:
            self._limit(head, deadline, started)
        return head

    @staticmethod
    def _limit(head: Head, deadline: bytes, started: int) -> None:
        if deadline.isdigit() and len(deadline) < 10 and 1 <= (value := int(deadline)) <= MAX_DEADLINE_MILLISECONDS:
            head.deadline = started + value * _MILLISECOND
        elif head.caller.problem is None:
            head.caller.problem = ProblemError(
                HTTPStatus.BAD_REQUEST,
                "invalid-header",
                f"the header {HEADER_DEADLINE} must be sent once, as whole milliseconds from 1 to "
                f"{MAX_DEADLINE_MILLISECONDS}",
            )


def _refusal(given: dict[bytes, bytes]) -> ProblemError | None:
    media_type = given.get(_TYPE, _JSON_TYPE)
    if media_type != _JSON_TYPE and media_type.split(b";", 1)[0].strip().lower() != _JSON_TYPE:
        return unsupported_media_type("send the header content-type: application/json, once")
    if given.get(_ENCODING, b"identity").lower() != b"identity":
        return unsupported_media_type("content-encoding is not supported; send plain JSON")
    if _BINARY in given:
        return unsupported_media_type("binary tensors are not supported; send tensors as JSON")
    return None

"""Whether the subject of a request has consented to all that a prediction is for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from http import HTTPStatus
from typing import Final, Protocol

from bentos.front.heads import Head
from bentos.front.privacy.tokens import TokenError, Tokens
from bentos.front.problems import ProblemError
from marquee.contract.pod import HEADER_UNIT_HASH
from marquee.contract.privacy import HEADER_PURPOSE_TOKEN

_MAX_PARSED: Final = 1_000
"""Lists that are remembered; whoever invents more only makes himself slower."""
_MAX_REMEMBERED_BYTES: Final = 1_024
"""Of a list; a longer one is looked at each time."""


class Consent(Protocol):
    """A way to show it."""

    def is_given(self, head: Head) -> bool:
        """Whether the head of a request shows it.

        Raises:
            ProblemError: 403 ``purpose-token-invalid``: what shall show it is no proof of anything.

        """


class BelievedPurposes:
    """The caller is believed: ``marquee-purposes`` lists what the subject has consented to."""

    def __init__(self, needed: Collection[str]) -> None:
        self._needed = frozenset(purpose.encode() for purpose in needed)
        self._parsed: dict[bytes, bool] = {}

    def is_given(self, head: Head) -> bool:
        """Whether all purposes are listed; names are compared as they are written."""
        given = self._parsed.get(head.purposes)
        if given is None:
            given = self._needed <= {purpose.strip() for purpose in head.purposes.split(b",")}
            if len(head.purposes) <= _MAX_REMEMBERED_BYTES:
                if len(self._parsed) >= _MAX_PARSED:
                    self._parsed.clear()
                self._parsed[head.purposes] = given
        return given


class SignedPurposes:
    """Only a signed token counts, and only for the unit and the model that it names."""

    def __init__(self, needed: Collection[str], tokens: Tokens) -> None:
        self._needed = frozenset(needed)
        self._tokens = tokens
        self.refused: Counter[str] = Counter()
        """Tokens by what was wrong with them."""

    def is_given(self, head: Head) -> bool:
        """Whether there is a token, and all purposes are in it. A bad one is not the same as none."""
        if head.token is None:
            return False
        try:
            verified = self._tokens.verify(head.token)
            if verified.subject != head.caller.named:
                raise TokenError("subject", _of_another(head))
        except TokenError as error:
            self.refused[error.flaw] += 1
            raise ProblemError(
                HTTPStatus.FORBIDDEN, "purpose-token-invalid", f"{HEADER_PURPOSE_TOKEN}: {error}"
            ) from None
        return self._needed <= verified.purposes


def _of_another(head: Head) -> str:
    if head.caller.named is None:
        return f"it is about one unit, and the request names none: send {HEADER_UNIT_HASH}"
    return "its sub is not the unit that the request names"

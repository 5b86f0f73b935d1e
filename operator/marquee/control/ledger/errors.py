"""What can go wrong between the operator and the ledger, as one tree.

::

    LedgerError
    ├── LedgerUnavailableError        no answer, 429 or 5xx: the same request may succeed later
    │   └── TokenUnreadableError      there is no token to send; the kubelet may still be mounting it
    ├── LedgerRefusedError            4xx: the same request is refused again until somebody changes something
    │   ├── DeclaredOtherwiseError    409: the rollout was declared with other metrics
    │   ├── OutOfSequenceError        409: an entry that is not the next one of its model in the audit log
    │   └── RolloutUnknownError       404: the ledger has no such rollout
    └── LedgerNotUnderstoodError      an answer, but not a ledger's: a proxy's, or another version's

A message says what happened, with which request, and what to do where the ledger's own words do not.
"""

from __future__ import annotations

from typing import Final


class LedgerError(Exception):
    """Anything below; the message is for people."""


class LedgerUnavailableError(LedgerError):
    """The ledger did not answer, or not now. A write may have taken effect; repeating it does no harm."""


class TokenUnreadableError(LedgerUnavailableError):
    """The file of the projected token cannot be read, or is empty."""


class LedgerRefusedError(LedgerError):
    """The ledger answered, and refused.

    Args:
        request: method and path.
        status: of the answer, 400 to 499.
        kind: the stable name of the problem, such as ``forbidden``; empty when the answer had none.
        detail: the ledger's words.

    """

    def __init__(self, request: str, status: int, kind: str, detail: str) -> None:
        remedy = _REMEDIES.get(status, "")
        super().__init__(f"{request}: {status} {kind}".rstrip() + f": {detail}" + (f"; {remedy}" if remedy else ""))
        self.status = status
        self.kind = kind
        self.detail = detail


class DeclaredOtherwiseError(LedgerRefusedError):
    """What a rollout counts is settled by its first declaration."""


class OutOfSequenceError(LedgerRefusedError):
    """Somebody else has entered something about the model meanwhile."""


class RolloutUnknownError(LedgerRefusedError):
    """The ledger has never heard of the rollout."""


class LedgerNotUnderstoodError(LedgerError):
    """The answer is not what a ledger of this version says."""


_REMEDIES: Final = {
    401: "project the operator's token for the audience marquee-ledger, into MARQUEE_OPERATOR_LEDGER_TOKEN_PATH",
    403: "name the operator's service account in the ledger's MARQUEE_LEDGER_OPERATORS",
    413: "this is a bug of the operator, please report it",
    422: "run the operator and the ledger in the same version",
}
"""What to do, where the problem's detail cannot know it: it does not know who is reading."""

_BY_KIND: Final[dict[str, type[LedgerRefusedError]]] = {
    "declaration-changed": DeclaredOtherwiseError,
    "rollout-unknown": RolloutUnknownError,
    "sequence-gap": OutOfSequenceError,
    "sequence-reused": OutOfSequenceError,
}


def refusal(request: str, status: int, kind: str, detail: str) -> LedgerRefusedError:
    """The error for a 4xx answer."""
    return _BY_KIND.get(kind, LedgerRefusedError)(request, status, kind, detail)

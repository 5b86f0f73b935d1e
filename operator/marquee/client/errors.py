"""What can go wrong, as a tree of exceptions.

::

    ClientError
    ├── InvalidRequestError         (also a ValueError) what was given cannot be sent; nothing was
    ├── PredictionFailedError       there is no prediction; the caller falls back to its default
    ├── OutcomesNotReportedError    some outcomes are not in the ledger; the error holds them
    └── NoAnswerError               within the library: one of the two above is raised from it
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from marquee.client.outcomes import Outcome, Receipt


class ClientError(Exception):
    """Everything that this library raises on purpose."""


class InvalidRequestError(ClientError, ValueError):
    """A value that cannot be sent; the message names it."""


class NoAnswerError(ClientError):
    """A server could not be reached, was too slow, or broke off."""


class PredictionFailedError(ClientError):
    """A request that ended without a prediction.

    Args:
        message: what happened, with the server's own words where it had any.
        status: of the HTTP answer; 0: there was none.
        kind: stable name of the problem, such as ``invalid-input``; empty when the server gave none.
        retry_seconds: how long the server asks to wait, or None.

    """

    def __init__(self, message: str, *, status: int = 0, kind: str = "", retry_seconds: float | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind
        self.retry_seconds = retry_seconds


class OutcomesNotReportedError(ClientError):
    """A report that ended early.

    Args:
        message: what happened and how often it was tried.
        unreported: the outcomes that the ledger did not confirm, in their order; keep them and report them again.
        receipt: what became of those before.
        status: of the last HTTP answer; 0: there was none.
        kind: stable name of the problem, such as ``unauthenticated``; empty when the server gave none.

    """

    def __init__(
        self, message: str, *, unreported: tuple[Outcome, ...], receipt: Receipt, status: int, kind: str
    ) -> None:
        super().__init__(message)
        self.unreported = unreported
        self.receipt = receipt
        self.status = status
        self.kind = kind

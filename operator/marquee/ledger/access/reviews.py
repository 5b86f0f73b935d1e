"""Service-account tokens, checked by the API server: predictors and the operator prove who they are with what
Kubernetes mounts into their pods anyway (authentication.k8s.io/v1 TokenReview).

Verdicts are kept for a minute: a predictor sends a batch a second, and the API server must not hear of each. A token
that was revoked may work for that long.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from marquee.contract.pod import LEDGER_AUDIENCE, PREDICTOR_ACCOUNT_SUFFIX
from marquee.ledger.access.senders import Role, Sender, UnauthenticatedError

GOOD_SECONDS: Final = 60.0
BAD_SECONDS: Final = 10.0
MAX_CACHED: Final = 10_000
MAX_AT_ONCE: Final = 8
"""Reviews in flight: a flood of wrong tokens is slow for its sender, not for the API server."""
MAX_TOKEN_LENGTH: Final = 16_384
_SERVICE_ACCOUNT: Final = "system:serviceaccount:"


@dataclass(frozen=True, slots=True)
class Review:
    """What the API server says of a token."""

    username: str
    """Empty: it is not valid."""
    error: str = ""


class TokenReviewer(Protocol):
    """Asks the API server."""

    async def review(self, token: str, audience: str) -> Review:
        """Its verdict.

        Raises:
            ReviewUnavailableError: there is none at the moment.

        """


class ServiceAccounts:
    """Senders by service-account token.

    Args:
        reviewer: asks the API server.
        operators: ``namespace:name`` of service accounts that may declare rollouts and read everything; all others
            may send exposures of models in their own namespace.
        officers: the same of those that answer data subjects, for all models.
        clock: seconds, for tests.

    """

    def __init__(
        self,
        reviewer: TokenReviewer,
        operators: frozenset[str],
        officers: frozenset[str] = frozenset(),
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._reviewer = reviewer
        self._operators = operators
        self._officers = officers
        self._clock = clock
        self._known: OrderedDict[bytes, tuple[float, Review]] = OrderedDict()
        self._asking: dict[bytes, asyncio.Task[Review]] = {}
        self._at_once = asyncio.Semaphore(MAX_AT_ONCE)

    async def sender(self, token: str) -> Sender:
        """The sender that a token belongs to.

        Raises:
            UnauthenticatedError: to none.
            ReviewUnavailableError: nobody can say at the moment.

        """
        if len(token) > MAX_TOKEN_LENGTH:
            raise UnauthenticatedError(f"a token has at most {MAX_TOKEN_LENGTH} characters")
        review = await self._review(token)
        if not review.username:
            raise UnauthenticatedError(f"the API server refuses the token: {review.error or 'it is not valid'}")
        if not review.username.startswith(_SERVICE_ACCOUNT):
            raise UnauthenticatedError(f"{review.username} is no service account")
        account = review.username.removeprefix(_SERVICE_ACCOUNT)
        if account in self._operators:
            return Sender(review.username, frozenset({Role.ROLLOUTS, Role.STATISTICS, Role.AUDIT}), ("*",))
        if account in self._officers:
            return Sender(review.username, frozenset({Role.SUBJECTS}), ("*",))
        namespace, _, name = account.partition(":")
        model = f"{namespace}/{name.removesuffix(PREDICTOR_ACCOUNT_SUFFIX)}"
        is_predictor = name.endswith(PREDICTOR_ACCOUNT_SUFFIX)
        return Sender(
            review.username,
            frozenset({Role.EXPOSURES}),
            (f"{namespace}/*",),
            predictor_of=model if is_predictor else "",
        )

    async def _review(self, token: str) -> Review:
        """The verdict, from memory or from the API server; requests with the same token ask once."""
        digest = hashlib.sha256(token.encode()).digest()
        until, known = self._known.get(digest, (0.0, None))
        if known is not None and self._clock() < until:
            return known
        if (asking := self._asking.get(digest)) is None:
            asking = self._asking[digest] = asyncio.create_task(self._ask(token, digest))
            asking.add_done_callback(lambda task: self._asked(task, digest))
        return await asyncio.shield(asking)

    def _asked(self, task: asyncio.Task[Review], digest: bytes) -> None:
        self._asking.pop(digest, None)
        if not task.cancelled():
            task.exception()  # seen, even when whoever asked has gone

    async def _ask(self, token: str, digest: bytes) -> Review:
        async with self._at_once:
            review = await self._reviewer.review(token, LEDGER_AUDIENCE)
        self._known[digest] = (self._clock() + (GOOD_SECONDS if review.username else BAD_SECONDS), review)
        self._known.move_to_end(digest)
        if len(self._known) > MAX_CACHED:
            self._known.popitem(last=False)
        return review

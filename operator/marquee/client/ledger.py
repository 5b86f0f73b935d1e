"""Outcomes to the ledger: in batches, tried again within a stated time, and never lost without a word."""

from __future__ import annotations

import random
import re
import ssl
import time
from collections.abc import Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

from marquee.client.answers import problem_of
from marquee.client.connections import Server
from marquee.client.errors import InvalidRequestError, NoAnswerError, OutcomesNotReportedError
from marquee.client.outcomes import OUTCOMES_PATH, Outcome, Receipt, batches, outcomes_body, read_receipt
from marquee.client.retrying import RetryPolicy, is_temporary, retry_after_seconds

TIMEOUT_SECONDS: Final = 10.0

_TOKEN: Final = re.compile(r"[!-~]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class _Failure:
    """Why a batch was not taken at one try."""

    words: str
    status: int = 0
    kind: str = ""
    is_temporary: bool = True
    retry_after: float | None = None


class LedgerClient:
    """Reports outcomes. Keep it for the life of the program. Safe for threads.

    Args:
        url: of the ledger, ``https://host[/prefix]``.
        api_key: as ``python -m marquee.ledger new-key`` printed it. It is sent to this address alone.
        timeout_seconds: for connecting, and for each wait for the ledger.
        retry: how often and how long to try.
        tls: for https, instead of the system's certificate authorities.

    Raises:
        InvalidRequestError: the address or the key is none.

    """

    def __init__(
        self,
        url: str,
        *,
        api_key: str,
        timeout_seconds: float = TIMEOUT_SECONDS,
        retry: RetryPolicy = RetryPolicy(),  # noqa: B008 - frozen
        tls: ssl.SSLContext | None = None,
    ) -> None:
        if not isinstance(api_key, str) or _TOKEN.fullmatch(api_key) is None:
            raise InvalidRequestError("api_key: is empty, or has spaces, line ends or other characters that no key has")
        self._headers = {"authorization": f"Bearer {api_key}"}
        self._server = Server(url, tls=tls)
        self._timeout_seconds = timeout_seconds
        self._retry = retry

    def report(self, outcomes: Iterable[Outcome]) -> Receipt:
        """Report any number of outcomes. To report some again does no harm: the ledger counts each once.

        Returns:
            What became of them; look at ``refused``.

        Raises:
            InvalidRequestError: there is something else among them.
            OutcomesNotReportedError: the ledger was away for longer than ``retry`` allows for one batch, or turned
                the request down; the error holds what was not reported.

        """
        given = tuple(outcomes)
        if not all(isinstance(outcome, Outcome) for outcome in given):
            raise InvalidRequestError("outcomes: must each be an Outcome; none was reported")
        receipt, done = Receipt(), 0
        for batch in batches(given):
            answer = self._send(batch)
            if isinstance(answer, _Failure):
                raise OutcomesNotReportedError(
                    f"{len(given) - done} of {len(given)} outcomes were not reported: {answer.words}",
                    unreported=given[done:],
                    receipt=receipt,
                    status=answer.status,
                    kind=answer.kind,
                )
            receipt, done = receipt + answer, done + len(batch)
        return receipt

    def close(self) -> None:
        """End the kept connections."""
        self._server.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _send(self, batch: tuple[Outcome, ...]) -> Receipt | _Failure:
        """Try a batch until it is taken or there is no point in trying."""
        body = outcomes_body(batch)
        started, failures = time.monotonic(), 0
        while True:
            result = self._try(batch, body)
            if isinstance(result, Receipt) or not result.is_temporary:
                return result
            failures += 1
            elapsed = time.monotonic() - started
            pause = self._retry.pause(
                failures=failures,
                elapsed_seconds=elapsed,
                jitter=random.random(),  # noqa: S311 - spreads load, guards nothing
                retry_after=result.retry_after,
            )
            if pause is None:
                return self._given_up(result, failures, elapsed)
            time.sleep(pause)

    def _try(self, batch: tuple[Outcome, ...], body: bytes) -> Receipt | _Failure:
        try:
            answer = self._server.post(OUTCOMES_PATH, self._headers, body, timeout_seconds=self._timeout_seconds)
        except NoAnswerError as error:
            return _Failure(str(error))
        if (receipt := read_receipt(answer, batch)) is not None:
            return receipt
        problem = problem_of(answer)
        return _Failure(
            f"{self._server.name}: HTTP status {answer.status}: {problem.detail}",
            answer.status,
            problem.kind,
            is_temporary(answer.status),
            retry_after_seconds(answer.headers.get("retry-after")),
        )

    def _given_up(self, last: _Failure, failures: int, elapsed: float) -> _Failure:
        tries = "1 try" if failures == 1 else f"{failures} tries"
        waits = f"; it asks to wait {last.retry_after:.0f} s" if last.retry_after else ""
        words = (
            f"given up after {tries} in {elapsed:.1f} s (limit {self._retry.give_up_seconds:g} s): {last.words}{waits}"
        )
        return _Failure(words, last.status, last.kind)

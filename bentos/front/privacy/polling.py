"""Asks the ledger, for as long as the process lives, whom the model must not decide about."""

from __future__ import annotations

import http.client
import logging
import random
import threading
import time
from array import array
from http import HTTPStatus
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from bentos.front.privacy.suppressions import Suppressions
from bentos.front.reporting.sending import Ledger
from marquee.contract.privacy import SUPPRESSIONS_PATH, SuppressionsReply

log = logging.getLogger(__name__)
_RANDOM = random.Random()  # noqa: S311 - spreads, hides nothing; the thread's own, for a model may seed the module's

POLL_SECONDS: Final = 30.0
FIRST_PAUSE_SECONDS: Final = 0.25
"""Between tries while the list was never heard of."""
PATIENCE_SECONDS: Final = 5.0
"""How long a starting pod waits for the list before it serves without."""
MAX_PAGE_BYTES: Final = 2**20
"""A page of 10,000 hashes has 190 KB."""
MAX_SUBJECTS: Final = 10_000_000
"""80 MB; a longer list is none that a pod can hold."""


class Polling:
    """Keeps a list up to date, in a thread of its own.

    Args:
        suppressions: the list; begins with what the folder holds.
        ledger: of the thread alone.
        model: ``namespace/name``.
        folder: outlives the process; None: nothing does.

    """

    def __init__(self, suppressions: Suppressions, ledger: Ledger, model: str, folder: Path | None) -> None:
        self._suppressions = suppressions
        self._ledger = ledger
        self._path = f"{SUPPRESSIONS_PATH}/{model}"
        self._folder = folder
        self._etag = ""
        self._heard = threading.Event()
        self._failed = False

    def start(self) -> None:
        """Begin."""
        if self._folder is not None:
            self._suppressions.load(self._folder)
        threading.Thread(target=self._run, name="suppressions", daemon=True).start()

    def wait(self, seconds: float = PATIENCE_SECONDS) -> bool:
        """Wait until the ledger was heard; whether the list is known, be it from a process before."""
        return self._heard.wait(seconds) or self._suppressions.known

    def _run(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        while True:
            if self.ask():
                pause = POLL_SECONDS
            time.sleep(pause * _RANDOM.uniform(0.8, 1.0))
            pause = min(2 * pause, POLL_SECONDS)

    def ask(self) -> bool:
        """Ask once; whether there was an answer. What was known stays in force while there is none."""
        try:
            self._hear()
        except (OSError, http.client.HTTPException, ValueError) as error:
            if not self._failed:
                log.warning("the ledger does not tell who is suppressed: %s", error)
            self._failed = True
            return False
        if self._failed:
            log.info("the ledger tells again who is suppressed")
        self._failed = False
        self._suppressions.read_at = time.time()
        self._heard.set()
        return True

    def _hear(self) -> None:
        """Read the list, if it has changed.

        One that changes while its pages are read goes by the revision of the first, so that the next question is
        answered with all of it anew.
        """
        answer = self._ledger.ask(self._path, etag=self._etag, most_bytes=MAX_PAGE_BYTES)
        if answer.status == HTTPStatus.NOT_MODIFIED:
            return
        first = reply = _reply_in(answer.expected())
        units = array("Q", [int(unit, 16) for unit in reply.units])
        while reply.next is not None:
            page = self._ledger.ask(f"{self._path}?after={reply.next}", most_bytes=MAX_PAGE_BYTES)
            before, reply = reply.next, _reply_in(page.expected())
            units.extend(int(unit, 16) for unit in reply.units)
            if reply.next == before or len(units) > MAX_SUBJECTS:
                raise ValueError("the ledger's pages of suppressed subjects do not end")
        self._suppressions.replace(first.revision, units)
        self._etag = answer.etag or f'"{first.revision}"'
        self._save()

    def _save(self) -> None:
        if self._folder is None:
            return
        try:
            self._suppressions.save(self._folder)
        except OSError as error:
            log.error("the list of suppressed subjects is not kept for the next process: %s", error)


def _reply_in(body: bytes) -> SuppressionsReply:
    """The ledger's answer. Raises ValueError: it is none."""
    try:
        return SuppressionsReply.model_validate_json(body)
    except ValidationError as error:
        raise ValueError(f"the ledger's answer is not understood: {error.errors()[0]['msg']}") from None

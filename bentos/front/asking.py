"""Asks the ledger, for as long as the process lives, which cohort its requests belong to."""

from __future__ import annotations

import http.client
import logging
import random
import threading
import time

from pydantic import ValidationError

from bentos.front.reporting.sending import Ledger
from bentos.front.settings import Settings
from bentos.front.stamping import Stamping
from marquee.contract.stamping import ASK_SECONDS, STAMPING_PATH, StampingReply

log = logging.getLogger(__name__)
_RANDOM = random.Random()  # noqa: S311 - spreads, hides nothing; the thread's own, for a model may seed the module's


def stamping_of(settings: Settings) -> Stamping | None:
    """The stamping that the settings of a pod ask for, with a thread that asks the ledger; None: a gateway stamps."""
    if settings.stamping != "pod" or settings.ledger_url is None:
        return None
    stamping, url = Stamping(settings.revision), settings.ledger_url
    asking = _Asking(stamping, Ledger(url, settings.ledger_token_path), f"{STAMPING_PATH}/{settings.model_path}")
    threading.Thread(target=asking.run, name="stamping", daemon=True).start()
    return stamping


class _Asking:
    """Asks the ledger for as long as the process lives."""

    def __init__(self, stamping: Stamping, ledger: Ledger, path: str) -> None:
        self._stamping = stamping
        self._ledger = ledger
        self._path = path
        self._failed = False

    def run(self) -> None:
        while True:
            self._ask()
            time.sleep(ASK_SECONDS * _RANDOM.uniform(0.8, 1.0))

    def _ask(self) -> None:
        try:
            self._stamping.hear(_reply_in(self._ledger.get(self._path)))
        except (OSError, http.client.HTTPException, ValueError) as error:
            if not self._failed:
                log.warning("the ledger does not say which cohort requests belong to: %s", error)
            self._failed = True
            return
        if self._failed:
            log.info("the ledger says again which cohort requests belong to")
        self._failed = False


def _reply_in(body: bytes) -> StampingReply:
    """The ledger's answer. Raises ValueError: it is none."""
    try:
        return StampingReply.model_validate_json(body)
    except ValidationError as error:
        raise ValueError(f"the ledger's answer is not understood: {error.errors()[0]['msg']}") from None

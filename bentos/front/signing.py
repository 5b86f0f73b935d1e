"""Ids that are signed as soon as the ledger has given the model's key.

The pod proves which model it serves by the same token that its reports carry, so no Secret has to lie beside it. It
waits a few seconds for the key before it is ready. When the ledger is away for longer it serves all the same, with
random ids that no outcome can be reported for, and asks on; the metrics page counts them.
"""

from __future__ import annotations

import binascii
import http.client
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector
from pydantic import ValidationError

from bentos.front.callers import Caller
from bentos.front.reporting.sending import Ledger
from bentos.front.settings import Settings
from marquee.contract.ledger import PREDICTION_KEYS_PATH, PredictionKey
from marquee.contract.prediction import NO_BIN, Issuer

log = logging.getLogger(__name__)

PATIENCE_SECONDS: Final = 5.0
"""How long a starting pod waits for the key before it serves without."""
FIRST_PAUSE_SECONDS: Final = 0.25
MAX_PAUSE_SECONDS: Final = 15.0

MakeId = Callable[[Caller, int], str]


class LedgerSignedIds:
    """Makes ids; a thread asks the ledger for the key until it has it.

    Args:
        settings: with ``ledger_url``.
        unsigned: makes ids while there is no key.

    """

    def __init__(self, settings: Settings, unsigned: MakeId) -> None:
        assert settings.ledger_url is not None  # noqa: S101 - the caller's own condition
        self._settings = settings
        self._url = settings.ledger_url
        self._unsigned = unsigned
        self._issuer: Issuer | None = None
        self._known = threading.Event()
        self.unsigned_ids = 0
        """Ids that were issued without a key."""
        threading.Thread(target=self._ask_until_known, name="prediction-key", daemon=True).start()

    def __call__(self, caller: Caller, score_bin: int = NO_BIN) -> str:
        """An id for one prediction."""
        if self._issuer is None:
            self.unsigned_ids += 1
            return self._unsigned(caller, score_bin)
        return self._issuer.issue(caller.cohort, caller.unit, time.time_ns() // 1_000_000, score_bin)

    def wait(self, seconds: float = PATIENCE_SECONDS) -> bool:
        """Wait for the key; whether it is there."""
        return self._known.wait(seconds)

    def _ask_until_known(self) -> None:
        pause, ledger = FIRST_PAUSE_SECONDS, Ledger(self._url, self._settings.ledger_token_path)
        while True:
            try:
                key = _key_in(ledger.get(f"{PREDICTION_KEYS_PATH}/{self._settings.model_path}"))
                self._issuer = self._issuer_with(key)
                break
            except (OSError, http.client.HTTPException, ValueError) as error:
                level = logging.WARNING if pause == FIRST_PAUSE_SECONDS else logging.DEBUG
                log.log(level, "no key for prediction ids yet: %s", error)
            time.sleep(pause)
            pause = min(2 * pause, MAX_PAUSE_SECONDS)
        ledger.close()
        self._known.set()
        log.info("prediction ids are signed with key %d", key.key_id)

    def _issuer_with(self, key: PredictionKey) -> Issuer:
        return Issuer(
            key_id=key.key_id,
            secret=binascii.a2b_hex(key.secret),
            model=self._settings.model_path,
            revision=self._settings.revision,
        )


def _key_in(body: bytes) -> PredictionKey:
    """The key in the ledger's answer. Raises ValueError: there is none."""
    try:
        return PredictionKey.model_validate_json(body)
    except ValidationError as error:
        raise ValueError(f"the ledger's answer holds no key: {error.errors()[0]['msg']}") from None


class SigningPage(Collector):
    """The ids' family on the metrics page."""

    def __init__(self, ids: LedgerSignedIds, labels: Mapping[str, str]) -> None:
        self._ids = ids
        self._labels = labels

    def collect(self) -> Iterator[Metric]:
        """The family; called by the registry."""
        counter = CounterMetricFamily(
            "marquee_predictor_unsigned_ids",
            "Prediction ids issued without a key; no outcome can be reported for them.",
            labels=list(self._labels),
        )
        counter.add_metric(list(self._labels.values()), self._ids.unsigned_ids)
        yield counter

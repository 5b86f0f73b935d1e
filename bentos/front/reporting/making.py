"""The reporter that the settings of a pod ask for."""

from __future__ import annotations

from typing import Final

from bentos.front.failures import CannotServeError
from bentos.front.reporting.reporter import Reporter
from bentos.front.reporting.sending import Ledger
from bentos.front.reporting.spooling import MemoryStore, Spool, Store
from bentos.front.reporting.statistics import Statistics
from bentos.front.settings import Settings
from marquee.contract.assignment import is_model_path
from marquee.contract.pod import FailureReason, Setting

MEMORY_BYTES: Final = 4 * 2**20
"""Bound of what waits for the ledger in a process without a spool."""


def reporter_of(settings: Settings) -> Reporter | None:
    """A reporter to the ledger of the settings; None: they name none.

    Raises:
        CannotServeError: ``SettingsInvalid``: the spool cannot be used, or the ledger would refuse the model's name.

    """
    if settings.ledger_url is None:
        return None
    if not is_model_path(settings.model_path):
        raise CannotServeError(
            FailureReason.SETTINGS_INVALID,
            f"{Setting.NAMESPACE}: {settings.model_path} is no model that the ledger would know",
        )
    statistics = Statistics()
    return Reporter(
        settings.model_path,
        Ledger(settings.ledger_url, settings.ledger_token_path),
        _store(settings, statistics),
        statistics,
        slow_milliseconds=settings.slo_p99_milliseconds,
    )


def _store(settings: Settings, statistics: Statistics) -> Store:
    if settings.spool_path is None:
        return MemoryStore(MEMORY_BYTES, statistics)
    try:
        return Spool(settings.spool_path, settings.spool_bytes, statistics)
    except OSError as error:
        raise CannotServeError(
            FailureReason.SETTINGS_INVALID, f"{Setting.SPOOL_PATH}: the spool cannot be used: {error}"
        ) from error

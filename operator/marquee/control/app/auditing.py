"""The operator's hand in the audit log, from its settings."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import aiohttp
import structlog

from marquee import VERSION
from marquee.audit.errors import FormatError
from marquee.audit.keys import load_named
from marquee.control.ledger.client import LedgerClient
from marquee.control.ledger.entering import Author, DecisionLog
from marquee.control.settings import Settings, SettingsError

log = structlog.get_logger("marquee")

ENTRY_SECONDS: Final = 2.0
"""Longest wait for the audit log: what must not wait goes on without it after that."""


def decision_log(settings: Settings, session: aiohttp.ClientSession) -> DecisionLog | None:
    """What enters decisions; None: nothing does.

    Raises:
        SettingsError: its key cannot be read, or there is no ledger that could keep the log.

    """
    if not settings.audit_key_path:
        return None
    if not (url := settings.audit_url or settings.ledger_url):
        what = "MARQUEE_OPERATOR_AUDIT_KEY_PATH is set, and nobody keeps the log"
        raise SettingsError(
            f"{what}: set MARQUEE_OPERATOR_LEDGER_URL or MARQUEE_OPERATOR_AUDIT_URL, or take the key away"
        )
    try:
        key, *_ = load_named(Path(settings.audit_key_path), settings.audit_author)
    except FormatError as error:
        raise SettingsError(f"MARQUEE_OPERATOR_AUDIT_KEY_PATH: {error}") from None
    token = Path(settings.ledger_token_path) if settings.ledger_token_path else None
    client = LedgerClient(session, url, token, timeout_seconds=ENTRY_SECONDS)
    log.info("decisions are entered in the audit log", author=key.public.text, url=url)
    return DecisionLog(client, Author(key, f"operator {settings.pod_namespace}/{settings.pod_name}", VERSION))

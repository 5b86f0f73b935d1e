"""The parts that handlers share."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from aiohttp import web

from marquee.contract.prediction import Verifier
from marquee.ledger.access.masterkeys import MasterKeys
from marquee.ledger.access.models import Models
from marquee.ledger.access.quotas import Quotas
from marquee.ledger.access.senders import Authenticator
from marquee.ledger.auditing import KeptLog
from marquee.ledger.committing import Committer
from marquee.ledger.erasing import Eraser
from marquee.ledger.http.metrics import Metrics
from marquee.ledger.store.database import Database


@dataclass(slots=True)
class State:
    """What a running ledger consists of."""

    database: Database
    committer: Committer
    authenticator: Authenticator
    quotas: Quotas
    keys: MasterKeys
    verifier: Verifier
    metrics: Metrics
    models: Models
    eraser: Eraser
    audit: KeptLog | None = None
    """None: this ledger keeps no log."""
    audit_url: str = ""
    """Where another ledger with the same database keeps one."""
    clock: Callable[[], float] = field(default=time.time)
    """Seconds since 1970."""
    draining: bool = False


STATE: Final = web.AppKey("state", State)

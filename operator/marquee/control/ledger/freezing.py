"""Enters in the audit log which PromotionFreezes there are, each time that changes.

The newest entry is the memory: it has the whole list, so an operator that was away when a freeze was deleted finds out
by comparing. Holding still needs no entry first, so nothing waits for this one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

import structlog

from marquee.contract.audit_paths import FREEZES
from marquee.control.decide.freezes_entered import entry_of
from marquee.control.ledger.entering import DecisionLog
from marquee.control.ledger.errors import LedgerError
from marquee.control.snapshot import StandingFreeze

AGAIN_SECONDS: Final = 30.0
"""After a failure, and as a guard against news that were missed."""

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class FreezeRecorder:
    """Compares the list in the cluster with the one in the log.

    Args:
        decisions: the operator's hand in the log.
        home: its own namespace, under which the list is numbered.
        freezes: what the cluster has now.

    """

    decisions: DecisionLog
    home: str
    freezes: Callable[[], tuple[StandingFreeze, ...]]
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    def wake(self) -> None:
        """Something has changed."""
        self._news.set()

    async def run(self) -> None:
        """Compare now and after each change, until cancelled; what fails is tried again."""
        while True:
            self._news.clear()
            try:
                await self.enter()
            except LedgerError as error:
                log.warning("the list of freezes is not in the audit log", error=str(error))
            try:
                async with asyncio.timeout(AGAIN_SECONDS):
                    await self._news.wait()
            except TimeoutError:
                continue

    async def enter(self) -> None:
        """Enter the list, unless the newest entry has it; that there is none is news only after there was one.

        Raises:
            LedgerError: the log is not to be had.

        """
        key, freezes = (self.home, FREEZES), self.freezes()
        if freezes or (await self.decisions.look(key)).newest is not None:
            await self.decisions.enter(key, [entry_of(freezes)])

"""Asks witnesses to cosign each new checkpoint of the log, and keeps what they sign.

Nothing waits for a witness: entries are durable and acknowledged without one. A witness that is away is asked again;
one that has seen another tree refuses, and its log line is for a person.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Final

import aiohttp

from marquee.audit.errors import AuditError
from marquee.audit.keys import Use, read_public
from marquee.audit.notes import Signature, SignedCheckpoint
from marquee.audit.witness.asking import Witness, ask
from marquee.ledger.auditing import KeptLog
from marquee.ledger.errors import SettingsError

log = logging.getLogger(__name__)

ASK_SECONDS: Final = 1.0
"""How often it is looked for a checkpoint that they have not seen."""
AGAIN_SECONDS: Final = 30.0
"""A witness that failed is asked again after this."""


def read_witnesses(lines: Sequence[str]) -> list[Witness]:
    """Witnesses from their settings, each a public key and an address.

    Raises:
        SettingsError: a line is none.

    """
    return [_witness(line) for line in lines]


class Witnessing:
    """Asks the witnesses of one log.

    Args:
        kept: the log.
        witnesses: whom to ask.
        quorum: so many must have cosigned a checkpoint before it is handed out as cosigned.

    """

    def __init__(self, kept: KeptLog, witnesses: Sequence[Witness], quorum: int) -> None:
        self._kept = kept
        self._witnesses = witnesses
        self._quorum = quorum
        self._refused: dict[str, float] = {}
        """When a witness may be asked again, by its address."""

    async def run(self) -> None:
        """Ask, until this is cancelled."""
        async with aiohttp.ClientSession() as session:
            while True:
                try:
                    await self.ask_once(session)
                except AuditError as error:
                    log.error("cosignatures were not kept: %s", error)
                await asyncio.sleep(ASK_SECONDS)

    async def ask_once(self, session: aiohttp.ClientSession) -> int:
        """Ask those who have not seen the newest checkpoint; how many cosigned it. Raises `StoreError`."""
        head, now = self._kept.committer.log.head, asyncio.get_running_loop().time()
        behind = [
            one for one in self._witnesses if one.size < head.checkpoint.size and now >= self._refused.get(one.url, 0.0)
        ]
        answers = await asyncio.gather(*(self._ask(session, one, head) for one in behind))
        signatures = [signature for answer in answers for signature in answer]
        if signatures:
            await asyncio.to_thread(self._kept.keep_cosigned, head.checkpoint, signatures, self._quorum)
        return len(signatures)

    async def _ask(
        self, session: aiohttp.ClientSession, witness: Witness, head: SignedCheckpoint
    ) -> Sequence[Signature]:
        try:
            signatures = await ask(session, witness, self._kept.committer.log.store, head)
        except AuditError as error:
            self._refused[witness.url] = asyncio.get_running_loop().time() + AGAIN_SECONDS
            log.warning("a witness did not cosign: %s", error)
            return ()
        self._refused.pop(witness.url, None)
        return signatures


def _witness(line: str) -> Witness:
    key, separator, url = line.strip().partition(" ")
    try:
        public = read_public(key, "MARQUEE_LEDGER_AUDIT_WITNESSES")
    except AuditError as error:
        raise SettingsError(str(error)) from None
    if public.use is not Use.COSIGNATURE or not separator or not url.strip().startswith(("http://", "https://")):
        raise SettingsError(f"MARQUEE_LEDGER_AUDIT_WITNESSES: {line!r} is no witness's key, a space and an address")
    return Witness(url.strip(), public)

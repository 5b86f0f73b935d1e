"""Opens the audit log with the ledger, closes it with it, and checks it: by the settings, and with the log's key.

A log has one writer, so exactly one process may have `Settings.audit_path`; the chart's topology sees to that.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from marquee.audit.checking import Report, fsck
from marquee.audit.committing import Committer
from marquee.audit.errors import AuditError
from marquee.audit.keys import PublicKey, load_named, read_public
from marquee.audit.log import AuditLog, LogKeys
from marquee.audit.store.posix import FolderStore
from marquee.ledger.auditing import KeptLog
from marquee.ledger.errors import SettingsError
from marquee.ledger.settings import Settings
from marquee.ledger.witnessing import Witnessing, read_witnesses

log = logging.getLogger(__name__)

_KEY: Final = "key"
_RETIRED: Final = "retired"
_FSCK_TRIES: Final = 5


@asynccontextmanager
async def keeping(settings: Settings) -> AsyncIterator[KeptLog | None]:
    """The log of the settings, if there is one; on leaving, what waits is written and signed.

    Raises:
        SettingsError: its keys cannot be read, it is another log's, damaged, or written by another process.

    """
    if settings.audit_path is None:
        yield None
        return
    witnesses = read_witnesses(settings.audit_witnesses)
    if witnesses and settings.audit_quorum > len(witnesses):
        raise SettingsError(f"MARQUEE_LEDGER_AUDIT_QUORUM: {settings.audit_quorum} of {len(witnesses)} witnesses")
    committer = await asyncio.to_thread(_open, settings.audit_path, settings)
    committer.start()
    asking: asyncio.Task[None] | None = None
    try:
        kept = KeptLog(committer)
        await _tell_of_new_key(kept)
        if witnesses:
            kept.witnesses, kept.quorum = [one.key for one in witnesses], settings.audit_quorum
            asking = asyncio.create_task(Witnessing(kept, witnesses, settings.audit_quorum).run())
        yield kept
    finally:
        if asking is not None:
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
        try:
            await asyncio.to_thread(committer.stop)
        except AuditError as error:  # all that was acknowledged is on the disk; the next start signs it
            log.error("the audit log's last checkpoint was not signed: %s", error)


def check(settings: Settings) -> Report:
    """`fsck` of the log of the settings, also while a ledger writes it.

    A checkpoint takes files away that a reader is about to look for, so what was found while the log grew is looked
    for once more.

    Raises:
        SettingsError: there is no log, its keys cannot be read, or the store failed.

    """
    if settings.audit_path is None:
        raise SettingsError("this ledger keeps no audit log: set MARQUEE_LEDGER_AUDIT_PATH")
    keys = _keys(settings)
    store = FolderStore(settings.audit_path)
    try:
        for _ in range(_FSCK_TRIES):
            before = store.paths()
            report = fsck(store, keys.origin, keys.public)
            if report.is_good or store.paths() == before:
                break
    except AuditError as error:
        raise SettingsError(f"the audit log cannot be read: {error}") from error
    return report


async def _tell_of_new_key(kept: KeptLog) -> None:
    try:
        if (index := await kept.enter_rotation()) is not None:
            log.info("another key signs the audit log from here on: entry %d", index)
    except AuditError as error:  # the next start tries again, until a checkpoint has the new key's signature
        log.error("that another key signs the audit log could not be entered: %s", error)


def _open(path: Path, settings: Settings) -> Committer:
    try:
        return Committer(AuditLog(FolderStore(path), _keys(settings)))
    except AuditError as error:
        raise SettingsError(f"the audit log at {path} cannot be opened: {error}") from error


def _keys(settings: Settings) -> LogKeys:
    folder = settings.audit_keys_path
    try:
        signers = load_named(folder / _KEY, settings.audit_origin)
        return LogKeys(signers[0].name, signers, _retired(folder / _RETIRED))
    except AuditError as error:
        raise SettingsError(f"the audit log's key: {error}") from None


def _retired(path: Path) -> list[PublicKey]:
    if not path.exists():
        return []
    return [read_public(line, str(path)) for line in path.read_text(encoding="ascii", errors="replace").split()]

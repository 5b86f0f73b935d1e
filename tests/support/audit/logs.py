"""Keys, entries and logs that are the same in every run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Final

from marquee.audit.events import Event, KillSwitchTurned, Share, Stamp, Subject
from marquee.audit.keys import PrivateKey, PublicKey, Use
from marquee.audit.log import AuditLog, LogKeys
from marquee.audit.notes import cosign
from marquee.audit.statements import Statement, write_entry
from marquee.audit.store.port import Store

ORIGIN: Final = "logs.example/marquee"
LOG_KEY: Final = PrivateKey(ORIGIN, Use.LOG, bytes(32))
NEXT_KEY: Final = PrivateKey(ORIGIN, Use.LOG, bytes([1] * 32))
AUTHOR: Final = PrivateKey("operator.example", Use.LOG, bytes([2] * 32))
WITNESSES: Final = tuple(PrivateKey(f"witness.example/{n}", Use.COSIGNATURE, bytes([n] * 32)) for n in (3, 4, 5))
KEYS: Final = LogKeys(ORIGIN, [LOG_KEY])
PUBLIC: Final[Sequence[PublicKey]] = KEYS.public
BEGINNING: Final = datetime(2026, 1, 1, tzinfo=UTC)
SUBJECT: Final = Subject(name="revision/lead-v2", sha256=sha256(b"artifact").hexdigest())


def event(permille: int = 50) -> Event:
    """One of a real kind with few fields, so that a log of a million of them is soon made."""
    return KillSwitchTurned(actor="operator", engaged=True, shares=(Share(revision="lead-v2", permille=permille),))


@cache
def entry(sequence: int, model: str = "growth/lead", permille: int = 50) -> bytes:
    """The n-th entry of a model, a second after the one before."""
    stamp = Stamp(model=model, sequence=sequence, time=BEGINNING + timedelta(seconds=sequence))
    return write_entry(Statement(stamp, event(permille), (SUBJECT,)), [AUTHOR])


@cache
def entries(count: int, models: int = 3) -> Sequence[bytes]:
    """Entries of some models in turns."""
    return tuple(entry(number // models + 1, f"growth/model-{number % models}") for number in range(count))


def filled(store: Store, count: int, *, keys: LogKeys = KEYS, models: int = 3) -> AuditLog:
    """An open log with so many entries, all of them in its checkpoint."""
    log = AuditLog(store, keys)
    log.append(entries(count, models))
    log.checkpoint()
    return log


def witnessed(log: AuditLog, witnesses: Iterable[PrivateKey] = WITNESSES, seconds: int = 1_800_000_000) -> None:
    """Let witnesses cosign the newest checkpoint."""
    checkpoint = log.head.checkpoint
    log.add_cosignatures(checkpoint, [cosign(checkpoint, key, seconds) for key in witnesses])


def policy_text(quorum: int = 0, witnesses: Sequence[PrivateKey] = WITNESSES) -> str:
    """Whom a reader of these logs trusts."""
    lines = [f"log {LOG_KEY.public.text}", f"author {AUTHOR.public.text}"]
    lines += [f"witness {witness.public.text}" for witness in witnesses]
    return "\n".join([*lines, f"quorum {quorum}"]) + "\n"


def write_policy(folder: Path, quorum: int = 0) -> Path:
    """The policy as a file."""
    path = folder / "policy"
    path.write_text(policy_text(quorum), encoding="utf-8")
    return path

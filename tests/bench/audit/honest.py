"""A million honest appends: nothing may be suspected, and an auditor must be done with them soon."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

from marquee.audit.checking import fsck
from marquee.audit.errors import AuditError
from marquee.audit.events import Stamp
from marquee.audit.log import AuditLog
from marquee.audit.notes import Checkpoint
from marquee.audit.policy import read_policy
from marquee.audit.proofs import consistency
from marquee.audit.proving import prove
from marquee.audit.statements import Statement, write_entry
from marquee.audit.store.posix import FolderStore
from marquee.audit.tree import StoredTree
from marquee.audit.verify_offline import NotProven, verify
from marquee.audit.witness.judging import Refusal, Submission, judge
from tests.support.audit.logs import AUTHOR, BEGINNING, KEYS, LOG_KEY, ORIGIN, PUBLIC, SUBJECT, event, policy_text

MODELS: Final = 1_000
GROUP: Final = 1_000
CHECKPOINT_EVERY: Final = 10_000
PROOFS: Final = 20
"""Random entries that are proven at each checkpoint."""


@dataclass(frozen=True)
class Honest:
    """What came of it."""

    appends: int
    false_alarms: int
    verify_seconds: float
    fsck_seconds: float
    bytes_per_entry: float


def append_honestly(folder: Path, appends: int) -> Honest:
    """Append; a witness and a reader look at every checkpoint; in the end fsck and the offline verifier read it all."""
    folder.mkdir()
    log, alarms, chance = AuditLog(FolderStore(folder / "log"), KEYS), 0, random.Random(1)
    seen: dict[str, Checkpoint] = {}
    for start in range(0, appends, GROUP):
        outcomes = log.append([_entry(number) for number in range(start, min(start + GROUP, appends))])
        alarms += sum(isinstance(outcome, AuditError) for outcome in outcomes)
        if log.size % CHECKPOINT_EVERY == 0 or log.size == appends:
            log.checkpoint()
            alarms += _alarms_at_checkpoint(log, seen, chance)
    log.close()
    started = time.perf_counter()
    alarms += len(fsck(log.store, ORIGIN, PUBLIC).findings)
    checked = time.perf_counter()
    (folder / "policy").write_text(policy_text(0, ()), encoding="utf-8")
    try:
        verify(folder / "log", folder / "policy")
    except (NotProven, OSError):
        alarms += 1
    ended = time.perf_counter()
    size = sum(file.stat().st_size for file in (folder / "log").rglob("*") if file.is_file())
    return Honest(appends, alarms, ended - checked, checked - started, size / appends)


def _alarms_at_checkpoint(log: AuditLog, seen: dict[str, Checkpoint], chance: random.Random) -> int:
    head, policy, alarms = log.head, read_policy(policy_text(0, ())), 0
    size, old = head.checkpoint.size, seen[ORIGIN].size if ORIGIN in seen else 0
    path = tuple(consistency(StoredTree(log.store, size), old, size))
    verdict = judge(Submission(old, path, head).body, {ORIGIN: [LOG_KEY.public]}, seen)
    if isinstance(verdict, Refusal):
        alarms += 1
    else:
        seen[ORIGIN] = verdict
    for proof in prove(log.store, head, (chance.randrange(size) for _ in range(PROOFS))):
        try:
            proof.require(policy)
        except AuditError:
            alarms += 1
    return alarms


def _entry(number: int) -> bytes:
    sequence = number // MODELS + 1
    time_of_it = BEGINNING + timedelta(seconds=number)
    stamp = Stamp(model=f"growth/model-{number % MODELS}", sequence=sequence, time=time_of_it)
    return write_entry(Statement(stamp, event(number % 1_001), (SUBJECT,)), [AUTHOR])

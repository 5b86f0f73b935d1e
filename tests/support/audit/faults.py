"""One story of a log, with one call of the operating system that goes wrong in it, and what must hold afterwards."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from functools import cache

from marquee.audit.checking import fsck
from marquee.audit.errors import AuditError, StoreError
from marquee.audit.log import AuditLog
from marquee.audit.notes import Checkpoint
from marquee.audit.proofs import check_consistency, consistency
from marquee.audit.store.posix import FolderStore
from marquee.audit.tree import StoredTree
from tests.support.audit.disk import Died, Disk, Fault, Faulty
from tests.support.audit.logs import KEYS, ORIGIN, PUBLIC, entries

ROOT = "/log"
APPENDED = 5
BEFORE_FULL = 254
"""So many entries, and the story fills a tile."""


@dataclass
class Outcome:
    """What was found after a fault."""

    fault: Fault | None
    happened: bool = False
    problems: list[str] = field(default_factory=list)


@dataclass
class Told:
    """What others were told while the story went on."""

    acknowledged: dict[int, bytes] = field(default_factory=dict)
    signed: list[Checkpoint] = field(default_factory=list)


def faults_of(kind: str, existing: int, *, first: int = 1, every: int = 1) -> Iterator[Fault]:
    """A fault of this kind at each call of the story, or at some."""
    only_writes = kind in ("short", "killed within")
    calls = [call for call, name in enumerate(_calls(existing), start=1) if name == "write" or not only_writes]
    yield from (Fault(call, kind) for call in calls[first - 1 :: every])


def try_fault(fault: Fault | None, existing: int, *, lies: bool = False) -> Outcome:
    """Play the story, with the fault, and look at what is left: at once, after a restart, after a power cut."""
    disk = _prepared(existing)
    if lies:
        disk.lies = True
    told, files = Told(), Faulty(disk, fault)
    outcome = Outcome(fault)
    try:
        _story(files, told, existing)
    except Died:
        pass
    except AuditError as error:
        if fault is None or not isinstance(error, StoreError):
            outcome.problems.append(f"unexpected: {error!r}")
    outcome.happened = files.happened
    seed = 0 if fault is None else fault.call
    for name, left in (("restart", disk.ended()), ("power cut", disk.after_power_cut(random.Random(seed)))):
        outcome.problems += [f"{name}: {problem}" for problem in problems_of(left, told, existing)]
    return outcome


def problems_of(disk: Disk, told: Told, existing: int) -> list[str]:
    """What does not hold on a disk, given what others were told; ends with a log in which the story was finished."""
    store = FolderStore(ROOT, disk)
    problems = [f"fsck at once: {finding}" for finding in fsck(store, ORIGIN, PUBLIC).findings]
    try:
        log = AuditLog(store, KEYS)
        problems += [f"entry {n} lost" for n, one in told.acknowledged.items() if n >= log.size or log.entry(n) != one]
        again = log.append(entries(existing + APPENDED)[max(0, existing - 3) :])
        expected = list(range(max(0, existing - 3), existing + APPENDED))
        if again != expected:
            problems.append(f"sent again, the entries are at {again}")
        log.checkpoint()
        problems += [problem for one in told.signed for problem in _inconsistent(store, one, log.head.checkpoint)]
        log.close()
    except AuditError as error:
        problems.append(f"cannot be opened: {error!r}")
    problems += [f"fsck afterwards: {finding}" for finding in fsck(store, ORIGIN, PUBLIC).findings]
    return problems


def _inconsistent(store: FolderStore, old: Checkpoint, new: Checkpoint) -> list[str]:
    try:
        path = consistency(StoredTree(store, new.size), old.size, new.size)
        check_consistency(old.size, old.root, new.size, new.root, path)
    except (AuditError, ValueError) as error:
        return [f"the checkpoint of {old.size} entries that was published does not hold any more: {error}"]
    return []


def _story(files: Faulty, told: Told, existing: int) -> None:
    """Open, append two groups, sign, append one more, close; after an error, send the same again once."""
    fresh = entries(existing + APPENDED)[existing:]
    log = AuditLog(FolderStore(ROOT, files), KEYS)
    told.signed.append(log.head.checkpoint)
    for group in (fresh[:2], fresh[2:4]):
        _append(log, told, group)
    _sign(log, told)
    _append(log, told, fresh[4:])
    log.close()
    told.signed.append(log.head.checkpoint)


def _append(log: AuditLog, told: Told, group: Sequence[bytes]) -> None:
    try:
        outcomes = log.append(group)
    except StoreError:
        outcomes = log.append(group)
    for outcome, one in zip(outcomes, group, strict=True):
        assert isinstance(outcome, int), outcome
        told.acknowledged[outcome] = one


def _sign(log: AuditLog, told: Told) -> None:
    try:
        log.checkpoint()
    except StoreError:
        log.checkpoint()
    told.signed.append(log.head.checkpoint)


def _prepared(existing: int) -> Disk:
    """A disk of one's own with an older log, all of it flushed."""
    return deepcopy(_older(existing))


@cache
def _older(existing: int) -> Disk:
    disk = Disk()
    disk.mkdir(ROOT)
    disk.durable = dict(disk.names)
    if existing:
        log = AuditLog(FolderStore(ROOT, disk), KEYS)
        log.append(entries(existing))
        log.close()
    return disk


@cache
def _calls(existing: int) -> list[str]:
    """Names of the calls of the story."""
    files = Faulty(_prepared(existing))
    _story(files, Told(), existing)
    return files.names

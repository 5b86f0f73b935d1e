"""A log that is written, killed, cut off from power and filled up in any order keeps its word."""

from __future__ import annotations

import random

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from marquee.audit.checking import fsck
from marquee.audit.errors import StoreError
from marquee.audit.log import AuditLog
from marquee.audit.notes import Checkpoint
from marquee.audit.proofs import check_consistency, consistency
from marquee.audit.store.posix import FolderStore
from marquee.audit.tree import StoredTree
from tests.support.audit.disk import KINDS, Died, Disk, Fault, Faulty
from tests.support.audit.logs import KEYS, ORIGIN, PUBLIC, entry
from tests.support.examples import examples


class Keeper(RuleBasedStateMachine):
    """What others were told, beside the log on a disk that may fail at any call."""

    def __init__(self) -> None:
        super().__init__()
        self.disk = Disk()
        self.files = Faulty(self.disk)
        self.log: AuditLog | None = None
        self.told: dict[int, bytes] = {}
        self.numbers = {"a/b": 0, "c/d": 0}
        self.published: list[Checkpoint] = []

    @precondition(lambda self: self.log is None)
    @rule()
    def open(self) -> None:
        """As a new process."""
        self._attempt(self._open)

    @precondition(lambda self: self.log is not None)
    @rule(model=st.sampled_from(["a/b", "c/d"]), count=st.integers(1, 4))
    def append(self, model: str, count: int) -> None:
        """Some entries; those that were not acknowledged are sent again the next time."""
        self._attempt(lambda: self._append(model, count))

    @precondition(lambda self: self.log is not None)
    @rule()
    def checkpoint(self) -> None:
        """Sign, and tell somebody."""
        self._attempt(self._sign)

    @rule(after=st.integers(1, 60), kind=st.sampled_from(KINDS))
    def break_soon(self, after: int, kind: str) -> None:
        """One of the next calls goes wrong."""
        self.files.fault = Fault(self.files.calls + after, kind)

    @precondition(lambda self: self.log is not None)
    @rule()
    def kill(self) -> None:
        """The process ends; the disk goes on."""
        self._restart(self.disk.ended())

    @rule(seed=st.integers(0, 2**16))
    def cut_power(self, seed: int) -> None:
        """What was not flushed is there or not."""
        self._restart(self.disk.after_power_cut(random.Random(seed)))

    @invariant()
    def fsck_accepts(self) -> None:
        """At any moment, as a copy of the disk would show it."""
        report = fsck(FolderStore("/log", self.disk.ended()), ORIGIN, PUBLIC)
        assert report.findings == []
        assert report.entries >= len(self.told)

    def teardown(self) -> None:
        """In the end, everything that was told is there, in a tree that grew out of each that was published."""
        self._restart(self.disk.ended())
        log = AuditLog(FolderStore("/log", self.disk), KEYS)
        assert {index: log.entry(index) for index in self.told} == self.told
        head = log.checkpoint().checkpoint
        for older in self.published:
            path = consistency(StoredTree(log.store, head.size), older.size, head.size)
            check_consistency(older.size, older.root, head.size, head.root, path)

    def _attempt(self, step: object) -> None:
        assert callable(step)
        try:
            step()
        except Died:
            self._restart(self.disk.ended())
        except StoreError:
            self.files.fault = None

    def _restart(self, disk: Disk) -> None:
        self.disk, self.log = disk, None
        self.files = Faulty(disk)

    def _open(self) -> None:
        self.log = AuditLog(FolderStore("/log", self.files), KEYS)
        self.published.append(self.log.head.checkpoint)

    def _append(self, model: str, count: int) -> None:
        assert self.log is not None
        sent = [entry(self.numbers[model] + number, model) for number in range(1, count + 1)]
        for outcome, one in zip(self.log.append(sent), sent, strict=True):
            assert isinstance(outcome, int), outcome
            assert self.told.setdefault(outcome, one) == one
        self.numbers[model] += count

    def _sign(self) -> None:
        assert self.log is not None
        self.published.append(self.log.checkpoint().checkpoint)


TestKeeper = Keeper.TestCase
TestKeeper.settings = settings(
    max_examples=examples(15), stateful_step_count=25, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)

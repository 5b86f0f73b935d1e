"""The reporter of one predictor: counts in the event loop, and once a second hands over to a thread that delivers.

Files, name look-ups and answers may take their time in that thread; no prediction waits for them. What was counted
crosses over in one queue. When the thread cannot keep up, nothing more is put in, and `Counting` keeps its own bound.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Final

from bentos.front.drift.binning import Bins
from bentos.front.drift.gathering import Gathering, Sheaf
from bentos.front.drift.pushing import Pushing
from bentos.front.privacy.decisions import DecisionLog, Decisions, Form
from bentos.front.privacy.forgetting import Forgetting
from bentos.front.privacy.suppressions import Suppressions
from bentos.front.reporting.batches import pack
from bentos.front.reporting.counting import Counting, Tally
from bentos.front.reporting.delivery import Delivery, Sender
from bentos.front.reporting.spooling import Store
from bentos.front.reporting.statistics import Statistics
from bentos.front.schema import Schema
from marquee.contract.drift import ProfileReport
from marquee.contract.manifest import Manifest

log = logging.getLogger(__name__)

HAND_OVER_SECONDS: Final = 1.0
LEAVING_SECONDS: Final = 3.0
"""After the last answer of a process, how long its last batches may take; its grace period has more than that left."""
_MAX_HANDED_OVER: Final = 8
_PAUSE_AFTER_FAULT_SECONDS: Final = 1.0


@dataclass(frozen=True, slots=True)
class _Leave:
    """Tells the thread that the process is about to end."""

    deadline: float


_Handed = Sequence[Tally] | Sheaf | Pushing | Decisions | _Leave


class Reporter:
    """Counts, and delivers what it counted, within `running`.

    Args:
        model: ``namespace/name``.
        sender: the ledger.
        store: keeps what waits for the ledger.
        statistics: of this reporter, shared with the store.
        slow_milliseconds: the latency objective, if there is one.

    """

    def __init__(
        self,
        model: str,
        sender: Sender,
        store: Store,
        statistics: Statistics,
        *,
        slow_milliseconds: float | None = None,
    ) -> None:
        self.statistics = statistics
        self.counting = Counting(statistics, self._hand_over, slow_milliseconds=slow_milliseconds)
        self._model = model
        self._sender = sender
        self._store = store
        self._delivery = Delivery(sender, store, statistics, on_loss=self._note_loss)
        self._lost = False
        self._handed_over: SimpleQueue[_Handed] = SimpleQueue()
        self._put, self._taken = 0, 0
        self._gathering: Gathering | None = None
        self._decisions: DecisionLog | None = None
        self._forgetting: Forgetting | None = None
        self._pushing: Pushing | None = None
        self._deadline: float | None = None
        self._thread = threading.Thread(target=self._run, name="reporter", daemon=True)

    @property
    def idle(self) -> bool:
        """Whether everything that was counted has left.

        What the thread has out of the queue is in its hands until the delivery has it: an empty queue says nothing.
        """
        counted = (
            self.counting.pending
            or (self._gathering is not None and self._gathering.pending)
            or (self._decisions is not None and self._decisions.pending)
        )
        waits = self._pushing is not None and self._pushing.pending
        return not counted and not waits and self._taken == self._put and self._delivery.idle

    def gather(self, manifest: Manifest, schema: Schema, revision: str) -> Gathering | None:
        """Count what a model sees from now on, and tell the ledger over which bins; None: its artifact has none."""
        try:
            report = ProfileReport(
                model=self._model,
                revision=revision,
                output=manifest.outputs[0].name,
                profile=manifest.profile,
                traces=True,
            )
            bins = Bins(manifest)
        except Exception:
            log.exception("drift is not counted")
            return None
        self._give(Pushing(bins, model=self._model, revision=revision, report=report))
        if not manifest.profile.counts_anything:
            log.info("the artifact has no reference profile: drift is not counted")
            return None
        self._gathering = Gathering(bins, schema, self.statistics, self._hand_over)
        return self._gathering

    def keep(self, form: Form, suppressions: Suppressions | None) -> DecisionLog:
        """Keep decisions of this form from now on, and none of these subjects."""
        self._forgetting = Forgetting(suppressions, self._store, self.statistics) if suppressions is not None else None
        self._decisions = DecisionLog(form, self.statistics, self._hand_over)
        return self._decisions

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Deliver; at the end, for up to `LEAVING_SECONDS`, what is left."""
        self._thread.start()
        ticking = asyncio.create_task(self._tick())
        try:
            yield
        finally:
            ticking.cancel()
            with suppress(asyncio.CancelledError):
                await ticking
            self._hand_over()
            self._give(_Leave(time.monotonic() + LEAVING_SECONDS))
            await asyncio.to_thread(self._thread.join, LEAVING_SECONDS)
            if not self.idle:
                log.warning("leaving with reports that the ledger has not taken; the spool: %s", self._in_words())

    def hurry(self) -> None:
        """The process drains: try more often."""
        self._give(_Leave(float("inf")))

    async def _tick(self) -> None:
        while True:
            await asyncio.sleep(HAND_OVER_SECONDS)
            self._hand_over()

    def _hand_over(self) -> None:
        if self._lost:
            self._lost = False
            self.counting.forget()
        if self.counting.pending and self._handed_over.qsize() < _MAX_HANDED_OVER:
            self._give(self.counting.take())
        if self._gathering is not None and self._gathering.pending and self._handed_over.qsize() < _MAX_HANDED_OVER:
            for sheaf in self._gathering.take():
                self._give(sheaf)
        if self._decisions is not None and self._decisions.pending and self._handed_over.qsize() < _MAX_HANDED_OVER:
            self._give(self._decisions.take())

    def _give(self, handed: _Handed) -> None:
        """To the thread; for the event loop alone, as `_put` is."""
        self._put += 1
        self._handed_over.put(handed)

    def _note_loss(self) -> None:
        self._lost = True

    def _run(self) -> None:
        while self._deadline is None or (not self._delivery.idle and time.monotonic() < self._deadline):
            try:
                self._collect()
                if self._forgetting is not None:
                    self._forgetting.look()
                if self._pushing is not None:
                    self._delivery.add(self._pushing.due())
                self._delivery.deliver_one()
            except Exception:
                log.exception("the reporter stumbled; it goes on")
                time.sleep(_PAUSE_AFTER_FAULT_SECONDS)
        self._sender.close()

    def _collect(self) -> None:
        """Take over what was handed over, waiting for it while there is nothing else to do."""
        pauses = [self._delivery.pause_seconds(), self._pushing.pause_seconds() if self._pushing is not None else None]
        pause = min((seconds for seconds in pauses if seconds is not None), default=None)
        try:
            handed = self._handed_over.get(timeout=pause)
            while True:
                try:
                    self._take_over(handed)
                finally:
                    self._taken += 1
                handed = self._handed_over.get_nowait()
        except Empty:
            pass

    def _take_over(self, handed: _Handed) -> None:
        if isinstance(handed, Pushing):
            self._pushing = handed
            self._delivery.add([handed.introduce()])
            return
        if isinstance(handed, Sheaf):
            if self._pushing is not None:
                self._pushing.add(handed)
            return
        if isinstance(handed, Decisions):
            kept = self._forgetting.kept if self._forgetting is not None else lambda batch: batch
            self._delivery.add(filter(None, map(kept, handed.batches())))
            return
        if not isinstance(handed, _Leave):
            self._delivery.add(pack(self._model, handed))
            return
        self._delivery.leave()
        if self._pushing is not None:
            self._pushing.hurries = True
        if handed.deadline != float("inf"):
            self._deadline = handed.deadline

    def _in_words(self) -> str:
        return f"{self.statistics.spool_batches} batches, {self.statistics.spool_bytes} bytes"

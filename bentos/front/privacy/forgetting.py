"""Leaves out of what waits for the ledger whom the model must keep nothing of.

The ledger would take nothing of them any more; but until it is heard, their decisions would lie on the pod's volume in
the clear. For the reporter's thread alone.
"""

from __future__ import annotations

import logging
from typing import Any, Final

import orjson

from bentos.front.privacy.suppressions import Suppressions
from bentos.front.reporting.batches import Batch
from bentos.front.reporting.spooling import Store
from bentos.front.reporting.statistics import Kind, Reason, Statistics

log = logging.getLogger(__name__)
_DECISIONS: Final = "decisions"


class Forgetting:
    """Goes through the store once for each list.

    Args:
        suppressions: as another thread keeps it.
        store: what waits.
        statistics: counts what was left out.

    """

    def __init__(self, suppressions: Suppressions, store: Store, statistics: Statistics) -> None:
        self._suppressions = suppressions
        self._store = store
        self._statistics = statistics
        self._done: int | None = None

    def look(self) -> None:
        """Do so, if the list is another one than the last time."""
        revision = self._suppressions.revision
        if revision is None or revision == self._done:
            return
        if len(self._store):
            self._store.rewrite(Kind.DECISIONS, self.kept)
        self._done = revision

    def kept(self, batch: Batch) -> Batch | None:
        """What may be sent of a batch of decisions."""
        if not len(self._suppressions):
            return batch
        body: dict[str, Any] = orjson.loads(batch.body)
        kept = [one for one in body[_DECISIONS] if bytes.fromhex(one["subject"]) not in self._suppressions]
        gone = len(body[_DECISIONS]) - len(kept)
        if not gone:
            return batch
        log.info("%d decisions are forgotten before the ledger has them: their subjects are suppressed", gone)
        self._statistics.drop(Kind.DECISIONS, Reason.SUPPRESSED, gone)
        return Batch(Kind.DECISIONS, orjson.dumps(body | {_DECISIONS: kept}), len(kept)) if kept else None

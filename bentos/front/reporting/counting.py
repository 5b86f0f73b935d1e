"""Counts of each cohort, and its units that were not reported yet. On the path of every request: no I/O, no locks."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Final

from bentos.front.callers import Caller
from bentos.front.reporting.sights import Sights
from bentos.front.reporting.statistics import Kind, Reason, Statistics
from marquee.contract.cohort import Cohort

FULL_UNITS: Final = 20_000
"""So many units are handed over before the second is over."""
MAX_UNITS: Final = 400_000
"""Units in memory, 3.2 MB; only a stalled reporter lets so many come together."""
MAX_COHORTS: Final = 1_000
_CLIENT_ERROR: Final = 400
_SERVER_ERROR: Final = 500
_NEVER: Final = 2**63


class Tally:
    """What was counted of one cohort since the last hand-over."""

    __slots__ = ("cohort", "errors", "place", "requests", "salt", "slow", "units")

    def __init__(self, cohort: Cohort) -> None:
        self.cohort = cohort
        self.place = 2 * cohort.step + cohort.arm
        self.salt = int.from_bytes(hashlib.sha256(cohort.rollout.encode()).digest()[:8], "big")
        self.requests = 0
        self.errors = 0
        self.slow = 0
        self.units = bytearray()
        """Hashes of 8 bytes, one after the other."""


class Counting:
    """Counts the answers to predictions; for the event loop alone.

    Args:
        statistics: of the reporter, for what has to be dropped.
        on_full: called when enough units for a batch are there.
        slow_milliseconds: the latency objective; None: nothing is slow.

    """

    def __init__(
        self,
        statistics: Statistics,
        on_full: Callable[[], None],
        *,
        slow_milliseconds: float | None = None,
        sights: Sights | None = None,
    ) -> None:
        self._statistics = statistics
        self._on_full = on_full
        self._slow_nanoseconds = _NEVER if slow_milliseconds is None else round(slow_milliseconds * 1e6)
        self._sights = sights or Sights()
        self._tallies: dict[bytes, Tally] = {}
        self.units = 0
        """Units that wait to be handed over."""

    @property
    def pending(self) -> bool:
        """Whether there is something to hand over."""
        return bool(self._tallies)

    def observe_turned_away(self, caller: Caller) -> None:
        """Count a request that was not answered for want of time: an error of its arm, and no exposure.

        It is an error, because an arm that is too slow for its share of the traffic harms whom it turns away. It is no
        exposure, because nothing was shown, and no outcome can come: those need the id of a prediction. Counted as an
        exposure it would be a unit that never converts, and the arm that was short of pods would look like the worse
        model. A unit that comes back is exposed then; one that does not is missing from its arm, which the test of the
        sample ratio sees.
        """
        tally = self._tallies.get(caller.stamp) or self._open(caller)
        if tally is not None:
            tally.requests += 1
            tally.errors += 1

    def observe(self, caller: Caller, status: int, nanoseconds: int) -> None:
        """Count one answer to a caller that has a cohort.

        A unit whose prediction failed on our side was exposed too: what its arm did to it is the failure. To leave
        it out would take from a bad arm exactly the units that it treated badly. A client's own error is no exposure.
        """
        tally = self._tallies.get(caller.stamp) or self._open(caller)
        if tally is None:
            return
        tally.requests += 1
        if nanoseconds > self._slow_nanoseconds:
            tally.slow += 1
        if status >= _SERVER_ERROR:
            tally.errors += 1
        elif status >= _CLIENT_ERROR:
            return
        if self.units >= MAX_UNITS:
            self._statistics.drop(Kind.EXPOSURES, Reason.BUFFER_FULL, 1)
        elif caller.alone or not caller.identified or self._sights.is_first(tally.salt, tally.place, caller.unit):
            tally.units += caller.unit
            self.units += 1
            if self.units >= FULL_UNITS:
                self._on_full()

    def take(self) -> Sequence[Tally]:
        """Hand over what was counted, and begin anew."""
        tallies, self._tallies, self.units = self._tallies, {}, 0
        return list(tallies.values())

    def forget(self) -> None:
        """Report units again when they come back: what was reported of them is lost."""
        self._sights.forget()

    def _open(self, caller: Caller) -> Tally | None:
        if caller.cohort is None:
            return None
        if len(self._tallies) >= MAX_COHORTS:
            self._statistics.drop(Kind.COUNTS, Reason.TOO_MANY_COHORTS, 1)
            return None
        tally = self._tallies[caller.stamp] = Tally(caller.cohort)
        return tally

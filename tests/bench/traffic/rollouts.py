"""Rollouts under load, one after the other: one is promoted, one is taken back by its harm, one is aborted."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Any, Final

from demo.target import wait_for
from localcluster.stages import Stages
from tests.bench.traffic.measuring import Hold, seconds_until_gone
from tests.bench.traffic.users import Users
from tests.support.ramp import MODEL, Ramp

STABLE, GOOD, HARMFUL = 0.30, 0.45, 0.08
"""Chances that a user buys after a prediction by the stable revision, and by a canary."""
WEIGHT: Final = 10
_STEPS: Final[list[dict[str, Any]]] = [
    {"weight": weight, "minExposures": 100, "minDurationSeconds": 8} for weight in (WEIGHT, 50)
]
_LONG_STEPS: Final[list[dict[str, Any]]] = [step | {"minDurationSeconds": 3600} for step in _STEPS]
_SETTLE_SECONDS: Final = 3.0
"""After the status says a weight, until the gateway has surely followed."""
_WATCH_SECONDS: Final = 10.0
"""After an abort, in which no canary may answer any more."""
_PATIENCE_SECONDS: Final = 180.0


@dataclass
class Rollouts:
    """What happens to one model while its users ask.

    Args:
        ramp: The model; its first revision serves.
        chances: Of buying, by revision: filled as revisions come.
        users: Who ask.
        stages: Where progress is told.

    """

    ramp: Ramp
    chances: dict[str, float]
    users: Users
    stages: Stages
    holds: list[Hold] = field(default_factory=list)
    abort_seconds: list[float] = field(default_factory=list)
    command_seconds: list[float] = field(default_factory=list)
    """Of those, until `kubectl marquee abort` had returned: what a busy machine takes to start it."""
    count: int = 0
    """Rollouts that have ended."""
    _stable: str = f"{MODEL}-v1"
    _version: int = 1

    def promote(self) -> None:
        """A better revision, through both steps to all users."""
        canary = self._release(GOOD)
        self._ends(canary, "Promoted", leaves=self._stable)
        self._stable = canary

    def roll_back(self) -> None:
        """A harmful one, until the evidence says so."""
        canary = self._release(HARMFUL)
        self._ends(canary, "RolledBack", leaves=canary)

    def abort(self, hold_seconds: float) -> None:
        """A good one that stays on its first step, until a person ends it."""
        canary = self._release(GOOD, steps=_LONG_STEPS)
        rollout = self.ramp.until(canary, weight=WEIGHT, timeout_seconds=_PATIENCE_SECONDS)
        time.sleep(_SETTLE_SECONDS)
        begin = time.monotonic()
        time.sleep(hold_seconds)
        aborted_at = time.monotonic()
        self.holds.append(Hold(rollout["name"], canary, WEIGHT, begin, aborted_at))
        self.ramp.plugin("abort")
        self.command_seconds.append(time.monotonic() - aborted_at)
        time.sleep(_WATCH_SECONDS)
        self._ends(canary, "Aborted", leaves=canary)
        seconds = seconds_until_gone(self.users.answers, canary, aborted_at)
        self.abort_seconds.append(seconds)
        self.stages.say(
            f"{canary}: the last request that it answered was {seconds:.2f} s after the abort, "
            f"whose command took {self.command_seconds[-1]:.2f} s"
        )

    def _release(self, chance: float, **rollout: Any) -> str:
        self._version += 1
        self.chances.clear()
        canary = self.ramp.revise(self._version)
        self.chances |= {self._stable: STABLE, canary: chance}
        self.ramp.apply(canary, **{"steps": _STEPS, "drainSeconds": 5} | rollout)
        return canary

    def _ends(self, canary: str, result: str, *, leaves: str) -> None:
        """Wait for the end, and until the pods of the revision that users left are gone."""
        started = time.monotonic()
        self.ramp.until(canary, result=result, timeout_seconds=_PATIENCE_SECONDS)
        wait_for(f"{leaves}'s end", lambda: None if self.ramp.pods(leaves) else True, timeout_seconds=_PATIENCE_SECONDS)
        self.count += 1
        report = self.users.load.report
        self.stages.say(
            f"{canary}: {result} after {time.monotonic() - started:.0f} s; "
            f"{report.total:,} requests, {len(report.failures)} failed"
        )

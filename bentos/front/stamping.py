"""The cohort of every request where no gateway stamps them: by the pod's own revision and what the ledger has told.

Without a gateway a model has one address over both arms, and who answers is decided by whatever opens connections. So a
pod knows the arm by its revision, and asks the ledger which rollout and step it is. The ledger tells of a step some
seconds before it begins, and all pods change over at that moment. While the ledger is away no step can begin, and pods
go on with the last one that they know.

Units cannot be kept with an arm: the same user may reach both. So each request is a unit of its own, whatever the
client says: a user who was first seen by one arm and then mostly answered by the other would hide a difference.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Final, NamedTuple

from marquee.contract.cohort import Arm, Cohort
from marquee.contract.stamping import StampingReply

REQUESTS_A_CONNECTION: Final = 32
"""Answers after which a client is asked, on average, to connect anew: connections are what is randomised, and a few
that last for hours would each bring one arm the users of one client."""


class Stamp(NamedTuple):
    """What a request is stamped with, as the header would have it too."""

    cohort: Cohort
    text: bytes


class Stamping:
    """Knows the present stamp of one pod's requests. `hear` is for one thread, `now` for any.

    Args:
        revision: that the pod serves.
        clock: seconds that only grow.

    """

    def __init__(self, revision: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._revision = revision
        self._clock = clock
        self._begins: tuple[tuple[float, Stamp], ...] = ()
        """By the clock, the latest first."""

    def now(self) -> Stamp | None:
        """What a request of this moment is stamped with; None: it is not counted."""
        if not self._begins:
            return None
        moment = self._clock()
        return next((stamp for begin, stamp in self._begins if begin <= moment), None)

    def hear(self, reply: StampingReply) -> None:
        """Go by the ledger's answer from now on."""
        arm = {reply.stable: Arm.STABLE, reply.canary: Arm.CANARY}.get(self._revision)
        if reply.rollout is None or arm is None:
            self._begins = ()
            return
        moment = self._clock()
        stamps = []
        for told in sorted(reply.steps, key=lambda told: -told.step):
            cohort = Cohort(reply.rollout, told.step, arm)
            stamps.append((moment + told.in_seconds, Stamp(cohort, str(cohort).encode())))
        self._begins = tuple(stamps)

    def reconnects(self) -> bool:
        """Whether this answer asks its client to connect anew."""
        return random.random() * REQUESTS_A_CONNECTION < 1  # noqa: S311 - spreads, hides nothing

"""The cohort that a request belongs to, as the gateway stamps it: ``marquee-cohort: <rollout>/<step>/<arm>``."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from marquee.contract.assignment import is_rollout_name

MAX_STEP: Final = 999


class Arm(IntEnum):
    """The two arms of a rollout; the number is what the wire and the ledger keep."""

    STABLE = 0
    CANARY = 1

    @property
    def label(self) -> str:
        """``stable`` or ``canary``."""
        return self.name.lower()


_ARMS: Final = {arm.label: arm for arm in Arm}


class CohortError(ValueError):
    """A text is no cohort."""


@dataclass(frozen=True, slots=True, order=True)
class Cohort:
    """The exposures of one arm in one step of a rollout.

    Raises:
        CohortError: a part is out of bounds.

    """

    rollout: str
    step: int
    arm: Arm

    def __post_init__(self) -> None:
        if not is_rollout_name(self.rollout):
            raise CohortError(f"{self.rollout[:80]!r} is no name of a rollout")
        if not 0 <= self.step <= MAX_STEP:
            raise CohortError(f"step {self.step} is not between 0 and {MAX_STEP}")

    def __str__(self) -> str:
        return f"{self.rollout}/{self.step}/{self.arm.label}"

    @staticmethod
    def parse(header: str) -> Cohort:
        """Read the header's value; there is exactly one way to write a cohort.

        Raises:
            CohortError: it is not ``<rollout>/<step>/<arm>``.

        """
        parts = header.split("/")
        if len(parts) != 3:
            raise CohortError(f"{header[:80]!r} is not <rollout>/<step>/<arm>")
        rollout, step, arm = parts
        if not (step.isascii() and step.isdigit() and len(step) <= 3 and str(int(step)) == step):
            raise CohortError(f"{step[:80]!r} is no step: a number from 0 to {MAX_STEP} without leading zeros")
        if arm not in _ARMS:
            raise CohortError(f"{arm[:80]!r} is no arm: stable or canary")
        return Cohort(rollout, int(step), _ARMS[arm])

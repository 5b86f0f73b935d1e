"""What an HTTPRoute says: who gets requests, and how far a rollout has come."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from marquee.contract.cohort import Arm, Cohort
from tests.support.kinds import Object

BUCKETS: Final = 1000


@dataclass(frozen=True, slots=True)
class Split:
    """The weighted rule of a rollout's step."""

    rollout: str
    step: int
    weight: int
    """Percent of the canary."""


def receivers(route: Object) -> set[str]:
    """Names of the Services that any request may be sent to."""
    rules = route["spec"]["rules"]
    return {backend["name"] for rule in rules for backend in rule["backendRefs"] if backend.get("weight", 1) > 0}


def split_of(route: Object) -> Split | None:
    """The split of requests without a bucket; None when one revision answers everybody."""
    for backend in route["spec"]["rules"][-1]["backendRefs"]:
        for stamp in backend.get("filters", ()):
            for header in stamp["requestHeaderModifier"].get("set", ()):
                cohort = Cohort.parse(header["value"])
                if cohort.arm is Arm.CANARY:
                    return Split(cohort.rollout, cohort.step, backend["weight"])
    return None


def in_words(pattern: str) -> str:
    """A header's expression by the number of buckets that it takes: which ones depends on the rollout's name."""
    matched = sum(re.fullmatch(pattern, f"{bucket:03}") is not None for bucket in range(BUCKETS))
    return f"{matched} buckets"

"""What a pod's metrics page says of its users' requests, and what two looks at it make. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

_REQUESTS: Final = "marquee_predictor_requests_total{"
_SECONDS: Final = "marquee_predictor_request_duration_seconds_sum{"
_ENDPOINTS: Final = tuple(f'endpoint="{name}"' for name in ("predict", "infer", "service"))
"""What users ask for; probes, health and metadata are no load to scale by."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A pod's counters at one moment."""

    at: float
    """Monotonic seconds."""
    requests: float
    """Answered since the pod started."""
    seconds: float
    """Spent on them, each request's own time summed."""


@dataclass(frozen=True, slots=True)
class Rates:
    """What a pod, or all pods of a revision, have to do."""

    requests_per_second: float
    concurrency: float
    """Requests that are being answered, on average: by Little's law the seconds spent on them in a second."""


def read_sample(page: str, at: float) -> Sample:
    """The counters in Prometheus' text format.

    Raises:
        ValueError: the page is none of a predictor.

    """
    requests, seconds, found = 0.0, 0.0, False
    for line in page.splitlines():
        if line.startswith(_REQUESTS):
            found = True
            requests += _value(line)
        elif line.startswith(_SECONDS):
            seconds += _value(line)
    if not found:
        raise ValueError("the page holds no marquee_predictor_requests_total")
    return Sample(at, requests, seconds)


def rates_of(samples: Sequence[Sample]) -> Rates | None:
    """From the first look to the last; None while there is one only, or the container was started again between."""
    if len(samples) < 2:
        return None
    first, last = samples[0], samples[-1]
    elapsed = last.at - first.at
    if elapsed <= 0 or last.requests < first.requests or last.seconds < first.seconds:
        return None
    return Rates((last.requests - first.requests) / elapsed, (last.seconds - first.seconds) / elapsed)


def total(rates: Sequence[Rates], pods: int) -> Rates:
    """Of all pods: those that were not heard do as much as the others.

    Args:
        rates: of those that were; at least one.
        pods: the number of all of them.

    """
    factor = pods / len(rates)
    return Rates(sum(one.requests_per_second for one in rates) * factor, sum(one.concurrency for one in rates) * factor)


def _value(line: str) -> float:
    return float(line.rpartition(" ")[2]) if any(endpoint in line for endpoint in _ENDPOINTS) else 0.0

"""The arithmetic of the suite: shares within an objective, latency by interval, replicas over time."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from tests.bench.scaling.replay import Answer

ANSWERED: Final = 200


@dataclass(frozen=True, slots=True)
class Replicas:
    """So many pods answered from then on, in seconds from the start."""

    at: float
    ready: int


@dataclass(frozen=True, slots=True)
class Interval:
    """What was seen in one interval of the replay."""

    begin: float
    requests_per_second: float
    p99_milliseconds: float
    """Of those that were answered; 0 when none was."""
    failed: int
    replicas: int
    """At its end."""


def slo_kept_share(answers: Sequence[Answer], objective_seconds: float) -> float:
    """Of all requests, those that were answered with 200 within the objective.

    Raises:
        ValueError: there are none.

    """
    if not answers:
        raise ValueError("no request was sent, so nothing was kept or broken")
    kept = sum(answer.status == ANSWERED and answer.seconds <= objective_seconds for answer in answers)
    return kept / len(answers)


def percentile(values: Iterable[float], percent: float) -> float:
    """The smallest value that so many percent of all do not exceed; 0 of none."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)] if ordered else 0.0


def ready_at(history: Sequence[Replicas], moment: float) -> int:
    """How many pods answered then; 0 before the first word."""
    place = bisect_right([seen.at for seen in history], moment)
    return history[place - 1].ready if place else 0


def intervals(
    answers: Iterable[Answer], history: Sequence[Replicas], *, count: int, seconds: float
) -> tuple[Interval, ...]:
    """The replay in pieces of so many seconds, by the time at which requests were due."""
    pieces: list[list[Answer]] = [[] for _ in range(count)]
    for answer in answers:
        pieces[min(int(answer.due / seconds), count - 1)].append(answer)
    return tuple(
        Interval(
            begin=number * seconds,
            requests_per_second=len(piece) / seconds,
            p99_milliseconds=1e3 * percentile((one.seconds for one in piece if one.status == ANSWERED), 99),
            failed=sum(one.status != ANSWERED for one in piece),
            replicas=ready_at(history, (number + 1) * seconds),
        )
        for number, piece in enumerate(pieces)
    )


def pod_seconds(history: Sequence[Replicas], end: float) -> float:
    """Pods times seconds until the end: what the replay cost."""
    ends = [seen.at for seen in history[1:]] + [end]
    return sum(
        seen.ready * max(0.0, min(until, end) - max(seen.at, 0.0)) for seen, until in zip(history, ends, strict=True)
    )


def document(
    found: Sequence[Interval], *, objective_milliseconds: float, speed: float, first_hour: float
) -> dict[str, Any]:
    """What the picture is drawn from."""
    return {
        "objectiveMilliseconds": objective_milliseconds,
        "speed": speed,
        "hours": [first_hour + one.begin * speed / 3600 for one in found],
        "requestsPerSecond": [one.requests_per_second for one in found],
        "p99Milliseconds": [one.p99_milliseconds for one in found],
        "failed": [one.failed for one in found],
        "replicas": [one.replicas for one in found],
    }

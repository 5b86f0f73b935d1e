"""What h2load writes of each answer, and the figures that follow from it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

OK: Final = 200
UNAVAILABLE: Final = 503
_MICROSECONDS: Final = 1e6


class Answer(NamedTuple):
    """One answer as its client saw it."""

    began: float
    """Seconds since 1970."""
    status: int
    seconds: float

    @property
    def ended(self) -> float:
        """Seconds since 1970."""
        return self.began + self.seconds


def parse_log(lines: Iterable[str]) -> list[Answer]:
    """The answers of h2load's ``--log-file``: begin and duration in microseconds, the status between them."""
    answers = []
    for line in lines:
        began, status, duration = line.split("\t")[:3]
        answers.append(Answer(int(began) / _MICROSECONDS, int(status), int(duration) / _MICROSECONDS))
    return answers


def after(answers: Sequence[Answer], seconds: float) -> list[Answer]:
    """Those whose requests were sent later than so long after the first one."""
    begin = min(answer.began for answer in answers) + seconds
    return [answer for answer in answers if answer.began >= begin]


def before(answers: Sequence[Answer], seconds: float) -> list[Answer]:
    """Those whose requests were sent until then."""
    begin = min(answer.began for answer in answers) + seconds
    return [answer for answer in answers if answer.began < begin]


def seconds_of(answers: Sequence[Answer]) -> float:
    """From the first request to the last answer."""
    return max(answer.ended for answer in answers) - min(answer.began for answer in answers)


def rate(answers: Sequence[Answer]) -> float:
    """Answers a second, of whatever kind."""
    return len(answers) / seconds_of(answers)


def goodput(answers: Sequence[Answer], objective_seconds: float) -> float:
    """Predictions a second that came within the objective."""
    return sum(is_good(answer, objective_seconds) for answer in answers) / seconds_of(answers)


def is_good(answer: Answer, objective_seconds: float) -> bool:
    """Whether it is a prediction, and in time."""
    return answer.status == OK and answer.seconds <= objective_seconds


def shed_p99_milliseconds(answers: Sequence[Answer]) -> float:
    """How long it takes to be turned away; nearly always less."""
    seconds = sorted(answer.seconds for answer in answers if answer.status == UNAVAILABLE)
    return seconds[min(len(seconds) - 1, int(0.99 * len(seconds)))] * 1e3 if seconds else 0.0


def recovery_seconds(answers: Sequence[Answer], since: float, objective_seconds: float) -> float:
    """How long after ``since``, in seconds since 1970, the last answer came that was none, or not in time."""
    bad = [answer.ended - since for answer in answers if not is_good(answer, objective_seconds)]
    return max(0.0, *bad) if bad else 0.0

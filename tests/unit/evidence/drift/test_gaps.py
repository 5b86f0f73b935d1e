"""The alarm of concept drift: it takes a gap that matters, stays, and is no noise of days."""

from __future__ import annotations

import random
from collections.abc import Iterable
from typing import Any

import pytest

from marquee.evidence.drift.gaps import GapSettings, GapTier, Judged, judge_gaps, noise_of
from marquee.evidence.drift.realising import Difference, Gap, Matured, Realised, Unusable, realised
from marquee.evidence.errors import QuestionError

SCORES = tuple((place + 0.5) / 20 for place in range(20))
SETTINGS = GapSettings()


def window(number: int, residual: float, effect: float | None = None, gap: Gap = Gap.CALIBRATION) -> Realised:
    """A window by its gap alone."""
    difference = Difference(residual, residual / 10 if effect is None else effect)
    return Realised(number, 1_000, 100, differences={gap: difference})


def windows(residuals: Iterable[float], **more: Any) -> list[Realised]:
    return [window(number, residual, **more) for number, residual in enumerate(residuals)]


def tiers(found: Iterable[Judged]) -> str:
    """One letter a window."""
    return "".join(one.tier.value[0] for one in found)


QUIET = (0.5, -0.5, 0.8, -0.3, 0.1, -0.9, 0.4)


@pytest.mark.parametrize("given", [{"alpha": 0.0}, {"area": -1.0}, {"confirmations": 0}, {"minimum_windows": 1}])
def test_settings_without_an_answer_are_refused(given: dict[str, Any]) -> None:
    """With what to give."""
    with pytest.raises(QuestionError):
        GapSettings(**given)


@pytest.mark.parametrize(
    ("residuals", "more", "expected"),
    [
        (QUIET, {}, "IIIIIII"),
        ((*QUIET, 9.0, 9.0), {}, "IIIIIIISS"),
        ((*QUIET, 9.0, 9.0, 9.0), {}, "IIIIIIISSC"),
        ((*QUIET, 9.0, 9.0, 0.0, 9.0, 9.0, 9.0, 0.1), {}, "IIIIIIISSSSSSS"),
        ((*QUIET, 9.0, -9.0, 9.0, -9.0), {}, "IIIIIIISSSS"),
        ((*QUIET, 9.0, 9.0, 9.0), {"effect": 0.05}, "IIIIIIISSS"),
        ((*QUIET, 9.0, 9.0, 9.0), {"gap": Gap.DISCRIMINATION, "effect": 0.1}, "IIIIIIISSS"),
        ((*QUIET, -9.0, -9.0, -9.0), {"gap": Gap.DISCRIMINATION, "effect": -0.1}, "IIIIIIISSC"),
        ((*(8 + one for one in QUIET), 8.0, 8.0, 8.0), {}, "IIIIIIISSC"),
        ((*(9 * one for one in QUIET), 9.0, 9.0, 9.0), {}, "IIIIIIISSS"),
    ],
    ids=[
        "noise is not known yet",
        "two in a row",
        "three in a row",
        "a gap that did not last was noise",
        "to and fro",
        "too small to matter",
        "a better area",
        "a worse area",
        "off from the start",
        "days that waver as much",
    ],
)
def test_what_is_told(residuals: tuple[float, ...], more: dict[str, Any], expected: str) -> None:
    """By window: insufficient, stable, or concept drift."""
    assert tiers(judge_gaps(windows(residuals, **more), SETTINGS)) == expected


def test_what_is_unusable_neither_confirms_nor_takes_back() -> None:
    """A day without outcomes between two that gape."""
    found = windows((*QUIET, 9.0, 9.0, 0.0, 9.0))
    found[9] = Realised(9, 1_000, 0, Unusable.NO_OUTCOMES)
    judged = judge_gaps(found, SETTINGS)
    assert (tiers(judged), judged[-1].streaks) == ("IIIIIIISSC", {Gap.CALIBRATION: 3})


def test_noise_is_that_of_neighbours() -> None:
    """A level that stays is none; below what rows explain it never goes."""
    assert noise_of([50.0, 50.1, 49.9]) == 1.0
    assert noise_of([0.0, 4.0, 0.0]) == 8.0
    assert noise_of([3.0]) == 1.0


def simulated(
    days: int, seed: int, *, wobble: float = 0.0, rate: float = 1.0, slope: float = 1.0, since: int = 10**9
) -> list[Realised]:
    """Days of 4,000 answers to a calibrated score; from ``since`` on outcomes follow it otherwise."""
    draw = random.Random(seed)
    found = []
    for day in range(days):
        times = (rate if day >= since else 1.0) * (1 + draw.gauss(0, wobble))
        steep = slope if day >= since else 1.0
        chances = [min(1.0, max(0.0, times * (0.5 + steep * (score - 0.5)))) for score in SCORES]
        hits = tuple(round(min(200.0, max(0.0, draw.gauss(200 * p, (200 * p * (1 - p)) ** 0.5)))) for p in chances)
        found.append(realised(Matured(day, (200,) * 20, hits), SCORES))
    return found


@pytest.mark.parametrize("wobble", [0.0, 0.05, 0.3])
def test_a_calibrated_score_alarms_nobody(wobble: float) -> None:
    """Ten years of days, on which outcomes waver by nothing, a little, or by three tenths: none in 3,650."""
    found = [one for seed in range(10) for one in judge_gaps(simulated(365, seed, wobble=wobble), SETTINGS)]
    assert sum(one.tier is GapTier.CONCEPT_DRIFT for one in found) == 0


@pytest.mark.parametrize(
    ("change", "gap"),
    [({"rate": 0.8}, Gap.CALIBRATION), ({"rate": 1.2}, Gap.CALIBRATION), ({"slope": 0.8}, Gap.DISCRIMINATION)],
)
def test_a_changed_relation_is_found_in_three_windows(change: dict[str, float], gap: Gap) -> None:
    """A fifth fewer or more outcomes, or a fifth less order in them; and it goes on being told."""
    judged = judge_gaps(simulated(40, 1, wobble=0.02, since=28, **change), SETTINGS)
    assert tiers(judged)[28:] == "SS" + "C" * 10
    assert abs(judged[-1].streaks[gap]) == 12

"""Realised performance for people: what the scores promised and what came of them, window by window."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Final

from marquee.cli.screen import Screen, Tone
from marquee.evidence.drift.gaps import Judged
from marquee.evidence.drift.realising import Gap, Realised
from marquee.judging.performing import PerformanceState, PerformanceVerdict

MOST_WINDOWS: Final = 14
_TONES: Final = {
    PerformanceState.STABLE: Tone.GOOD,
    PerformanceState.CONCEPT_DRIFT: Tone.BAD,
    PerformanceState.STALE: Tone.BAD,
    PerformanceState.INSUFFICIENT_DATA: Tone.WAITING,
}


def performance_lines(
    verdict: PerformanceVerdict, seconds: int, screen: Screen, *, everything: bool = False
) -> Iterator[str]:
    """All lines.

    Args:
        verdict: on performance.
        seconds: of a window.
        screen: to print on.
        everything: all windows, not only the last ones.

    """
    words = f"{verdict.state.value}: {verdict.message}"
    yield from screen.labelled("realised", words, _TONES[verdict.state])
    if verdict.loss is not None and verdict.loss > 0:
        lost = f"{verdict.loss:.1%} of the baseline's AUC is lost, certain at 99 %"
        yield from screen.labelled("loss", lost, Tone.WAITING)
    if verdict.broken:
        count = len(verdict.broken)
        words = f"{count} window{'s' if count > 1 else ''} of a broken feed, not judged"
        yield from screen.labelled("left out", words, Tone.WAITING)
    shown = verdict.windows if everything else verdict.windows[-MOST_WINDOWS:]
    if not shown:
        return
    yield ""
    of_values = any(one.root_mean_square_error is not None for one in verdict.windows)
    title = ("RMSE", "mean error") if of_values else ("AUC promised", "realised", "Brier", "calibration error")
    head = ("window", "answers", verdict.outcome, *title, "outcomes against promise", "p")
    judged = {one.realised.window: one for one in verdict.judged}
    rows = [_row(one, judged.get(one.window), seconds, of_values=of_values) for one in shown]
    yield from screen.table(head, rows, indent=2)


def performance_document(verdict: PerformanceVerdict, seconds: int) -> dict[str, Any]:
    """The same as JSON, with every window."""
    judged = {one.realised.window: one for one in verdict.judged}
    return {
        "verdict": verdict.state.value,
        "message": verdict.message,
        "outcome": verdict.outcome,
        "loss": verdict.loss,
        "windows": [_window_document(one, judged.get(one.window), seconds) for one in verdict.windows],
    }


def _row(found: Realised, judged: Judged | None, seconds: int, *, of_values: bool) -> tuple[str, ...]:
    """A window's; one that was not judged says why in the place of its p-value."""
    p_values = judged.p_values.values() if judged is not None else ()
    return (
        f"{_moment(found, seconds):%Y-%m-%d %H:%M}" + ("*" if judged is not None and judged.streaks else ""),
        f"{found.rows:,}",
        f"{found.outcomes:,}",
        *_figures(found, of_values=of_values),
        _effect(found),
        "broken feed" if judged is None else f"{min(p_values):.2g}" if p_values else "",
    )


def _figures(found: Realised, *, of_values: bool) -> tuple[str, ...]:
    if of_values:
        return _number(found.root_mean_square_error, 2), _number(found.mean_error, 2)
    promised, real = found.promised, found.performance
    return (
        _number(promised.auc if promised is not None else None, 3),
        _number(real.auc if real is not None else None, 3),
        _number(real.brier if real is not None else None, 4),
        _number(real.calibration_error if real is not None else None, 4),
    )


def _effect(found: Realised) -> str:
    difference = (found.differences or {}).get(Gap.CALIBRATION)
    return f"{difference.effect:+.1%}" if difference is not None else ""


def _number(value: float | None, digits: int) -> str:
    return f"{value:.{digits}f}" if value is not None else ""


def _moment(found: Realised, seconds: int) -> datetime:
    return datetime.fromtimestamp(found.window * seconds, UTC)


def _window_document(found: Realised, judged: Judged | None, seconds: int) -> dict[str, Any]:
    promised, real = found.promised, found.performance
    return {
        "window": _moment(found, seconds).isoformat(),
        "leftOut": found.unusable.value if found.unusable is not None else None,
        "rows": found.rows,
        "outcomes": found.outcomes,
        "promisedAuc": promised.auc if promised is not None else None,
        "realisedAuc": real.auc if real is not None else None,
        "realisedBrier": real.brier if real is not None else None,
        "calibrationError": real.calibration_error if real is not None else None,
        "meanError": found.mean_error,
        "rootMeanSquareError": found.root_mean_square_error,
        "gaps": {
            gap.value: {
                "residual": difference.residual,
                "effect": difference.effect,
                "pValue": judged.p_values.get(gap) if judged is not None else None,
            }
            for gap, difference in (found.differences or {}).items()
        },
    }

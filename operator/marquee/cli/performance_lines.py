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
    shown = verdict.judged if everything else verdict.judged[-MOST_WINDOWS:]
    if not shown:
        return
    yield ""
    of_values = shown[-1].realised.performance is None
    title = ("RMSE", "mean error") if of_values else ("AUC promised", "realised", "Brier", "calibration error")
    head = ("window", "answers", verdict.outcome, *title, "outcomes against promise", "p")
    yield from screen.table(head, [_row(one, seconds) for one in shown], indent=2)


def performance_document(verdict: PerformanceVerdict, seconds: int) -> dict[str, Any]:
    """The same as JSON, with every window."""
    return {
        "verdict": verdict.state.value,
        "message": verdict.message,
        "outcome": verdict.outcome,
        "loss": verdict.loss,
        "windows": [_window_document(one, seconds) for one in verdict.judged],
    }


def _row(judged: Judged, seconds: int) -> tuple[str, ...]:
    found = judged.realised
    return (
        f"{_moment(found, seconds):%Y-%m-%d %H:%M}" + ("*" if judged.streaks else ""),
        f"{found.rows:,}",
        f"{found.outcomes:,}",
        *_figures(found),
        _effect(found),
        f"{min(judged.p_values.values()):.2g}" if judged.p_values else "",
    )


def _figures(found: Realised) -> tuple[str, ...]:
    promised, real = found.promised, found.performance
    if promised is None or real is None:
        return _number(found.root_mean_square_error, 2), _number(found.mean_error, 2)
    return (
        _number(promised.auc, 3),
        _number(real.auc, 3),
        _number(real.brier, 4),
        _number(real.calibration_error, 4),
    )


def _effect(found: Realised) -> str:
    difference = (found.differences or {}).get(Gap.CALIBRATION)
    return f"{difference.effect:+.1%}" if difference is not None else ""


def _number(value: float | None, digits: int) -> str:
    return f"{value:.{digits}f}" if value is not None else ""


def _moment(found: Realised, seconds: int) -> datetime:
    return datetime.fromtimestamp(found.window * seconds, UTC)


def _window_document(judged: Judged, seconds: int) -> dict[str, Any]:
    found = judged.realised
    promised, real = found.promised, found.performance
    return {
        "window": _moment(found, seconds).isoformat(),
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
                "pValue": judged.p_values.get(gap),
            }
            for gap, difference in (found.differences or {}).items()
        },
    }

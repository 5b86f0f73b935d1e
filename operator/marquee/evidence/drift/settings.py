"""Thresholds of a verdict, each with its reason."""

from __future__ import annotations

from dataclasses import dataclass

from marquee.evidence.errors import QuestionError, require_alpha


@dataclass(frozen=True, slots=True)
class QualitySettings:
    """When a feed is broken. Shares are of rows, compared with the baseline's."""

    volume_low: float = 0.3
    """Rows of a window below this part of the baseline's median window."""
    volume_high: float = 4.0
    """Rows above this multiple of it: something is sent twice."""
    missing_rise: float = 0.1
    """Rise of the missing share; less is left to the comparison of distributions."""
    wrong_share: float = 0.02
    """Share of values of another type: a schema changed upstream."""
    unseen_share: float = 0.1
    """Share of values of no known category: a code list changed upstream."""
    outside_rise: float = 0.1
    """Rise of the share outside the range that was ever seen: a unit or a sign changed upstream."""


@dataclass(frozen=True, slots=True)
class DriftSettings:
    """When to look into a difference, and when to retrain for it."""

    discovery_rate: float = 0.01
    """Share of false ones among the features of an *Investigate*, at most (Benjamini-Hochberg)."""
    effect_floor: float = 0.005
    """PSI below which a difference matters to nobody, however certain it is; 0.07 standard deviations of a mean."""
    retrain_alpha: float = 0.05
    """Divided by the number of features: what a feature has to show in each of ``confirmations`` windows in a row."""
    confirmations: int = 3
    """A day may be odd, and two; independent windows multiply."""
    shifts: tuple[float, ...] = (0.05, 0.1, 0.2, 0.4)
    """Shifts of a mean that add up over windows, in standard deviations; the first is the smallest that matters."""
    windows_to_false_alarm: float = 50 * 365.0
    """Expected windows until accumulated shifts alone ask for a false retraining, at least: 50 years of days."""
    minimum_baseline: int = 3
    """Windows of the same label that a baseline needs: with fewer, what is usual is not known."""
    quality: QualitySettings = QualitySettings()

    def __post_init__(self) -> None:
        require_alpha(self.discovery_rate, "discovery_rate")
        require_alpha(self.retrain_alpha, "retrain_alpha")
        if not self.shifts or min(self.shifts) <= 0:
            raise QuestionError("shifts", f"{self.shifts} are no shifts", "give positive numbers, such as 0.05")
        if self.windows_to_false_alarm < 1:
            raise QuestionError(
                "windows_to_false_alarm", f"{self.windows_to_false_alarm!r} is below 1", "give windows, such as 18250"
            )
        if min(self.confirmations, self.minimum_baseline) < 1:
            raise QuestionError("confirmations", "is below 1", "give a whole number, such as 3")

"""A judgement in one sentence with its actual numbers, for status, events and the audit log."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from marquee.evidence import words
from marquee.evidence.finding import Finding
from marquee.evidence.rule import Judgement, Reason, Verdict

_DONE: Final = {Verdict.PROMOTE: "promoted", Verdict.ROLLBACK: "rolled back", Verdict.HOLD: "held"}


def explain(judgement: Judgement) -> str:
    """Such as 'rolled back: conversion 66 of 2,000 against 720 of 18,000; e-value of harm 41.2 >= 20'."""
    return f"{_DONE[judgement.verdict]}: {_WHY[judgement.reason](judgement)}"


def _harm(judgement: Judgement) -> str:
    shown = [finding for finding in judgement.findings if finding.harm.shown]
    return "; ".join(_reached(finding, "harm") for finding in shown)


def _noninferior(judgement: Judgement) -> str:
    stage = f"step {judgement.stage.step + 1} of {judgement.policy.steps}, "
    return stage + "; ".join(_reached(finding, "non-inferiority") for finding in judgement.findings)


def _no_data(judgement: Judgement) -> str:
    seen = judgement.findings[0].seen
    if seen.canary_exposures and seen.stable_exposures and not seen.outcomes:
        exposures = seen.canary_exposures + seen.stable_exposures
        return f"no outcome of {judgement.policy.primary.name} for {exposures:,} exposures"
    return f"step {judgement.stage.step + 1} has no exposure of one of the arms"


def _mismatch(judgement: Judgement) -> str:
    ratio = judgement.sample_ratio
    total = ratio.canary + ratio.stable
    step = "no step" if ratio.step is None else f"step {ratio.step + 1}"
    return (
        f"{step} exposed {ratio.canary:,} of {total:,} to the canary, {words.percent(ratio.canary / max(total, 1))} "
        f"where {ratio.weight} % were promised; e-value {words.e_value(ratio.log_e)} >= {words.threshold(ratio.alpha)}"
    )


def _inconclusive(judgement: Judgement) -> str:
    time = words.duration(judgement.stage.max_duration_seconds)
    also = f"; {_mismatch(judgement)}" if judgement.sample_ratio.mismatch else ""
    return f"no verdict within {time}; {_collecting(judgement)}{also}"


def _too_early(judgement: Judgement) -> str:
    stage = judgement.stage
    return (
        f"non-inferior already, but step {stage.step + 1} asks for {stage.min_exposures:,} exposures of the canary and "
        f"{words.duration(stage.min_duration_seconds)}"
    )


def _collecting(judgement: Judgement) -> str:
    return "; ".join(_undecided(finding) for finding in judgement.findings)


def _reached(finding: Finding, what: str) -> str:
    strength = finding.harm if what == "harm" else finding.noninferior
    return (
        f"{finding.metric.name} {words.counts(finding.seen)}; e-value of {what} "
        f"{words.e_value(strength.log_e)} >= {words.threshold(strength.alpha)}"
    )


def _undecided(finding: Finding) -> str:
    name = f"{finding.metric.name} {words.counts(finding.seen)}"
    if finding.insufficient:
        return f"{name}; {finding.insufficient}"
    strengths = (("harm", finding.harm), ("non-inferiority", finding.noninferior))
    told = (f"{what} {words.e_value(held.log_e)} of {words.threshold(held.alpha)}" for what, held in strengths)
    return f"{name}; e-values: {', '.join(told)}"


_WHY: Final[dict[Reason, Callable[[Judgement], str]]] = {
    Reason.HARM_SHOWN: _harm,
    Reason.NO_DATA: _no_data,
    Reason.SAMPLE_RATIO_MISMATCH: _mismatch,
    Reason.NON_INFERIOR: _noninferior,
    Reason.INCONCLUSIVE: _inconclusive,
    Reason.MINIMUM_NOT_REACHED: _too_early,
    Reason.COLLECTING: _collecting,
}

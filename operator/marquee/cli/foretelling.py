"""The forecast of a plan, and its lines for people."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from pydantic import ValidationError

from marquee.api.marketing_model import MarketingModelSpec
from marquee.api.rollout import Analysis
from marquee.api.rollout_status import SeenTraffic
from marquee.cli.problems import ClusterProblem
from marquee.cli.screen import Screen, Tone
from marquee.cli.seen import Body
from marquee.control.decide.foreseeing import is_foreseeable, planned_steps, traffic_of
from marquee.evidence import words
from marquee.evidence.forecasting import (
    PlannedStep,
    Shortfall,
    Traffic,
    seconds_to_promotion,
    seconds_to_rollback,
    steps_that_cannot_conclude,
)
from marquee.evidence.mixture import Direction

LOSSES: Final = (0.5, 0.2, 0.1)


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a plan comes to."""

    title: str
    analysis: Analysis
    steps: tuple[PlannedStep, ...]
    traffic: Traffic
    losses: tuple[tuple[float, ...], ...]
    """Seconds until each of `LOSSES` is shown, by step."""
    promotion: tuple[float, ...]
    """Seconds until a version that equals stable has passed, by step."""
    shortfalls: tuple[Shortfall, ...]


def forecast(body: Body, *, per_minute: float | None, rate: float | None) -> Forecast:
    """The forecast of a MarketingModel.

    Args:
        body: the model as JSON has it, stored or not.
        per_minute: units a minute; None: as its newest rollout has seen.
        rate: outcomes for each unit of stable; None: the same.

    Raises:
        ClusterProblem: there is nothing to forecast, or nobody knows the traffic.

    """
    spec = _spec(body)
    analysis = spec.rollout.analysis
    if not spec.rollout.steps or analysis is None:
        raise ClusterProblem("the model has no spec.rollout.analysis: its steps are passed by time alone")
    if not is_foreseeable(analysis.primary):
        raise ClusterProblem("the primary outcome is a Mean: how its values scatter is not known before they are seen")
    steps, traffic, primary = planned_steps(spec), _traffic(body, per_minute, rate), analysis.primary
    losses = tuple(tuple(_seconds(traffic, analysis, loss, step) for loss in LOSSES) for step in steps)
    promotion = seconds_to_promotion(steps, traffic, primary.direction, margin=primary.margin, alpha=analysis.alpha)
    shortfalls = steps_that_cannot_conclude(
        steps, traffic, primary.direction, margin=primary.margin, alpha=analysis.alpha
    )
    return Forecast(_title(body), analysis, steps, traffic, losses, promotion, shortfalls)


def plan_lines(found: Forecast, screen: Screen) -> Iterator[str]:
    """The forecast as a table, and what is wrong with the plan."""
    primary, total = found.analysis.primary, len(found.steps)
    yield f"{screen.paint(found.title, Tone.STRONG)}: {total} step{'s' if total > 1 else ''}"
    yield from screen.labelled(
        "judged by",
        f"{primary.outcome} within {words.percent(primary.margin)}, alpha {found.analysis.alpha:g}",
    )
    yield from screen.labelled(
        "traffic",
        f"{found.traffic.exposures_per_hour / 60:,.4g} units a minute, "
        f"{words.percent(found.traffic.outcome_rate)} of stable's with the outcome",
    )
    yield ""
    what = "loss" if primary.direction is Direction.HIGHER_IS_BETTER else "rise"
    header = ("step", "share", *(f"{words.percent(loss)} {what}" for loss in LOSSES), "promotion if equal", "at most")
    rows = [
        (
            f"{number} of {total}",
            f"{step.weight:.3g} %",
            *(_in_words(seconds) for seconds in losses),
            _in_words(promotion),
            "" if math.isinf(step.max_duration_seconds) else words.duration(step.max_duration_seconds),
        )
        for number, (step, losses, promotion) in enumerate(
            zip(found.steps, found.losses, found.promotion, strict=True), start=1
        )
    ]
    yield from screen.table(header, rows, indent=2)
    yield ""
    for shortfall in found.shortfalls:
        yield from screen.labelled("too short", str(shortfall), Tone.BAD)
    if not found.shortfalls:
        yield from screen.labelled("the plan", "can conclude in every step", Tone.GOOD)
    if found.analysis.guardrails:
        yield from screen.labelled(
            "", "guardrails have to be shown too: rare events take longer than this forecast says"
        )


def _spec(body: Body) -> MarketingModelSpec:
    try:
        return MarketingModelSpec.model_validate(body.get("spec"))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        where = ".".join(map(str, ("spec", *first["loc"])))
        raise ClusterProblem(f"{where}: {first['msg']}; this is no MarketingModel that can be planned") from None


def _traffic(body: Body, per_minute: float | None, rate: float | None) -> Traffic:
    told = (body.get("status") or {}).get("rollout") or {}
    seen = traffic_of(SeenTraffic.model_validate(told["traffic"])) if told.get("traffic") else None
    if seen is None and (per_minute is None or rate is None):
        raise ClusterProblem("no rollout has seen the traffic yet: give --requests-per-minute and --base-rate")
    return Traffic(
        exposures_per_hour=60 * per_minute if per_minute is not None else seen.exposures_per_hour if seen else 0,
        outcome_rate=rate if rate is not None else seen.outcome_rate if seen else 0,
    )


def _seconds(traffic: Traffic, analysis: Analysis, loss: float, step: PlannedStep) -> float:
    return seconds_to_rollback(traffic, analysis.primary.direction, loss=loss, weight=step.weight, alpha=analysis.alpha)


def _in_words(seconds: float) -> str:
    return words.duration(seconds) if math.isfinite(seconds) else "never"


def _title(body: Body) -> str:
    metadata = body.get("metadata") or {}
    return "/".join(str(metadata[key]) for key in ("namespace", "name") if metadata.get(key))

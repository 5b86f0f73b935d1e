"""Reads a retraining run's settings from its environment; what is wrong is said with the variable's name."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from pathlib import Path
from typing import Final, NoReturn, TypeVar

from pydantic import AwareDatetime, TypeAdapter, ValidationError

from marquee.contract.distributed import Standing, read_standing
from marquee.contract.manifest import ModelName
from marquee.contract.retrainer import RetrainingRequest
from marquee.contract.retraining import CHAMPIONS, MAX_METRICS, SPANS, MetricName, RunSetting
from marquee.contract.training import MAX_SEED, TrainingError, TrainingFailureReason

_TRIGGERS: Final = ("Manual", "Performance", "Drift", "Schedule")
_MODEL: Final[TypeAdapter[str]] = TypeAdapter(ModelName)
_METRIC: Final[TypeAdapter[str]] = TypeAdapter(MetricName)
_INSTANT: Final[TypeAdapter[dt.datetime]] = TypeAdapter(AwareDatetime)
_QUOTED: Final = 80
_MOST_DIGITS: Final = 20

T = TypeVar("T")


def read_request(environment: Mapping[str, str], *, data_cache: Path) -> RetrainingRequest:
    """The run that the environment describes.

    Raises:
        TrainingError: ``ArgumentsInvalid``, for the first variable that is missing or wrong.

    """
    start, end = _instant(environment, RunSetting.WINDOW_START), _instant(environment, RunSetting.WINDOW_END)
    if start is not None and end is not None and start >= end:
        _refuse(RunSetting.WINDOW_END, f"must be later than {RunSetting.WINDOW_START}, {start.isoformat()}")
    return RetrainingRequest(
        run=_needed(environment, RunSetting.RUN),
        model=_model(environment),
        trigger=_trigger(environment),
        seed=_seed(environment),
        data_uri=environment.get(RunSetting.DATA, "").strip(),
        start=start,
        end=end,
        excluded=_json(environment, RunSetting.EXCLUDED, SPANS),
        out=_needed(environment, RunSetting.ARTIFACT),
        champions=_json(environment, RunSetting.CHAMPIONS, CHAMPIONS),
        metrics=_metrics(environment),
        slices=_names(environment, RunSetting.SLICES),
        data_cache=data_cache,
        standing=_standing(environment),
    )


def _needed(environment: Mapping[str, str], setting: RunSetting) -> str:
    return environment.get(setting, "").strip() or _refuse(setting, "must be set, as the operator does")


def _model(environment: Mapping[str, str]) -> str:
    try:
        return _MODEL.validate_python(name := _needed(environment, RunSetting.MODEL))
    except ValidationError:
        _refuse(RunSetting.MODEL, f"{name[:_QUOTED]!r} is no name of a MarketingModel")


def _trigger(environment: Mapping[str, str]) -> str:
    trigger = _needed(environment, RunSetting.TRIGGER)
    return trigger if trigger in _TRIGGERS else _refuse(RunSetting.TRIGGER, f"must be one of {', '.join(_TRIGGERS)}")


def _seed(environment: Mapping[str, str]) -> int:
    text = _needed(environment, RunSetting.SEED)
    if not (text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS and int(text) <= MAX_SEED):
        _refuse(RunSetting.SEED, f"{text[:_QUOTED]!r} is no whole number from 0 to {MAX_SEED}")
    return int(text)


def _instant(environment: Mapping[str, str], setting: RunSetting) -> dt.datetime | None:
    text = environment.get(setting, "").strip()
    if not text:
        return None
    try:
        return _INSTANT.validate_json(f'"{text}"')
    except ValidationError:
        _refuse(setting, f"{text[:_QUOTED]!r} is no instant; write 2026-01-31T00:00:00Z")


def _json(environment: Mapping[str, str], setting: RunSetting, kind: TypeAdapter[T]) -> T:
    try:
        return kind.validate_json(environment.get(setting, "").strip() or "[]")
    except ValidationError as error:
        first = error.errors()[0]
        _refuse(setting, f"{'.'.join(map(str, first['loc'])) or 'JSON'}: {first['msg']}")


def _standing(environment: Mapping[str, str]) -> Standing | None:
    try:
        return read_standing(environment)
    except ValueError as error:
        raise TrainingError(TrainingFailureReason.ARGUMENTS_INVALID, str(error)) from error


def _metrics(environment: Mapping[str, str]) -> tuple[str, ...]:
    names = _names(environment, RunSetting.METRICS)
    if not 1 <= len(names) <= MAX_METRICS:
        _refuse(RunSetting.METRICS, f"must name 1 to {MAX_METRICS} metrics, with commas between; it names {len(names)}")
    for name in names:
        try:
            _METRIC.validate_python(name)
        except ValidationError:
            _refuse(RunSetting.METRICS, f"{name[:_QUOTED]!r} is no name of a metric")
    return names


def _names(environment: Mapping[str, str], setting: RunSetting) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for part in environment.get(setting, "").split(",") if (name := part.strip())))


def _refuse(setting: RunSetting, what: str) -> NoReturn:
    raise TrainingError(TrainingFailureReason.ARGUMENTS_INVALID, f"{setting}: {what}")

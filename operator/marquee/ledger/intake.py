"""From an outcome as it was sent to an entry of the book, or the reason why it is none. Pure: no database, no clock."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from pydantic import ValidationError

from marquee.contract.assignment import unit_hash
from marquee.contract.drift import SLICE_SECONDS
from marquee.contract.ledger import OutcomeReport, OutcomeStatus, UnitOutcomeReport
from marquee.contract.prediction import Prediction, PredictionIdError, Verifier
from marquee.ledger.access.senders import Role, Sender
from marquee.ledger.book.entries import Judgement, Outcome, RolloutKey, Scored
from marquee.ledger.complaints import complaint

MAX_SKEW_SECONDS: Final = 300
"""Clocks of senders and predictors may differ from the ledger's by so much."""
MAX_AGE_SECONDS: Final = 90 * 24 * 3_600
"""An outcome later than this after its prediction is refused; master keys older than this may be retired."""
MAX_VALUE: Final = 1e12
"""Larger values are mistakes: no cap could make them mean something."""


@dataclass(frozen=True, slots=True)
class Intake:
    """Checks outcomes of one sender at one moment."""

    verifier: Verifier
    sender: Sender
    now: float
    """Seconds since 1970."""
    under_way: Mapping[str, str] = field(default_factory=dict)
    """Name of the rollout under way by its model, for outcomes that name none."""

    def take(self, item: Any) -> Outcome | Judgement:
        """An outcome to enter, or a refusal with its reason.

        Args:
            item: one element of the request's list, as JSON gave it.

        """
        if is_by_unit(item):
            return self._take_by_unit(item)
        try:
            report = OutcomeReport.model_validate(item)
        except ValidationError as error:
            return _refused("malformed", complaint(error))
        try:
            prediction = self.verifier.verify(report.prediction_id)
        except PredictionIdError as error:
            return _refused("prediction-id-invalid", str(error))
        if not self.sender.may(Role.OUTCOMES, prediction.model):
            detail = f"this sender may not report outcomes of {prediction.model}"
            return _refused("model-foreign", detail)
        refusal = self._value(report.value) or self._time(report, prediction)
        return refusal or Outcome(
            RolloutKey(prediction.model, prediction.cohort.rollout) if prediction.cohort is not None else None,
            int.from_bytes(prediction.unit, "big", signed=True),
            int.from_bytes(prediction.mac[:8], "big", signed=True),
            report.outcome,
            Decimal(repr(report.value)),
            _scored(prediction),
        )

    def _take_by_unit(self, item: Any) -> Outcome | Judgement:
        """An outcome without a prediction id: its sender says whose it is, and is believed."""
        try:
            report = UnitOutcomeReport.model_validate(item)
        except ValidationError as error:
            return _refused("malformed", complaint(error))
        if not self.sender.may(Role.OUTCOMES, report.model):
            return _refused("model-foreign", f"this sender may not report outcomes of {report.model}")
        rollout = report.rollout or self.under_way.get(report.model)
        if rollout is None:
            return _refused("no-rollout", f"no rollout of {report.model} is under way; name the one that it belongs to")
        return self._value(report.value) or Outcome(
            RolloutKey(report.model, rollout),
            int.from_bytes(unit_hash(report.model, report.unit), "big", signed=True),
            int.from_bytes(hashlib.sha256(report.id.encode()).digest()[:8], "big", signed=True),
            report.outcome,
            Decimal(repr(report.value)),
        )

    @staticmethod
    def _value(value: float) -> Judgement | None:
        if not math.isfinite(value):
            return _refused("value-invalid", "value: must be a finite number")
        if value < 0:
            return _refused("value-invalid", "value: must not be negative; report refunds as an outcome of their own")
        if value > MAX_VALUE:
            return _refused("value-invalid", f"value: must be at most {MAX_VALUE:g}")
        return None

    def _time(self, report: OutcomeReport, prediction: Prediction) -> Judgement | None:
        happened = self.now if report.time is None else report.time.timestamp()
        predicted = prediction.milliseconds / 1_000
        for what, moment, whose in ("time", happened, "sender"), ("the prediction", predicted, "predictor"):
            if (ahead := moment - self.now) > MAX_SKEW_SECONDS:
                detail = f"{what}: lies {ahead:.0f} s ahead of the ledger's clock; check the {whose}'s"
                return _refused("time-in-future", detail)
        if report.time is not None and happened < predicted - MAX_SKEW_SECONDS:
            early = predicted - happened
            return _refused("time-before-prediction", f"time: lies {early:.0f} s before the prediction it is for")
        if happened - predicted > MAX_AGE_SECONDS:
            days = MAX_AGE_SECONDS // 86_400
            return _refused("prediction-expired", f"the prediction is more than {days} days older than its outcome")
        return None


def is_by_unit(item: object) -> bool:
    """Whether an element says whose outcome it is by the unit, and not by a prediction id."""
    return isinstance(item, dict) and "unit" in item and "predictionId" not in item


def _scored(prediction: Prediction) -> Scored | None:
    if prediction.score_bin is None:
        return None
    slice_ = prediction.milliseconds // (1_000 * SLICE_SECONDS)
    return Scored(prediction.model, prediction.revision, slice_, prediction.score_bin)


def _refused(reason: str, detail: str) -> Judgement:
    return Judgement(OutcomeStatus.REFUSED, reason, detail)

"""The temporal hold-out: what the model knows, what it must beat."""

from __future__ import annotations

import numpy as np

from models.customer_value import evaluation
from models.customer_value.evaluation import MODEL, PERSISTENCE, evaluate
from models.customer_value.features import summarise
from models.data.cdnow import CALIBRATION_END, Purchases
from tests.support.training import cdnow_sample


def with_other_future(purchases: Purchases) -> Purchases:
    """The same past; after it everybody's purchases are worth nothing, and half of them are gone."""
    future = purchases.day > CALIBRATION_END.toordinal()
    kept = ~future | (np.arange(len(future)) % 2 == 0)
    value = np.where(future, 0.0, purchases.value)
    return Purchases(purchases.customer[kept], purchases.day[kept], value[kept])


def test_predictions_know_nothing_of_the_weeks_they_are_judged_on() -> None:
    """Leakage: another future changes the errors and not one prediction."""
    purchases = cdnow_sample()
    other = with_other_future(purchases)
    predictions, unchanged = (evaluation._predictions(summarise(log, CALIBRATION_END)) for log in (purchases, other))
    for name, (count, spend) in predictions.items():
        assert np.array_equal(count, unchanged[name][0])
        assert np.array_equal(spend, unchanged[name][1])
    assert evaluate(purchases).figures[MODEL] != evaluate(other).figures[MODEL]


def test_the_model_beats_persistence_on_the_sample() -> None:
    """On purchases, on spend, and with an interval above zero; the table shows both."""
    found = evaluate(cdnow_sample())
    assert found.is_promotable
    assert found.customers == 2_357
    model, baseline = found.figures[MODEL], found.figures[PERSISTENCE]
    assert model.root_mean_squared_error < baseline.root_mean_squared_error
    assert model.mean_absolute_error < baseline.mean_absolute_error
    assert model.spend_root_mean_squared_error < baseline.spend_root_mean_squared_error
    assert PERSISTENCE in found.table()


def test_a_future_that_repeats_the_past_makes_the_model_not_promotable() -> None:
    """Where persistence is exactly right nothing can beat it."""
    purchases = cdnow_sample().until(CALIBRATION_END)
    summary = summarise(purchases, CALIBRATION_END)
    again = np.repeat(summary.customer, summary.frequency.astype(int))
    day = np.concatenate([CALIBRATION_END.toordinal() + 1 + np.arange(n) for n in summary.frequency.astype(int)])
    repeated = Purchases(
        np.concatenate([purchases.customer, again]),
        np.concatenate([purchases.day, day]),
        np.concatenate([purchases.value, np.ones(len(again))]),
    )
    assert not evaluate(repeated).is_promotable

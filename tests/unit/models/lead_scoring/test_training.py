"""From a comparison to an artifact's content."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from marquee.contract.training import TrainingError, TrainingFailureReason
from models.data.caravan import Caravan
from models.lead_scoring import training
from models.lead_scoring.comparison import NETWORK, Comparison, Figures, Plan
from models.lead_scoring.schema import FIELDS
from models.metrics import Difference
from models.profile import score_profile
from tests.support.networks import CUSTOMERS, SETTINGS, quick_network
from tests.support.training import caravan_data

HELD_OUT = np.linspace(0.01, 0.4, CUSTOMERS)
PROMOTABLE = Comparison(
    figures={
        name: Figures(log_loss=0.2, auc=0.77, lift=2.7, calibration_error=0.006)
        for name in ("rule", "logistic", NETWORK)
    },
    improvement={name: Difference(0.005, 0.002, 0.008) for name in ("rule", "logistic")},
    scores=HELD_OUT,
)


def first_customers() -> Caravan:
    data = caravan_data()
    return dataclasses.replace(data, values=data.values[:CUSTOMERS], bought=data.bought[:CUSTOMERS])


@pytest.fixture(autouse=True)
def compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """A comparison that says yes, and a network that is fitted already."""
    monkeypatch.setattr(training, "compare", lambda *_, **__: PROMOTABLE)
    monkeypatch.setattr(training, "fit_network", lambda *_, **__: quick_network())


def test_the_score_profile_is_of_held_out_scores() -> None:
    """Scores of rows that a model was fitted on are not what it will give in service."""
    trained = training.fit_on(first_customers(), plan=Plan(settings=SETTINGS), seed=0)
    assert trained.profile.score == score_profile(HELD_OUT)
    assert set(trained.profile.features) == {field.name for field in FIELDS}


def test_metrics_name_the_network_plainly_and_baselines_by_prefix() -> None:
    """What a gate reads: the improvement with its interval, and whether it was enough."""
    metrics = training.fit_on(first_customers(), plan=Plan(settings=SETTINGS), seed=0).metrics
    assert metrics["beats_baseline"] == 1
    assert metrics["log_loss"] == metrics["logistic_log_loss"] == 0.2
    assert metrics["lift_top_20"] == 2.7
    assert (metrics["improvement_on_rule_low"], metrics["improvement_on_rule_high"]) == (0.002, 0.008)


def test_a_graph_that_answers_otherwise_than_the_network_is_not_exported(monkeypatch: pytest.MonkeyPatch) -> None:
    """Parity is checked in every run on every row, not only in tests."""
    monkeypatch.setattr(training, "run_onnx", lambda _, rows: np.full(len(rows), 0.5))
    with pytest.raises(TrainingError, match="off by") as caught:
        training.fit_on(first_customers(), plan=Plan(settings=SETTINGS), seed=0)
    assert caught.value.failure.reason is TrainingFailureReason.NOT_REPRODUCED

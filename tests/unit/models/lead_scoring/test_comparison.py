"""The comparison: who is fitted on what, when a network may be exported, and when it may not."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from marquee.contract.training import TrainingError, TrainingFailureReason
from models.lead_scoring import comparison, training
from models.lead_scoring.baseline import Scorer, fit_boosting, fit_logistic, fit_rule
from models.lead_scoring.comparison import LEAST_LIFT, MUST_BEAT, NETWORK, Fitter, Plan, compare
from models.metrics import auc
from tests.support.networks import SETTINGS, quick_training
from tests.support.training import caravan_data

PLAN = Plan(folds=3, repeats=2, settings=SETTINGS)


class Spy:
    """A model that remembers what it was shown, and scores by a function of its choice."""

    def __init__(self, score: Scorer) -> None:
        self.score = score
        self.fitted: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        self.asked: list[np.ndarray] = []
        self.seeds: list[int] = []

    def __call__(self, rows: np.ndarray, label: np.ndarray, group: np.ndarray, *, seed: int) -> Scorer:
        """Note the training data; the scorer notes what it is asked."""
        self.fitted.append((rows, label, group))
        self.seeds.append(seed)

        def score(new: np.ndarray) -> np.ndarray:
            self.asked.append(new)
            return self.score(new)

        return score


def constant(probability: float) -> Scorer:
    return lambda rows: np.full(len(rows), probability)


def comparing(monkeypatch: pytest.MonkeyPatch, **models: Fitter) -> None:
    """Replace the models of the comparison."""
    monkeypatch.setattr(comparison, "fitters", lambda _: models)


def test_no_test_row_and_no_twin_of_one_is_ever_fitted_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leakage: in every fold the rows a model learns from and those it is judged on have no row in common."""
    data = quick_training()
    spies = {name: Spy(constant(0.06)) for name in ("rule", "logistic", NETWORK)}
    comparing(monkeypatch, **spies)
    compare(data.rows, data.label, data.group, plan=PLAN, seed=0)
    for spy in spies.values():
        assert len(spy.fitted) == len(spy.asked) == 6
        for (learned, _, _), asked in zip(spy.fitted, spy.asked, strict=True):
            assert len(learned) + len(asked) == len(data.rows)
            assert not {row.tobytes() for row in learned} & {row.tobytes() for row in asked}
    assert len(set(spies[NETWORK].seeds)) == 6


def test_every_row_is_judged_once_a_repeat(monkeypatch: pytest.MonkeyPatch) -> None:
    """The folds of a repeat cover all rows; the models see the same ones."""
    data = quick_training()
    spies = {name: Spy(constant(0.06)) for name in ("rule", "logistic", NETWORK)}
    comparing(monkeypatch, **spies)
    compare(data.rows, data.label, data.group, plan=PLAN, seed=1)
    everything = sorted(row.tobytes() for row in data.rows)
    asked = spies["rule"].asked
    assert sorted(row.tobytes() for rows in asked[:3] for row in rows) == everything
    assert all(np.array_equal(one, other) for one, other in zip(asked, spies[NETWORK].asked, strict=True))


def oracle(rows: np.ndarray) -> np.ndarray:
    """Knows who bought: looks the row up."""
    data = quick_training()
    buyers = {row.tobytes() for row in data.rows[data.label]}
    return np.array([0.9 if row.tobytes() in buyers else 0.01 for row in rows])


def test_a_network_that_knows_better_is_promotable(monkeypatch: pytest.MonkeyPatch) -> None:
    """With an interval above zero against each of those it must beat, and lift enough."""
    data = quick_training()
    comparing(monkeypatch, rule=Spy(constant(0.06)), logistic=Spy(constant(0.06)), **{NETWORK: Spy(oracle)})
    found = compare(data.rows, data.label, data.group, plan=PLAN, seed=0)
    assert found.shortcomings == []
    assert all(found.improvement[name].low > 0 for name in MUST_BEAT)
    assert found.figures[NETWORK].lift > LEAST_LIFT
    assert NETWORK in found.table()
    assert "logistic" in found.table()


@pytest.mark.parametrize("better", ["rule", "logistic"])
def test_a_network_that_beats_only_one_baseline_is_not_promotable(better: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both must be beaten; the reason names the one that was not, and the interval."""
    data = quick_training()
    models = {name: Spy(oracle if name == better else constant(0.06)) for name in MUST_BEAT}
    comparing(monkeypatch, **models, **{NETWORK: Spy(lambda rows: np.clip(oracle(rows), 0.05, 0.3))})
    (reason,) = compare(data.rows, data.label, data.group, plan=PLAN, seed=0).shortcomings
    assert f"improves on {better} by -" in reason


def test_too_little_lift_is_not_promotable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Better log loss alone does not find the buyers that a campaign is for."""
    data = quick_training()
    rate = float(data.label.mean())
    comparing(monkeypatch, rule=Spy(constant(0.5)), logistic=Spy(constant(0.5)), **{NETWORK: Spy(constant(rate))})
    (reason,) = compare(data.rows, data.label, data.group, plan=PLAN, seed=0).shortcomings
    assert "lift at the top 20% is 1.00, below 2.3" in reason


def test_the_number_of_processes_changes_no_bit() -> None:
    """The same seed gives the same artifact on one core and on many: two fits, after one another or apart."""
    data = quick_training()
    two = dataclasses.replace(PLAN, folds=2, repeats=1)
    alone, shared = (
        compare(data.rows, data.label, data.group, plan=dataclasses.replace(two, workers=workers), seed=0)
        for workers in (1, 2)
    )
    assert np.array_equal(alone.scores, shared.scores)
    assert (alone.figures, alone.improvement) == (shared.figures, shared.improvement)


def test_a_network_trained_on_shuffled_labels_is_refused_with_the_table() -> None:
    """End to end: where there is nothing to learn nothing is exported, and the person sees the comparison."""
    data = caravan_data()
    part = slice(0, 1_500)
    shuffled = np.random.default_rng(0).permutation(data.bought[part])
    noise = dataclasses.replace(data, values=data.values[part], bought=shuffled)
    with pytest.raises(TrainingError, match="not promotable") as caught:
        training.fit_on(noise, plan=PLAN, seed=0)
    assert caught.value.failure.reason is TrainingFailureReason.NOT_PROMOTABLE
    for name in ("rule", "logistic", "boosting", NETWORK):
        assert name in str(caught.value)


@pytest.mark.parametrize("fit", [fit_rule, fit_logistic, fit_boosting])
def test_a_baseline_finds_buyers(fit: Fitter) -> None:
    """Each is a serious rival: it orders new customers better than chance, with probabilities of the right size."""
    data = quick_training()
    learned, new = slice(0, 1_400), slice(1_400, 2_000)
    probability = fit(data.rows[learned], data.label[learned], data.group[learned], seed=0)(data.rows[new])
    assert auc(probability, data.label[new]) > 0.55
    assert 0.03 < probability.mean() < 0.12
    assert probability.min() >= 0
    assert probability.max() <= 1


def test_the_rule_is_the_rate_of_its_two_groups() -> None:
    """Two probabilities, which average to the rate of buyers."""
    data = quick_training()
    probability = fit_rule(data.rows, data.label, data.group, seed=0)(data.rows)
    assert len(np.unique(probability)) == 2
    assert probability.mean() == pytest.approx(data.label.mean())

"""Training of the network: repeatable, sparse, blind to what it may not see."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch

from models.lead_scoring.network import FittedNetwork, Settings, fit_network
from models.metrics import auc
from models.resampling import stratified_folds
from tests.support.networks import Training, quick_network, quick_training


def same_weights(one: FittedNetwork, other: FittedNetwork) -> bool:
    pairs = zip(one.ensemble.parameters(), other.ensemble.parameters(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def test_the_same_seed_gives_the_same_bits() -> None:
    """Every weight and both numbers of the calibration; another seed gives others."""
    training = quick_training()
    fitted = quick_network()
    again = training.fit()
    assert same_weights(fitted, again)
    assert fitted.calibration == again.calibration
    assert not same_weights(fitted, training.fit(seed=1))


def test_training_leaves_the_process_as_it_was() -> None:
    """Threads and determinism are set for the training alone, and random state outside is not touched."""
    training = quick_training()
    before = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled(), torch.random.get_rng_state()
    training.fit(seed=5)
    assert torch.get_num_threads() == before[0]
    assert torch.are_deterministic_algorithms_enabled() == before[1]
    assert torch.equal(torch.random.get_rng_state(), before[2])


def test_a_member_learns_nothing_from_the_fold_that_calibrates_it() -> None:
    """Leakage: turning the labels of one inner fold over leaves its member's weights bit for bit as they were."""
    training = quick_training()
    label = training.label
    inner = stratified_folds(label, training.group, folds=training.settings.members, seed=3)
    changed = label.copy()
    # Two labels swapped within the fold keep the strata, hence the folds, and the base rate.
    of_fold = np.flatnonzero((inner == 1) & ~_has_twin(training.group))
    buyer, other = of_fold[label[of_fold]][0], of_fold[~label[of_fold]][0]
    changed[[buyer, other]] = label[[other, buyer]]
    one, two = (fit_with_folds(training, labels, inner) for labels in (label, changed))
    for left, right in zip(one.ensemble.parameters(), two.ensemble.parameters(), strict=True):
        left_member, right_member = (_of_member(weights, 1) for weights in (left, right))
        assert torch.equal(left_member, right_member)
    assert not same_weights(one, two)
    assert one.calibration != two.calibration


def fit_with_folds(training: Training, label: np.ndarray, inner: np.ndarray) -> FittedNetwork:
    """Fit with given inner folds, so that they cannot move when labels do."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("models.lead_scoring.network.stratified_folds", lambda *_, **__: inner)
        return fit_network(training.rows, label, training.group, settings=training.settings, seed=3)


def _has_twin(group: np.ndarray) -> np.ndarray:
    return np.asarray(np.bincount(group)[group] > 1)


def _of_member(weights: torch.Tensor, member: int) -> torch.Tensor:
    """The slice of one member: the dimension of members is the second of matrices over indicators, else the first."""
    return weights[:, member] if weights.shape[0] > 20 else weights[member]


def test_penalties_switch_indicators_off() -> None:
    """With a large penalty nothing but the base rate is left."""
    training = quick_training()
    heavy = dataclasses.replace(training.settings, linear_penalty=0.5, hidden_penalty=0.5, epochs=20)
    silent = fit_network(training.rows, training.label, training.group, settings=heavy, seed=0)
    assert silent.probability(training.rows).std() < 0.01
    assert silent.probability(training.rows).mean() == pytest.approx(training.label.mean(), abs=0.005)


def test_the_network_learns() -> None:
    """Even three epochs order the customers, and calibrated probabilities have the right mean."""
    training = quick_training()
    fitted = quick_network()
    probability = fitted.probability(training.rows)
    assert auc(probability, training.label) > 0.7
    assert probability.mean() == pytest.approx(training.label.mean(), abs=0.01)


def test_fewer_rows_than_a_batch_can_be_trained_on() -> None:
    """A small data set is one batch, not none."""
    training = quick_training()
    few = slice(0, 300)
    small = fit_network(
        training.rows[few], training.label[few], training.group[few], settings=Settings(epochs=2, members=2), seed=0
    )
    assert np.isfinite(small.probability(training.rows[few])).all()

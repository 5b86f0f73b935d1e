"""Maximum likelihood: right gradients, a real maximum, known parameters found again."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from scipy.optimize import approx_fprime
from scipy.special import gamma as gamma_function

from marquee.contract.training import TrainingError, TrainingFailureReason
from models.customer_value import fitting
from models.customer_value.features import Summary, summarise
from models.customer_value.fitting import fit_purchases, fit_spend, purchase_log_likelihood
from models.customer_value.formulas import PurchaseModel
from models.data.cdnow import CALIBRATION_END
from tests.support.training import cdnow_sample


def summary_of(frequency: list[float], recency: list[float], age: list[float]) -> Summary:
    return Summary(
        customer=np.arange(len(frequency)),
        frequency=np.array(frequency, dtype=float),
        recency=np.array(recency, dtype=float),
        age=np.array(age, dtype=float),
        monetary_value=np.zeros(len(frequency)),
    )


def slope_of(function: Callable[[np.ndarray], float], at: np.ndarray) -> np.ndarray:
    """The gradient by finite differences."""
    return np.asarray(approx_fprime(at, function))


def test_the_likelihood_of_one_customer_is_the_published_product() -> None:
    """Equation 6 of Fader, Hardie and Lee (2005) in gamma functions, for a customer with two repeat purchases."""
    r, alpha, a, b, x, tx, age = 0.243, 4.414, 0.793, 2.426, 2, 30.43, 38.86
    beta = gamma_function(a) * gamma_function(b) / gamma_function(a + b)
    stayed = (gamma_function(a) * gamma_function(b + x) / gamma_function(a + b + x) / beta) * (
        gamma_function(r + x) * alpha**r / (gamma_function(r) * (alpha + age) ** (r + x))
    )
    left = (gamma_function(a + 1) * gamma_function(b + x - 1) / gamma_function(a + b + x) / beta) * (
        gamma_function(r + x) * alpha**r / (gamma_function(r) * (alpha + tx) ** (r + x))
    )
    computed = purchase_log_likelihood(PurchaseModel(r, alpha, a, b), summary_of([x], [tx], [age]))
    assert computed == pytest.approx(math.log(stayed + left))


@pytest.mark.parametrize("logs", [[0.0, 0.0, 0.0, 0.0], [-1.4, 1.5, -0.2, 0.9], [1.0, 2.0, 0.5, -1.0]], ids=str)
def test_the_gradient_of_the_purchase_likelihood_is_its_slope(logs: list[float]) -> None:
    """Analytic against finite differences, customers without repeat purchases included."""
    counted = fitting._counted(np.array([0.0, 1, 5, 0]), np.array([0.0, 3, 20, 0]), np.array([30.0, 30, 38, 30]))
    _, gradient = fitting._purchase_likelihood(np.array(logs), counted)
    slope = slope_of(lambda at: fitting._purchase_likelihood(at, counted)[0], np.array(logs))
    assert gradient == pytest.approx(slope, rel=1e-4, abs=1e-5)


def test_the_gradient_of_the_spend_likelihood_is_its_slope() -> None:
    """The same for Gamma-Gamma."""
    counted = fitting._counted(np.array([1.0, 4, 4]), np.array([12.0, 50, 50]))
    logs = np.array([1.8, 1.3, 2.7])
    _, gradient = fitting._spend_likelihood(logs, counted)
    slope = slope_of(lambda at: fitting._spend_likelihood(at, counted)[0], logs)
    assert gradient == pytest.approx(slope, rel=1e-4, abs=1e-5)


def test_no_neighbour_is_more_likely() -> None:
    """What is returned is a maximum on the real data."""
    summary = summarise(cdnow_sample(), CALIBRATION_END)
    model, best = fit_purchases(summary)
    assert purchase_log_likelihood(model, summary) == pytest.approx(best)
    for name in ("r", "alpha", "a", "b"):
        for factor in (0.98, 1.02):
            changed = PurchaseModel(**{**vars(model), name: getattr(model, name) * factor})
            assert purchase_log_likelihood(changed, summary) < best


def test_parameters_of_simulated_customers_are_found_again() -> None:
    """20,000 customers who behave as the model says."""
    true = PurchaseModel(r=0.8, alpha=6.0, a=0.8, b=2.5)
    summary = simulated(true, customers=20_000, weeks=52.0)
    found, _ = fit_purchases(summary)
    assert [found.r, found.alpha, found.a, found.b] == pytest.approx([0.8, 6.0, 0.8, 2.5], rel=0.1)


def simulated(model: PurchaseModel, *, customers: int, weeks: float) -> Summary:
    random = np.random.default_rng(0)
    rate = random.gamma(model.r, 1 / model.alpha, customers)
    dropout = random.beta(model.a, model.b, customers)
    frequency, recency = np.zeros(customers), np.zeros(customers)
    alive, clock = np.ones(customers, dtype=bool), np.zeros(customers)
    while alive.any():
        clock[alive] += random.exponential(1 / rate[alive])
        alive &= clock <= weeks
        frequency[alive] += 1
        recency[alive] = clock[alive]
        alive &= random.uniform(size=customers) > dropout
    return Summary(np.arange(customers), frequency, recency, np.full(customers, weeks), np.zeros(customers))


def test_spend_parameters_of_simulated_customers_are_found_again() -> None:
    """The same for Gamma-Gamma; p and gamma make up for each other, so their product is known better than they."""
    random = np.random.default_rng(1)
    frequency = random.integers(1, 10, 20_000).astype(float)
    scale = random.gamma(3.7, 1 / 15.0, 20_000)
    mean = random.gamma(6.0 * frequency, 1 / (scale * frequency))
    summary = Summary(np.arange(20_000), frequency, frequency, frequency, mean)
    found, _ = fit_spend(summary)
    assert [found.p, found.gamma] == pytest.approx([6.0, 15.0], rel=0.2)
    assert [found.q, found.p * found.gamma / (found.q - 1)] == pytest.approx([3.7, 6.0 * 15.0 / 2.7], rel=0.05)


def test_data_without_a_maximum_are_an_error_and_not_parameters() -> None:
    """Nobody came back: nothing can be learned, and the message says what to look at."""
    with pytest.raises(TrainingError, match="no maximum") as caught:
        fit_purchases(summary_of([0.0] * 50, [0.0] * 50, list(np.linspace(20, 30, 50))))
    assert caught.value.failure.reason is TrainingFailureReason.NOT_REPRODUCED

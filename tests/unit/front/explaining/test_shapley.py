"""Shapley values, held against their definition and closed forms."""

from __future__ import annotations

from collections.abc import Callable
from itertools import permutations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from bentos.front.explaining.shapley import LEAST_ORDERS, MOST_ORDERS, exact, orders_for, sampled, shapley

Array = NDArray[np.float64]


def by_definition(row: Array, background: Array, model: Callable[[Array], Array]) -> Array:
    """The mean gain of each input over all orders in which the row's inputs replace the usual ones."""
    width, total = row.shape[1], np.zeros(row.shape[1])
    orders = list(permutations(range(width)))
    for order in orders:
        rows = background.copy()
        before = model(rows).mean()
        for position in order:
            rows[:, position] = row[0, position]
            after = model(rows).mean()
            total[position] += after - before
            before = after
    return total / len(orders)


def curved(rows: Array) -> Array:
    """Interactions of two and of three inputs, and a bend."""
    result: Array = rows[:, 0] * rows[:, 1] + np.tanh(rows[:, 2]) * rows[:, 0] * rows[:, 3] + np.abs(rows[:, 1])
    return result


def usual(rows: int, width: int, seed: int = 1) -> Array:
    return np.random.default_rng(seed).normal(size=(rows, width))


def test_exact_values_are_those_of_the_definition() -> None:
    """All orders of four inputs give the same as the sum over sets, whatever the size of a question."""
    background, row = usual(7, 4), usual(1, 4, seed=2)
    wanted = by_definition(row, background, curved)
    for chunk in (1, 5, 1_000):
        found = exact(row, background, curved, chunk=chunk)
        assert found.values == pytest.approx(wanted, abs=1e-12)
        assert found.base == pytest.approx(curved(background).mean())
        assert found.answer == pytest.approx(curved(row)[0])


def test_sampled_values_of_a_linear_model_are_the_closed_form() -> None:
    """Each input is credited its weight times its distance from the usual mean, whatever the orders."""
    weights = np.linspace(-2, 3, 20)
    background, row = usual(16, 20), usual(1, 20, seed=2)
    found = sampled(row, background, lambda rows: rows @ weights, orders=16, chunk=100)
    assert found.values == pytest.approx(weights * (row[0] - background.mean(axis=0)), abs=1e-12)


def test_walking_both_ways_makes_interactions_of_two_exact() -> None:
    """A sum of products needs no more orders than there are usual rows (each is walked once each way)."""

    def pairs(rows: Array) -> Array:
        result: Array = rows[:, 0] * rows[:, 1] + rows[:, 2] * rows[:, 3]
        return result

    background, row = usual(8, 4), usual(1, 4, seed=2)
    found = sampled(row, background, pairs, orders=8, chunk=64)
    assert found.values == pytest.approx(by_definition(row, background, pairs), abs=1e-12)


def test_sampled_values_come_near_the_exact_ones() -> None:
    """A model with interactions of three inputs, at the number of orders that a pod takes."""
    background, row = usual(64, 6), usual(1, 6, seed=3)
    wanted = exact(row, background, curved, chunk=10_000).values
    found = sampled(row, background, curved, orders=MOST_ORDERS, chunk=10_000).values
    assert np.abs(found - wanted).max() < 0.1 * np.abs(wanted).max()


@settings(max_examples=25, deadline=None)
@given(width=st.integers(1, 24), seed=st.integers(0, 999), chunk=st.integers(1, 300))
def test_base_and_attributions_add_up_to_the_answer(width: int, seed: int, chunk: int) -> None:
    """Efficiency holds exactly, for any number of inputs, whichever way is taken."""
    weights = np.random.default_rng(seed).normal(size=(width, 3))

    def model(rows: Array) -> Array:
        result: Array = np.tanh(rows @ weights).prod(axis=1)
        return result

    row, background = usual(1, width, seed), usual(8, width, seed + 1)
    found = shapley(row, background, model, chunk=chunk)
    assert found.base + found.values.sum() == pytest.approx(found.answer, abs=1e-9)
    assert found.answer == pytest.approx(model(row)[0])
    again = shapley(row, background, model, chunk=1 + chunk // 2)
    assert again.values == pytest.approx(found.values, abs=1e-12)


def test_an_input_that_the_model_ignores_has_no_part() -> None:
    """Exactly zero, by enumeration and by sampling."""
    for width in (5, 12):
        row, background = usual(1, width), usual(8, width, seed=5)
        found: Any = shapley(row, background, lambda rows: rows[:, 0] ** 2 + rows[:, 1], chunk=64)
        assert not found.values[2:].any()


@pytest.mark.parametrize("width", [9, 60, 200, 2_000])
def test_the_work_is_bounded_whatever_the_number_of_inputs(width: int) -> None:
    """Each usual row is walked equally often; very wide rows are compared with fewer of them."""
    rows, orders = orders_for(width, 64)
    assert orders % rows == 0
    assert LEAST_ORDERS <= orders <= MOST_ORDERS
    assert rows <= 64
    assert orders * 2 * width <= max(16_384, LEAST_ORDERS * 2 * width)


def test_no_question_is_larger_than_allowed() -> None:
    """The model is asked in pieces, so that predictions can come between."""
    sizes = []

    def model(rows: Array) -> Array:
        sizes.append(len(rows))
        sums: Array = rows.sum(axis=1)
        return sums

    shapley(usual(1, 10), usual(64, 10), model, chunk=50)
    assert max(sizes) == 50

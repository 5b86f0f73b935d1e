"""Interventional Shapley values of one row: exactly for few inputs, else by antithetic permutations.

The game of an explained row ``x`` and usual rows ``b``: a set of inputs is worth the model's mean answer where these
inputs come from ``x`` and the others from each ``b``. Its Shapley values tell what each input has contributed; they add
up to the difference between the row's answer and the usual one (efficiency).

Up to `EXACT_INPUTS` inputs every set is asked for. Beyond that a usual row becomes the explained one, input by input in
a random order, and each step's change is credited to its input (Strumbelj & Kononenko 2014, algorithm 1; Castro, Gomez
& Tejada 2009). Every order is walked in both directions (Mitchell, Cooper, Frank & Holmes 2022, section 4.2, as in
shap's ``PermutationExplainer``): that cancels the error of all interactions of two inputs. Walks telescope and every
usual row is walked from equally often, so efficiency is exact whatever the number of orders.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import factorial
from typing import Final

import numpy as np
from numpy.typing import NDArray

from bentos.front.explaining.limits import EXACT, PERMUTATION
from bentos.front.schema import Rows

EXACT_INPUTS: Final = 8
ROWS_ASKED: Final = 16_384
"""About what one explanation asks the model for, whatever the number of inputs: as much as 8 inputs take exactly."""
MOST_ORDERS: Final = 256
LEAST_ORDERS: Final = 8
_SEED: Final = 20_090_501

Vector = NDArray[np.float64]
Ask = Callable[[Rows], Vector]
"""The explained output of rows: (rows, inputs) to (rows,)."""


@dataclass(frozen=True, slots=True)
class Attribution:
    """What the inputs have contributed."""

    answer: float
    """The row's."""
    base: float
    """The usual one."""
    values: Vector
    """Shape (inputs,); with the base they add up to the answer, but for ``error``."""
    method: str
    samples: int
    """Sets of inputs, orders in both directions, or steps of a path."""
    error: float = 0.0
    """What is missing to the answer."""


def exact(row: Rows, background: Rows, ask: Ask, *, chunk: int) -> Attribution:
    """Shapley values from the worth of every set of inputs; the model is asked for 2^inputs x background rows.

    Args:
        row: shape (1, inputs).
        background: shape (usual rows, inputs).
        ask: the model.
        chunk: rows that it is asked for at once, at most.

    """
    width = row.shape[1]
    sets = np.arange(2**width)
    members = (sets[:, None] >> np.arange(width)) & 1 == 1
    worth = _worths(row, background, members, ask, chunk=chunk)
    sizes = members.sum(axis=1)
    weights = np.array([factorial(s) * factorial(width - s - 1) / factorial(width) for s in range(width)])
    values = np.empty(width)
    for position in range(width):
        without = sets[~members[:, position]]
        gains = worth[without | (1 << position)] - worth[without]
        values[position] = weights[sizes[without]] @ gains
    return Attribution(float(worth[-1]), float(worth[0]), values, EXACT, len(sets))


def _worths(row: Rows, background: Rows, members: NDArray[np.bool_], ask: Ask, *, chunk: int) -> Vector:
    def rows() -> Iterator[Rows]:
        for member in members:
            yield np.where(member, row, background)

    worths: Vector = _asked(rows(), ask, chunk=chunk).reshape(len(members), len(background)).mean(axis=1)
    return worths


def sampled(row: Rows, background: Rows, ask: Ask, *, orders: int, chunk: int) -> Attribution:
    """Shapley values from ``orders`` random orders, each walked in both directions; arguments as `exact`.

    Args:
        row: shape (1, inputs).
        background: shape (usual rows, inputs).
        ask: the model.
        orders: a multiple of the number of usual rows.
        chunk: rows that the model is asked for at once, at most.

    """
    count, width = len(background), row.shape[1]
    generator = np.random.default_rng(_SEED)
    walks = [generator.permutation(width) for _ in range(orders)]
    ends = _asked(iter((background, row)), ask, chunk=chunk)
    usual, answer = ends[:count], ends[count]
    between = _asked(_steps(row, background, walks), ask, chunk=chunk).reshape(orders, 2, width - 1)
    gains = np.zeros(width)
    for index, walk in enumerate(walks):
        for direction, order in enumerate((walk, walk[::-1])):
            path = np.concatenate([[usual[index % count]], between[index, direction], [answer]])
            gains[order] += np.diff(path)
    return Attribution(float(answer), float(usual.mean()), gains / (2 * orders), PERMUTATION, 2 * orders)


def _steps(row: Rows, background: Rows, walks: list[NDArray[np.intp]]) -> Iterator[Rows]:
    """The rows of each walk between its ends, in both directions."""
    width = row.shape[1]
    places = np.empty(width, dtype=np.intp)
    for index, walk in enumerate(walks):
        usual = background[index % len(background)]
        for order in (walk, walk[::-1]):
            places[order] = np.arange(width)
            yield np.where(places < np.arange(1, width)[:, None], row[0], usual)


def _asked(parts: Iterator[Rows], ask: Ask, *, chunk: int) -> Vector:
    """The answers to all parts, asked for in pieces of at most ``chunk`` rows, whatever the parts' sizes."""
    waiting: list[Rows] = []
    held, answers = 0, []
    for part in parts:
        while held + len(part) >= chunk:
            room = chunk - held
            answers.append(ask(np.concatenate([*waiting, part[:room]])))
            part, waiting, held = part[room:], [], 0  # noqa: PLW2901 - the rest of it goes the same way
        if len(part):
            waiting.append(part)
            held += len(part)
    if waiting:
        answers.append(ask(np.concatenate(waiting)))
    return np.concatenate(answers)


def orders_for(width: int, usual_rows: int) -> tuple[int, int]:
    """How many usual rows, and orders, an explanation of so many inputs takes.

    All usual rows, each equally often, while that costs no more than `ROWS_ASKED`; fewer of them for very wide rows.
    """
    affordable = min(max(ROWS_ASKED // (2 * width), LEAST_ORDERS), MOST_ORDERS)
    rows = min(usual_rows, affordable)
    return rows, affordable // rows * rows


def shapley(row: Rows, background: Rows, ask: Ask, *, chunk: int) -> Attribution:
    """The Shapley values of a row, exact where that is cheap; arguments as `exact`."""
    width = row.shape[1]
    if width <= EXACT_INPUTS:
        return exact(row, background, ask, chunk=chunk)
    rows, orders = orders_for(width, len(background))
    return sampled(row, background[:rows], ask, orders=orders, chunk=chunk)

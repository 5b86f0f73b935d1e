"""Whether groups are close enough: each row of the table, and what people are told."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marquee.api.governance import Fairness
from marquee.api.model_revision import ModelRevision
from marquee.judging.disclosure import SMALLEST_GROUP, count_in_words, disclosed
from marquee.judging.fairness import fairness_of

Told = dict[str, tuple[int, float]]
"""By ``input=value``: rows and recall."""
RULE: dict[str, Any] = {"metric": "recall", "slices": [{"input": "region", "maximalGap": 0.1}], "minimumRows": 100}


def revision(told: Told, *, metric: str = "recall") -> ModelRevision:
    slices = [
        {"name": name, "rows": rows, "metrics": [{"name": metric, "value": value}]}
        for name, (rows, value) in told.items()
    ]
    spec = {"model": "churn", "artifact": {"uri": "s3://m", "digest": "sha256:" + "0" * 64}, "slices": slices}
    return ModelRevision.model_validate({"metadata": {"name": "churn-2", "namespace": "crm"}, "spec": spec})


UNTOLD = "UNTOLD "
"""Before the words of what is not told."""
NORTH, SOUTH = "region=north", "region=south"
CASES: dict[str, tuple[Told, dict[str, Any], str]] = {
    "close enough": ({NORTH: (100, 0.8), SOUTH: (100, 0.75)}, {}, ""),
    "as far as allowed, in floating point": ({NORTH: (100, 0.9), SOUTH: (100, 0.8)}, {}, ""),
    "too far": (
        {NORTH: (100, 0.9), SOUTH: (2_500, 0.75)}, {}, "a gap of 0.15, and spec.governance.fairness allows 0.1"
    ),
    "the worse of three": (
        {NORTH: (100, 0.9), SOUTH: (100, 0.85), "region=west": (100, 0.7)},
        {},
        "region=west has 0.7 (100 rows), region=north has 0.9 (100 rows)",
    ),
    "too few rows do not count": ({NORTH: (100, 0.9), SOUTH: (100, 0.85), "region=west": (99, 0.1)}, {}, ""),
    "one group with enough rows": (
        {NORTH: (100, 0.9), SOUTH: (99, 0.9)},
        {},
        "UNTOLD told of 1 groups of region with 100 rows (region=south has 99), and",
    ),
    "a group of people who could be known": ({NORTH: (100, 0.9), SOUTH: (9, 0.1)}, {}, "UNTOLD with 100 rows, and"),
    "nothing is told": ({}, {}, "UNTOLD recall is told of no group of region"),
    "another input is told": (
        {"age=old": (100, 0.9), "age=young": (100, 0.9)}, {}, "UNTOLD recall is told of no group of region"
    ),
    "an input whose name begins alike": (
        {"region2=a": (100, 0.9), "region2=b": (100, 0.1)}, {}, "UNTOLD recall is told of no group of region"
    ),
    "a value with an equals sign": ({"region=a=b": (100, 0.9), "region=a=c": (100, 0.85)}, {}, ""),
    "another metric is told": (
        {NORTH: (100, 0.9), SOUTH: (100, 0.9)}, {"metric": "precision"}, "UNTOLD precision is told of no group"
    ),
    "higher is better": (
        {NORTH: (100, 0.9), SOUTH: (100, 0.7)}, {"direction": "HigherIsBetter"},
        "region=south has 0.7 (100 rows), and is served worse; region=north has 0.9",
    ),
    "lower is better": (
        {NORTH: (100, 0.9), SOUTH: (100, 0.7)}, {"direction": "LowerIsBetter"},
        "region=north has 0.9 (100 rows), and is served worse; region=south has 0.7",
    ),
    "one of two inputs is not told": (
        {NORTH: (100, 0.9), SOUTH: (100, 0.1)},
        {"slices": [{"input": "region", "maximalGap": 0.1}, {"input": "age", "maximalGap": 0.1}]},
        "UNTOLD recall is told of no group of age",
    ),
    "no gap at all is allowed": (
        {NORTH: (100, 0.9), SOUTH: (100, 0.8999)}, {"slices": [{"input": "region", "maximalGap": 0}]}, "a gap of 0.0001"
    ),
}  # fmt: skip


@pytest.mark.parametrize(("told", "change", "words"), CASES.values(), ids=CASES)
def test_what_holds_a_revision_back(told: Told, change: dict[str, Any], words: str) -> None:
    """The figures are in the words, and what to do."""
    found = fairness_of(Fairness.model_validate(RULE | change), revision(told))
    assert words.removeprefix(UNTOLD) in found.words
    assert bool(found.words) is bool(words)
    assert found.missing is words.startswith(UNTOLD)
    assert found.exceeded is (bool(words) and not found.missing)


@given(values=st.lists(st.floats(0, 1), min_size=2, max_size=6), allowed=st.floats(0, 1))
def test_groups_hold_exactly_when_every_pair_does(values: list[float], allowed: float) -> None:
    """And in any order of the slices."""
    told = {f"region={index}": (100, value) for index, value in enumerate(values)}
    rule = Fairness.model_validate(RULE | {"slices": [{"input": "region", "maximalGap": allowed}]})
    found = fairness_of(rule, revision(told))
    pairs = all(abs(one - other) <= allowed + 1e-9 for one in values for other in values)
    assert found.exceeded is not pairs
    assert fairness_of(rule, revision(dict(reversed(told.items())))).exceeded is found.exceeded


def test_small_groups_are_not_shown() -> None:
    """Neither their number nor what was counted of them."""
    assert not disclosed(SMALLEST_GROUP - 1)
    assert disclosed(SMALLEST_GROUP)
    assert (count_in_words(9), count_in_words(0), count_in_words(1_234)) == ("fewer than 10", "fewer than 10", "1,234")

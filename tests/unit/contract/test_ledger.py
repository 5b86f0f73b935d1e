"""The ledger's JSON records: impossible ones first, then what the wire looks like."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from marquee.contract.ledger import (
    MAX_COUNTS,
    MAX_INCREMENT,
    MAX_METRICS,
    MAX_SCALED,
    CohortCounts,
    CountsBatch,
    MetricDeclaration,
    MetricKind,
    OutcomeReport,
    RolloutDeclaration,
    RolloutStatistics,
)

COUNTS: dict[str, Any] = {"rollout": "r", "step": 0, "arm": "canary", "requests": 5, "errors": 1, "slow": 2}
BATCH: dict[str, Any] = {"batchId": "0" * 32, "model": "crm/lead", "counts": [COUNTS]}


def complaints(error: ValidationError) -> str:
    return "; ".join(".".join(map(str, item["loc"])) + ": " + item["msg"] for item in error.errors())


@pytest.mark.parametrize(
    ("metric", "why"),
    [
        ({}, "outcome: Field required"),
        ({"outcome": "Buy"}, "outcome: String should match"),
        ({"outcome": "b" * 64}, "outcome: String should match"),
        ({"outcome": "buy\n"}, "outcome: String should match"),
        ({"outcome": "buy", "kind": "Median"}, "kind: Input should be 'Proportion' or 'Mean'"),
        ({"outcome": "buy", "decimals": 7}, "decimals: Input should be less than or equal to 6"),
        ({"outcome": "buy", "decimals": -1}, "decimals: Input should be greater than or equal to 0"),
        ({"outcome": "buy", "cap": 1}, "cap: a proportion has none"),
        ({"outcome": "buy", "kind": "Mean", "cap": 0}, "cap: Input should be greater than 0"),
        ({"outcome": "buy", "kind": "Mean", "cap": 0.001}, "cap: with 2 decimals it lies between"),
        ({"outcome": "buy", "kind": "Mean", "cap": 1e300}, "cap: with 2 decimals it lies between"),
        ({"outcome": "buy", "kind": "Mean", "cap": float("nan")}, "cap: Input should be greater than 0"),
        ({"outcome": "buy", "kind": "Mean", "cap": float("inf")}, "cap: with 2 decimals it lies between"),
        ({"outcome": "buy", "kind": "Mean", "cap": 1e308, "decimals": 6}, "cap: with 6 decimals it lies between"),
        ({"outcome": "buy", "unit": "EUR"}, "unit: Extra inputs are not permitted"),
    ],
)
def test_impossible_metric_is_refused(metric: dict[str, Any], why: str) -> None:
    """A metric that could not be counted is refused with the field's name."""
    with pytest.raises(ValidationError) as caught:
        MetricDeclaration.model_validate(metric)
    assert why in complaints(caught.value)


def test_two_metrics_of_one_outcome_are_refused() -> None:
    """An outcome is counted in one way."""
    twice = [{"outcome": "buy"}, {"outcome": "buy", "kind": "Mean"}]
    with pytest.raises(ValidationError, match="two have the same outcome"):
        RolloutDeclaration.model_validate({"metrics": twice})


def test_too_many_metrics_are_refused() -> None:
    """A rollout is judged on a handful of outcomes."""
    with pytest.raises(ValidationError, match=f"at most {MAX_METRICS} items"):
        RolloutDeclaration.model_validate({"metrics": [{"outcome": f"o{n}"} for n in range(MAX_METRICS + 1)]})


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"batchId": "0" * 31}, "batchId: String should match"),
        ({"batchId": "G" * 32}, "batchId: String should match"),
        ({"model": "lead"}, "model: String should match"),
        ({"counts": []}, "counts: Tuple should have at least 1 item"),
        ({"counts": [COUNTS] * (MAX_COUNTS + 1)}, f"counts: Tuple should have at most {MAX_COUNTS} items"),
        ({"counts": [COUNTS | {"errors": 6}]}, "errors and slow are each at most requests"),
        ({"counts": [COUNTS | {"slow": 6}]}, "errors and slow are each at most requests"),
        ({"counts": [COUNTS | {"requests": -1}]}, "counts.0.requests: Input should be greater than or equal to 0"),
        ({"counts": [COUNTS | {"requests": MAX_INCREMENT + 1}]}, "counts.0.requests: Input should be less than"),
        ({"counts": [COUNTS | {"step": 1_000}]}, "counts.0.step: Input should be less than or equal to 999"),
        ({"counts": [COUNTS | {"arm": "both"}]}, "counts.0.arm: Input should be 'stable' or 'canary'"),
        ({"counts": [COUNTS | {"rollout": "-r"}]}, "counts.0.rollout: String should match"),
        ({"counts": [COUNTS | {"requests": 1.5}]}, "counts.0.requests: Input should be a valid integer"),
    ],
)
def test_impossible_counts_are_refused(change: dict[str, Any], why: str) -> None:
    """Increments are whole, bounded and not below zero, and parts are no greater than the whole."""
    with pytest.raises(ValidationError) as caught:
        CountsBatch.model_validate(BATCH | change)
    assert why in complaints(caught.value)


@pytest.mark.parametrize(
    ("item", "why"),
    [
        ({"outcome": "buy"}, "predictionId: Field required"),
        ({"predictionId": "", "outcome": "buy"}, "predictionId: String should have at least 1"),
        ({"predictionId": "a" * 1_025, "outcome": "buy"}, "predictionId: String should have at most 1024"),
        ({"predictionId": "a", "outcome": "buy", "value": "much"}, "value: Input should be a valid number"),
        ({"predictionId": "a", "outcome": "buy", "time": "2026-11-25T12:00:00"}, "time: Input should have timezone"),
        ({"predictionId": "a", "outcome": "buy", "time": "yesterday"}, "time: Input should be a valid datetime"),
        ({"predictionId": "a", "outcome": "buy", "cohort": "r/0/canary"}, "cohort: Extra inputs are not permitted"),
        ([], "Input should be a valid dictionary"),
    ],
)
def test_impossible_outcome_is_refused(item: Any, why: str) -> None:
    """An outcome names a prediction and what happened; the cohort is in the prediction id, not beside it."""
    with pytest.raises(ValidationError) as caught:
        OutcomeReport.model_validate(item)
    assert why in complaints(caught.value)


@pytest.mark.parametrize(
    ("metric", "scaled"),
    [
        (MetricDeclaration(outcome="buy"), 1),
        (MetricDeclaration(outcome="spend", kind=MetricKind.MEAN), MAX_SCALED),
        (MetricDeclaration(outcome="spend", kind=MetricKind.MEAN, cap=199.99), 19_999),
        (MetricDeclaration(outcome="spend", kind=MetricKind.MEAN, cap=2147.483647, decimals=6), MAX_SCALED),
        (MetricDeclaration(outcome="visits", kind=MetricKind.MEAN, cap=30, decimals=0), 30),
    ],
)
def test_cap_is_kept_in_the_smallest_unit(metric: MetricDeclaration, scaled: int) -> None:
    """A proportion counts to one; a mean to its cap, or to the largest value that keeps every sum within 64 bits."""
    assert metric.scaled_cap == scaled


def test_wire_names_are_camel_case() -> None:
    """Records are read and written as JSON people write it."""
    batch = CountsBatch.model_validate(BATCH)
    assert batch.counts == (CohortCounts(**COUNTS),)
    assert batch.model_dump(mode="json", by_alias=True) == BATCH


def test_sums_survive_as_text() -> None:
    """A sum beyond 2^53 comes back whole, because it travels as text."""
    outcomes = {"spend": {"successes": 3, "sum": str(2**62), "sumOfSquares": str(3 * 2**90)}}
    cohort = {"step": 0, "arm": "stable", "exposures": 9, "requests": 0, "errors": 0, "slow": 0, "outcomes": outcomes}
    document = {"model": "crm/lead", "rollout": "r", "revision": 1, "closed": False, "metrics": [], "cohorts": [cohort]}
    read = RolloutStatistics.model_validate(document)
    assert read.cohorts[0].outcomes["spend"].sum == 2**62
    assert read.cohorts[0].outcomes["spend"].sum_of_squares == 3 * 2**90

"""Assignment: the same unit gets the same bucket everywhere."""

from __future__ import annotations

from collections import Counter

import pytest

from marquee.contract.assignment import bucket, bucket_header, is_model_path, is_rollout_name, unit_hash

GOLDEN = [
    ("crm/lead", "user-1", "7d8430b69864a191", "505"),
    ("crm/lead", "user-2", "1bc323f071e043fb", "267"),
    ("crm/other", "user-1", "861477639237abac", "156"),
    ("crm/lead", "", "0a72d89e52e3b58a", "386"),
    ("crm/lead", "Zoë ☂", "93a381d3a146827e", "782"),
    ("growth/churn", "4711", "4c56115b379a6e49", "337"),
]
"""Model, unit, hash, bucket: any client library has to agree, or it splits users another way."""


@pytest.mark.parametrize(("model", "unit", "digest", "header"), GOLDEN)
def test_the_golden_vectors(model: str, unit: str, digest: str, header: str) -> None:
    """They follow from SHA-256 alone; other languages check against the same."""
    assert unit_hash(model, unit).hex() == digest
    assert bucket_header(unit_hash(model, unit)) == header
    assert bucket(unit_hash(model, unit)) == int(header)


def test_a_bucket_always_has_three_digits() -> None:
    """A gateway compares it as text."""
    assert [bucket_header(number.to_bytes(8, "big")) for number in (7, 1_042, 999)] == ["007", "042", "999"]


def test_units_spread_evenly_and_differently_for_each_model() -> None:
    """Ten buckets' worth of users is one percent of them, and one model's canary users are not another's."""
    first = [bucket(unit_hash("crm/lead", f"user-{number}")) for number in range(100_000)]
    other = [bucket(unit_hash("crm/churn", f"user-{number}")) for number in range(100_000)]
    counts = Counter(first)
    # chi-square with 999 degrees of freedom: 1,143 is exceeded once in a thousand times
    assert sum((counts[number] - 100) ** 2 / 100 for number in range(1_000)) < 1_143
    shared = sum(a < 100 and b < 100 for a, b in zip(first, other, strict=True))
    assert 850 < shared < 1_150


@pytest.mark.parametrize(
    "text", ["", "lead", "crm/", "/lead", "crm/Lead", "crm/lead/x", "crm/lead\n", "crm/1ead", "ä/b"]
)
def test_what_is_no_model_path(text: str) -> None:
    """Neither may a namespace be missing, nor anything be added."""
    assert not is_model_path(text)


@pytest.mark.parametrize(
    ("name", "legal"), [("lead-v2.1", True), ("a", True), ("-a", False), ("A", False), ("", False)]
)
def test_names_of_rollouts(name: str, legal: bool) -> None:
    """As Kubernetes names objects."""
    assert is_rollout_name(name) is legal

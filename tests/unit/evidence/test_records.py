"""Cohorts as JSON: nothing is rounded, and faults are found with their path."""

from __future__ import annotations

import json
from typing import Any

import pytest

from marquee.evidence.counts import Arm, Cohort
from marquee.evidence.errors import CountsError
from marquee.evidence.records import read_cohorts, write_cohorts
from tests.unit.evidence.builders import golden_cohorts

ARM = {"exposures": 10, "successes": 1}
FAULTS: dict[str, tuple[Any, str]] = {
    "no list": ({}, "cohorts: is dict, not a list"),
    "a text": ("cohorts", "cohorts: is str, not a list"),
    "no object": ([1], "cohorts[0]: is int, not an object"),
    "a missing arm": ([{"step": 0, "canary": ARM}], "cohorts[0].stable: is missing"),
    "a null arm": ([{"step": 0, "canary": None, "stable": ARM}], "cohorts[0].canary: is missing"),
    "an arm that is a number": ([{"step": 0, "canary": 3, "stable": ARM}], "cohorts[0].canary: is int"),
    "an arm without exposures": ([{"step": 0, "canary": {}, "stable": ARM}], "cohorts[0].canary.exposures: is missing"),
    "a float": (
        [{"step": 0, "canary": {"exposures": 10.5}, "stable": ARM}],
        "cohorts[0].canary.exposures: 10.5 is no integer",
    ),
    "a negative step": ([{"step": -1, "canary": ARM, "stable": ARM}], "cohorts[0].step: -1 is negative"),
    "an unknown member": ([{"step": 0, "canary": ARM, "stable": ARM, "wieght": 5}], "cohorts[0].wieght: is not known"),
    "an unknown count": (
        [{"step": 0, "canary": {**ARM, "clicks": 1}, "stable": ARM}],
        "cohorts[0].canary.clicks: is not known",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_named_with_its_path(name: str) -> None:
    """So that a person finds it in the dump."""
    record, message = FAULTS[name]
    with pytest.raises(CountsError) as caught:
        read_cohorts(record)
    assert str(caught.value).startswith(message)


def test_a_dump_comes_back_as_it_was() -> None:
    """Through real JSON, with sums that no double holds."""
    huge = 2**60 + 1
    cohorts = (*golden_cohorts(), Cohort(9, Arm(2, 1, huge, huge**2), Arm(3), None, 7))
    assert read_cohorts(json.loads(json.dumps(write_cohorts(cohorts)))) == cohorts


def test_a_dump_is_written_in_order() -> None:
    """Two dumps of the same integers are the same bytes."""
    cohorts = golden_cohorts()
    assert write_cohorts(cohorts[::-1]) == write_cohorts(cohorts)

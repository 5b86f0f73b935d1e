"""The unit's headers: bad units first, then the numbers that everybody must agree on."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marquee.client import InvalidRequestError, unit_headers
from marquee.client import assignment as client
from marquee.client.assignment import check_model
from marquee.contract import assignment, pod
from tests.support import golden

VECTORS: list[dict[str, str]] = json.loads(golden.PATH.read_text(encoding="ascii"))
UNITS = [vector for vector in VECTORS if vector["unit"] != golden.EMPTY]


@pytest.mark.parametrize(
    ("unit", "why"),
    [
        ("", "unit: is empty"),
        (4711, "unit: must be text, not int"),
        (b"user-1", "unit: must be text, not bytes"),
        ("user-\ud800", "half of a surrogate pair"),
    ],
    ids=["empty", "number", "bytes", "surrogate"],
)
def test_a_unit_that_is_none_is_refused_and_not_repeated(unit: Any, why: str) -> None:
    """Each would be hashed differently by another language, or put all such users into one bucket."""
    with pytest.raises(InvalidRequestError, match=why) as caught:
        unit_headers("crm/lead", unit)
    assert "user-" not in str(caught.value)


@pytest.mark.parametrize("model", ["", "lead", "crm/", "crm/Lead", "crm/lead/x", "crm/lead\n", "ä/b", None, 7])
def test_a_model_is_namespace_and_name(model: Any) -> None:
    """A wrong path would give buckets that no gateway expects."""
    with pytest.raises(InvalidRequestError, match="is not namespace/name of a model"):
        unit_headers(model, "user-1")


def test_the_golden_file_is_what_the_contract_says() -> None:
    """Made by ``python -m tests.support.golden``; a difference means that running rollouts split users anew."""
    assert golden.PATH.read_text(encoding="ascii") == golden.document()


@pytest.mark.parametrize("vector", UNITS, ids=[str(number) for number in range(len(UNITS))])
def test_the_golden_vectors(vector: dict[str, str]) -> None:
    """The client sends what the contract computes."""
    headers = unit_headers(vector["model"], vector["unit"])
    assert headers == {"marquee-bucket": vector["bucket"], "marquee-unit-hash": vector["unitHash"]}


@given(unit=st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_any_unit_gets_the_contracts_hash_and_bucket(unit: str) -> None:
    """Beyond the vectors too."""
    digest = assignment.unit_hash("crm/lead", unit)
    expected = {"marquee-bucket": assignment.bucket_header(digest), "marquee-unit-hash": digest.hex()}
    assert unit_headers("crm/lead", unit) == expected


def _path(namespace: int, name: int) -> str:
    return f"{'n' * namespace}/{'m' * name}"


@given(model=st.text(alphabet="ab1-/.A\n", max_size=8) | st.builds(_path, st.integers(0, 65), st.integers(0, 52)))
def test_a_model_path_is_taken_when_the_contract_takes_it(model: str) -> None:
    """Both have the rule in words of their own."""
    try:
        taken = check_model(model) == model
    except InvalidRequestError:
        taken = False
    assert taken is assignment.is_model_path(model)


def test_the_header_of_the_bucket_is_the_contracts() -> None:
    """The gateway's rules match on this name."""
    assert client.HEADER_BUCKET == pod.HEADER_BUCKET

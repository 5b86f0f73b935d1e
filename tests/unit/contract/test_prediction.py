"""The prediction id: bad ids first, then what a good one says."""

from __future__ import annotations

import binascii

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marquee.contract.assignment import unit_hash
from marquee.contract.cohort import Arm, Cohort
from marquee.contract.prediction import (
    MAC_BYTES,
    MAX_LENGTH,
    NO_BIN,
    Issuer,
    PredictionIdError,
    Verifier,
    derive_secret,
)
from tests.unit.contract.test_cohort import cohorts

MASTERS = {1: b"m" * 32, 2: b"n" * 40}
MODEL, OTHER = "crm/lead", "crm/churn"
COHORT = Cohort("lead-v2.1", 1, Arm.CANARY)
UNIT = unit_hash(MODEL, "user-1")
NOW = 1_780_000_000_123


def issuer(key_id: int = 1, model: str = MODEL) -> Issuer:
    return Issuer(key_id=key_id, secret=derive_secret(MASTERS[key_id], model), model=model, revision="lead-v2")


def raw_of(text: str) -> bytearray:
    return bytearray(binascii.a2b_base64(text.replace("-", "+").replace("_", "/") + "=" * (-len(text) % 4)))


def text_of(raw: bytes) -> str:
    return binascii.b2a_base64(raw, newline=False).decode().rstrip("=").replace("+", "-").replace("/", "_")


VERIFIER = Verifier(MASTERS.get)
GOLDEN = {
    1: "AQEBnnBEiHsAB32EMLaYZKGRAAEBCGNybS9sZWFkB2xlYWQtdjIJbGVhZC12Mi4xXNXQ8WOCOqNlYRDDKkoySA",
    2: "AgEBnnBEiHsAB32EMLaYZKGRAAEBKQhjcm0vbGVhZAdsZWFkLXYyCWxlYWQtdjIuMUe-oVLSONMXHdH0FXsukSA",
}
"""Issued by the versions that had these formats."""
GOOD = issuer().issue(COHORT, UNIT, NOW)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "is cut: 0 bytes"),
        ("AAAA", "is cut: 3 bytes"),
        ("not base64!", "is no URL-safe base64"),
        (GOOD + "==", "is no URL-safe base64|was altered"),
        ("é" + GOOD, "is no URL-safe base64"),
        (GOOD.replace("-", "+") + "+", "is no URL-safe base64"),
        ("A" * (MAX_LENGTH + 1), f"has at most {MAX_LENGTH} characters"),
        (text_of(bytes(raw_of(GOOD)[:-3])), "its length is not what it says"),
        (text_of(bytes([9]) + bytes(raw_of(GOOD)[1:])), "has format 9; this version reads formats 1 and 2"),
        (text_of(bytes([2, 77]) + bytes(raw_of(GOOD)[2:])), "names key 77, which does not exist or was retired"),
    ],
    ids=["empty", "short", "no base64", "padded", "not ASCII", "plus", "long", "cut", "another format", "retired key"],
)
def test_what_is_no_id_is_refused_with_a_reason(text: str, why: str) -> None:
    """Whoever reports an outcome learns what is wrong with the id that they kept."""
    with pytest.raises(PredictionIdError, match=why):
        VERIFIER.verify(text)


@given(st.integers(0, len(raw_of(GOOD)) * 8 - 1))
def test_an_id_with_any_bit_turned_is_refused(bit: int) -> None:
    """Unit, time, names, cohort and signature: none of them can be altered."""
    raw = raw_of(GOOD)
    raw[bit // 8] ^= 1 << bit % 8
    with pytest.raises(PredictionIdError):
        VERIFIER.verify(text_of(bytes(raw)))


def test_each_prediction_has_one_text() -> None:
    """Bits that base64 does not use cannot make a second id of the same prediction: it would be counted twice."""
    cohort = Cohort("lead-v2.1", 1, Arm.CANARY)
    text = issuer().issue(cohort, UNIT, NOW)
    assert len(text) % 4 != 0
    twin = text[:-1] + chr(ord(text[-1]) + 1)
    assert raw_of(twin) == raw_of(text)
    with pytest.raises(PredictionIdError, match="bits that none is issued with"):
        VERIFIER.verify(twin)


def test_a_predictor_cannot_issue_ids_of_another_model() -> None:
    """Its secret is its model's own: with it, nothing can be said about others."""
    forged = Issuer(key_id=1, secret=derive_secret(MASTERS[1], MODEL), model=OTHER, revision="churn-v1")
    with pytest.raises(PredictionIdError, match="forged or was altered"):
        VERIFIER.verify(forged.issue(COHORT, UNIT, NOW))


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"model": "lead"}, "is not namespace/name"),
        ({"key_id": 256}, "id from 0 to 255"),
        ({"secret": b"short"}, "at least 32 secret bytes"),
        ({"revision": "r" * 256}, "more than 255 characters"),
    ],
)
def test_an_issuer_that_could_only_issue_nonsense_is_refused(changes: dict[str, object], why: str) -> None:
    """At the start of the pod, not at its first prediction."""
    good: dict[str, object] = {"key_id": 1, "secret": b"s" * 32, "model": MODEL, "revision": "lead-v2"}
    with pytest.raises(ValueError, match=why):
        Issuer(**(good | changes))  # type: ignore[arg-type]


def test_a_master_key_must_be_long_enough() -> None:
    """A short one could be guessed."""
    with pytest.raises(ValueError, match="at least 32 bytes, not 5"):
        derive_secret(b"short", MODEL)


@given(st.none() | cohorts, st.binary(min_size=8, max_size=8), st.integers(0, 2**48 - 1), st.sampled_from([1, 2]))
def test_what_is_issued_is_read_back(cohort: Cohort | None, unit: bytes, milliseconds: int, key_id: int) -> None:
    """Under either key, so that keys can be rotated; and outside of a rollout too."""
    prediction = VERIFIER.verify(issuer(key_id).issue(cohort, unit, milliseconds))
    assert (prediction.model, prediction.revision, prediction.cohort) == (MODEL, "lead-v2", cohort)
    assert (prediction.unit, prediction.milliseconds, len(prediction.mac)) == (unit, milliseconds, MAC_BYTES)


def test_two_predictions_of_one_moment_differ() -> None:
    """Duplicates of an outcome are found by the id: two predictions must not share one."""
    one = issuer()
    assert len({one.issue(COHORT, UNIT, NOW) for _ in range(1_000)}) == 1_000


@pytest.mark.parametrize(("form", "score_bin"), [(1, None), (2, 41)])
def test_ids_of_both_formats_are_read(form: int, score_bin: int | None) -> None:
    """Outcomes come weeks after their predictions, and across an upgrade."""
    found = VERIFIER.verify(GOLDEN[form])
    assert (found.model, found.revision, found.cohort, found.unit) == (MODEL, "lead-v2", COHORT, UNIT)
    assert (found.milliseconds, found.score_bin) == (NOW, score_bin)


@given(st.integers(0, 254))
def test_the_scores_bin_is_read_back(score_bin: int) -> None:
    """All that a profile can have; without one there is none."""
    assert VERIFIER.verify(issuer().issue(None, UNIT, NOW, score_bin)).score_bin == score_bin
    assert VERIFIER.verify(issuer().issue(None, UNIT, NOW)).score_bin is None
    assert VERIFIER.verify(issuer().issue(None, UNIT, NOW, NO_BIN)).score_bin is None


def test_an_id_of_one_format_is_none_of_the_other() -> None:
    """The format is among what is signed: a byte cannot be taken for another."""
    for form, text in GOLDEN.items():
        raw = raw_of(text)
        raw[0] = 3 - form
        with pytest.raises(PredictionIdError):
            VERIFIER.verify(text_of(bytes(raw)))


def test_an_id_is_url_safe_and_short() -> None:
    """It travels in a header and in links."""
    assert len(GOOD) <= 120
    assert set(GOOD) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")

"""Drift counters on the wire: what is no batch is refused with its place; counters come back as they went."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marquee.contract.drift import (
    MAX_COUNT,
    Block,
    DriftBatch,
    DriftBatchError,
    Layout,
    decode_drift,
    pack,
    unpack,
)
from marquee.contract.manifest import CategoryProfile, NumericProfile, ReferenceProfile, ScoreProfile

PROFILE = ReferenceProfile(
    rows=10,
    features={
        "visits": NumericProfile(edges=(0.0, 1.0), counts=(0, 9, 1)),
        "city": CategoryProfile(counts={"Ulm": 4, "Bonn": 5}, other=1),
    },
    score=ScoreProfile(edges=(0.5,), counts=(5, 5), output="p", means=(0.2, 0.8)),
)
BATCH = DriftBatch(b"e" * 12, 3, b"d" * 32, "crm/lead", "lead-v1", 1_900_000, (7, 1, 0, 5, 0))


def test_blocks_follow_each_other_by_name() -> None:
    """Rows and refused rows, then the features by name, the score last; each with its special counters."""
    layout = Layout(PROFILE)
    assert layout.blocks == (
        Block("city", 2, 3, ordered=False),
        Block("visits", 8, 3, ordered=True),
        Block("score:p", 14, 2, ordered=True),
    )
    assert layout.size == 19
    assert Layout(ReferenceProfile(rows=0, features={})).size == 2


def test_traced_answers_lie_behind_all_blocks() -> None:
    """One counter for each bin of the score, which are other counters than those of a pod that does not trace."""
    layout, plain = Layout(PROFILE, traces=True), Layout(PROFILE)
    assert (layout.blocks, layout.traced, layout.size) == (plain.blocks, range(19, 21), 21)
    assert layout.digest != plain.digest
    unscored = PROFILE.model_copy(update={"score": None})
    assert (Layout(unscored, traces=True).size, Layout(unscored, traces=True).digest) == (
        Layout(unscored).size,
        Layout(unscored).digest,
    )


def test_the_digest_is_of_the_bins_alone() -> None:
    """Other reference counts are the same bins; another edge, category or output are others."""
    digest = Layout(PROFILE).digest
    counted = PROFILE.model_copy(update={"rows": 11})
    assert Layout(counted).digest == digest
    for name, other in (
        ("visits", NumericProfile(edges=(0.0, 2.0), counts=(0, 9, 1))),
        ("city", CategoryProfile(counts={"Ulm": 4, "Kiel": 5})),
    ):
        assert Layout(PROFILE.model_copy(update={"features": PROFILE.features | {name: other}})).digest != digest
    assert Layout(PROFILE.model_copy(update={"score": None})).digest != digest


def test_a_batch_comes_back_as_it_went() -> None:
    """Bytes to record and back."""
    decoded = decode_drift(BATCH.to_bytes())
    assert replace(decoded, counters=tuple(decoded.counters)) == BATCH
    assert decoded.batch_id == b"e" * 12 + b"\0\0\0\x03"


@given(st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=300))
def test_counters_survive_packing(counters: list[int]) -> None:
    """Any integers of 64 bits."""
    assert list(unpack(pack(counters), len(counters))) == counters


def test_a_push_of_sixty_features_is_below_eight_kilobytes() -> None:
    """1,500 counters with four-digit numbers, which compress badly."""
    assert len(replace(BATCH, counters=tuple(range(1, 6_001, 4))).to_bytes()) < 8_192


def resealed(change: Callable[[bytes], bytes]) -> bytes:
    body = change(BATCH.to_bytes()[:-4])
    return body + zlib.crc32(body).to_bytes(4, "big")


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        (b"", "begins with 'MQD'"),
        (b"MQX\x01" + b"0" * 80, "begins with 'MQD'"),
        (b"MQD\x01", "checksum"),
        (BATCH.to_bytes()[:-1], "checksum"),
        (BATCH.to_bytes() + b"0", "checksum"),
        (bytes(2**20 + 1), "at most 1048576 bytes"),
        (resealed(lambda body: body[:52]), "byte 52: a name is missing"),
        (resealed(lambda body: body[:61]), "byte 61: a name is missing"),
        (resealed(lambda body: body[:69]), "byte 69: the slice is missing"),
        (resealed(lambda body: body.replace(b"crm/lead", b"crm.lead")), "is not namespace/name"),
        (resealed(lambda body: body.replace(b"lead-v1", b"lead-\xff1")), "not ASCII"),
        (resealed(lambda body: body[:73] + b"\0\0\0\x02" + body[77:]), "2 counters"),
        (resealed(lambda body: body[:73] + b"\xff\xff\xff\xff" + body[77:]), "4294967295 counters"),
        (resealed(lambda body: body[:73] + b"\0\0\0\x06" + body[77:]), "are not 6 of 8 bytes"),
        (resealed(lambda body: body[:-1]), "are not 5 of 8 bytes"),
        (resealed(lambda body: body + b"0"), "are not 5 of 8 bytes"),
        (resealed(lambda body: body[:77] + b"no zlib"), "cannot be unpacked"),
        (resealed(lambda body: body[:77] + zlib.compress(bytes(10**7))), "are not 5 of 8 bytes"),
    ],
)
def test_what_is_no_batch_is_refused(raw: bytes, words: str) -> None:
    """With the byte, and without unpacking more than is announced."""
    with pytest.raises(DriftBatchError, match=words):
        decode_drift(raw)


def test_an_impossible_batch_is_never_sent() -> None:
    """A counter that no window could reach."""
    with pytest.raises(DriftBatchError, match="above"):
        replace(BATCH, counters=(1, 0, MAX_COUNT + 1)).to_bytes()

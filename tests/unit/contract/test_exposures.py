"""The batch of exposures: damaged and impossible bytes first, then the round trip."""

from __future__ import annotations

import zlib
from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marquee.contract.assignment import unit_hash
from marquee.contract.cohort import Arm, Cohort
from marquee.contract.exposures import (
    MAX_BATCH_BYTES,
    MAX_GROUPS,
    MAX_UNITS,
    BatchError,
    ExposureBatch,
    ExposureGroup,
    decode_batch,
)
from tests.unit.contract.test_cohort import cohorts

MODEL = "crm/lead"
UNITS = b"".join(unit_hash(MODEL, f"user-{number}") for number in range(3))
BATCH = ExposureBatch(b"b" * 16, MODEL, (ExposureGroup(Cohort("lead-v2", 1, Arm.CANARY), UNITS),))
GOOD = BATCH.to_bytes()
GROUP_AT = 4 + 16 + 1 + len(MODEL) + 2


def sealed(body: bytes) -> bytes:
    """A body with the checksum that belongs to it."""
    return body + zlib.crc32(body).to_bytes(4, "big")


def with_bytes(offset: int, content: bytes) -> bytes:
    """The good batch with other bytes at an offset, and the right checksum."""
    return sealed(GOOD[:offset] + content + GOOD[offset + len(content) : -4])


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"", "byte 0: a batch of exposures begins with 'MQX'"),
        (b"PK\x03\x04", "byte 0: a batch of exposures begins with 'MQX'"),
        (b"MQX", "byte 3: format missing is not known"),
        (b"MQX\x02" + GOOD[4:], "byte 3: format 02 is not known; this ledger reads format 01"),
        (b"MQX\x01", "the checksum does not match"),
        (GOOD[:-1], "the checksum does not match: the batch was cut or damaged"),
        (GOOD + b"\x00", "the checksum does not match"),
        (sealed(b"MQX\x01"), "byte 4: 16 bytes are announced, 0 are there"),
        (sealed(GOOD[:-4] + b"?"), f"byte {len(GOOD) - 4}: 1 bytes are left after the last group"),
        (sealed(GOOD[:-12]), "24 bytes are announced, 16 are there"),
        (with_bytes(21, b"CRM/lead"), "byte 20: 'CRM/lead' is not namespace/name of a model"),
        (with_bytes(21, b"\xff"), "a name is not ASCII"),
        (with_bytes(20, b"\xff"), "255 bytes are announced"),
        (with_bytes(GROUP_AT - 2, b"\x00\x00"), f"a batch has 1 to {MAX_GROUPS} groups, not 0"),
        (with_bytes(GROUP_AT - 2, b"\x03\xe9"), f"a batch has 1 to {MAX_GROUPS} groups, not 1001"),
        (with_bytes(GROUP_AT + 1, b"-"), f"byte {GROUP_AT}: '-ead-v2' is no name of a rollout"),
        (with_bytes(GROUP_AT + 8, b"\x03\xe8"), f"byte {GROUP_AT}: step 1000 is not between 0 and 999"),
        (with_bytes(GROUP_AT + 10, b"\x02"), f"byte {GROUP_AT}: 2 is not a valid Arm"),
        (with_bytes(GROUP_AT + 11, b"\x00" * 4), f"byte {GROUP_AT}: the group lead-v2/1/canary has no units"),
        (with_bytes(GROUP_AT + 11, b"\xff" * 4), "34359738360 bytes are announced"),
        (b"MQX\x01" + bytes(MAX_BATCH_BYTES), f"a batch has at most {MAX_BATCH_BYTES} bytes, not"),
    ],
)
def test_impossible_batch_is_refused(raw: bytes, why: str) -> None:
    """Every kind of damage has a sentence of its own, most with the byte where it was found."""
    with pytest.raises(BatchError, match=why.replace("?", r"\?")):
        decode_batch(raw)


@given(position=st.integers(0, len(GOOD) - 1), bit=st.integers(0, 7))
def test_no_single_flipped_bit_passes(position: int, bit: int) -> None:
    """A batch that was damaged in one bit is never read as another batch."""
    damaged = bytearray(GOOD)
    damaged[position] ^= 1 << bit
    with pytest.raises(BatchError):
        decode_batch(bytes(damaged))


@given(length=st.integers(0, len(GOOD) - 1))
def test_no_cut_batch_passes(length: int) -> None:
    """A torn write of a spool shows, wherever it was torn."""
    with pytest.raises(BatchError):
        decode_batch(GOOD[:length])


@given(raw=st.binary(max_size=200))
def test_no_bytes_break_the_reader(raw: bytes) -> None:
    """Whatever comes, it is a batch or a `BatchError`, also behind a right checksum."""
    for candidate in (raw, sealed(b"MQX\x01" + raw)):
        with suppress(BatchError):
            assert decode_batch(candidate).to_bytes() == candidate


@pytest.mark.parametrize(
    "batch",
    [
        replace(BATCH, batch_id=b"short"),
        replace(BATCH, batch_id=b"b" * 17),
        replace(BATCH, model="lead"),
        replace(BATCH, model="crm/" + "l" * 300),
        replace(BATCH, model="crm/léad"),
        replace(BATCH, groups=()),
        replace(BATCH, groups=(ExposureGroup(Cohort("r", 0, Arm.STABLE), b""),)),
        replace(BATCH, groups=(ExposureGroup(Cohort("r", 0, Arm.STABLE), b"1234567"),)),
        replace(BATCH, groups=BATCH.groups * (MAX_GROUPS + 1)),
        replace(BATCH, groups=(ExposureGroup(Cohort("r", 0, Arm.STABLE), bytes(8 * (MAX_UNITS + 1))),)),
    ],
    ids=["short id", "long id", "no namespace", "long model", "not ASCII", "no groups", "no units", "half a unit",
         "too many groups", "too many units"],
)  # fmt: skip
def test_batch_that_would_be_refused_is_never_written(batch: ExposureBatch) -> None:
    """What cannot be read back fails where it is made, not in the ledger."""
    with pytest.raises(BatchError):
        batch.to_bytes()


def batches() -> st.SearchStrategy[ExposureBatch]:
    units = st.lists(st.binary(min_size=8, max_size=8), min_size=1, max_size=5).map(b"".join)
    groups = st.lists(st.builds(ExposureGroup, cohorts, units), min_size=1, max_size=4).map(tuple)
    return st.builds(ExposureBatch, st.binary(min_size=16, max_size=16), st.just(MODEL), groups)


@given(batch=batches())
def test_batch_reads_as_it_was_written(batch: ExposureBatch) -> None:
    """Bytes and batch are two forms of the same thing."""
    assert decode_batch(batch.to_bytes()) == batch


def test_layout_is_what_the_docstring_says() -> None:
    """The bytes of one batch, written out by hand: another language may rely on them."""
    body = (
        b"MQX\x01" + b"b" * 16 + b"\x08crm/lead" + b"\x00\x01" + b"\x07lead-v2" + b"\x00\x01" + b"\x01"
        + b"\x00\x00\x00\x03" + UNITS
    )  # fmt: skip
    assert sealed(body) == GOOD


def test_fullest_batch_fits_its_bound() -> None:
    """The most groups with the longest names and the most units stay below the limit of bytes."""
    rollout = "r" * 63
    share = MAX_UNITS // MAX_GROUPS
    groups = tuple(ExposureGroup(Cohort(rollout, step, Arm.CANARY), bytes(8 * share)) for step in range(MAX_GROUPS))
    batch = ExposureBatch(b"b" * 16, "n" * 63 + "/" + "m" * 50, groups)
    assert batch.size == MAX_UNITS
    assert len(batch.to_bytes()) <= MAX_BATCH_BYTES

"""Who asks: malformed and contradicting headers first, then what good ones say."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bentos.front.callers import MAX_UNIT_LENGTH, Caller, Callers
from bentos.front.metrics import Metrics
from marquee.contract.assignment import bucket_header, unit_hash
from marquee.contract.cohort import Arm, Cohort
from marquee.contract.pod import HEADER_BUCKET, HEADER_COHORT, HEADER_UNIT, HEADER_UNIT_HASH

MODEL = "ns/fixture"
UNIT = unit_hash(MODEL, "customer-7")


def read(*headers: tuple[str, bytes], metrics: Metrics | None = None) -> Caller:
    callers = Callers(MODEL, metrics or Metrics())
    caller = callers.read([(b"host", b"pod"), *((name.encode(), value) for name, value in headers)])
    callers.check_bucket(caller)
    return caller


@pytest.mark.parametrize(
    ("header", "value", "words"),
    [
        (HEADER_UNIT, b"", "must be sent once, with 1 to 256 characters"),
        (HEADER_UNIT, b"u" * (MAX_UNIT_LENGTH + 1), "with 1 to 256 characters"),
        (HEADER_UNIT, b"\xff\xfe", "is not UTF-8"),
        (HEADER_UNIT_HASH, b"", "must be sent once, as 16 hexadecimal digits"),
        (HEADER_UNIT_HASH, b"0123456789abcde", "16 hexadecimal digits"),
        (HEADER_UNIT_HASH, b"0123456789abcdef0", "16 hexadecimal digits"),
        (HEADER_UNIT_HASH, b"0123456789abcdef01", "16 hexadecimal digits"),
        (HEADER_UNIT_HASH, b"0123456789abcdeg", "16 hexadecimal digits"),
        (HEADER_UNIT_HASH, b"0123 456789abcde", "16 hexadecimal digits"),
        (HEADER_UNIT_HASH, "\uff10\uff11\uff12\uff13".encode(), "16 hexadecimal digits"),
    ],
)
def test_a_malformed_unit_is_refused_by_name(header: str, value: bytes, words: str) -> None:
    """The problem names the header and says what it must be."""
    problem = read((header, value)).problem
    assert problem is not None
    assert problem.status == 400
    assert header in str(problem)
    assert words in str(problem)


@pytest.mark.parametrize(("header", "value"), [(HEADER_UNIT, b"a"), (HEADER_UNIT_HASH, b"0123456789abcdef")])
def test_a_unit_that_is_sent_twice_is_refused(header: str, value: bytes) -> None:
    """Nobody guesses which of two units was meant, even when they are equal."""
    problem = read((header, value), (header, value)).problem
    assert problem is not None
    assert "must be sent once" in str(problem)


def test_a_hash_of_another_unit_is_refused() -> None:
    """Unit and hash may come together when they agree, and not when they do not."""
    assert read((HEADER_UNIT, b"customer-7"), (HEADER_UNIT_HASH, UNIT.hex().encode())).problem is None
    problem = read((HEADER_UNIT, b"customer-8"), (HEADER_UNIT_HASH, UNIT.hex().encode())).problem
    assert problem is not None
    assert HEADER_UNIT_HASH in str(problem)


@pytest.mark.parametrize(
    "stamp",
    [b"", b"lead", b"lead/1", b"lead/1/blue", b"lead/01/canary", b"lead/1/canary/", b"\xff/1/canary", b"LEAD/1/canary"],
)
def test_a_malformed_cohort_only_counts(stamp: bytes) -> None:
    """Whoever goes around the gateway gets a prediction without a cohort."""
    metrics = Metrics()
    caller = read((HEADER_COHORT, stamp), (HEADER_UNIT, b"customer-7"), metrics=metrics)
    assert (caller.cohort, caller.problem, caller.unit) == (None, None, UNIT)
    assert metrics.ignored_headers[HEADER_COHORT, "invalid"] == 1


def test_a_cohort_beside_the_gateways_own_is_no_cohort() -> None:
    """Of two stamps one is forged, and nobody can say which."""
    metrics = Metrics()
    caller = read((HEADER_COHORT, b"lead/1/canary"), (HEADER_COHORT, b"lead/1/stable"), metrics=metrics)
    assert caller.cohort is None
    assert metrics.ignored_headers[HEADER_COHORT, "invalid"] == 1


@given(st.binary(max_size=40), st.sampled_from([HEADER_UNIT, HEADER_UNIT_HASH, HEADER_COHORT, HEADER_BUCKET]))
def test_no_header_makes_the_front_fail(value: bytes, header: str) -> None:
    """Any bytes are understood, ignored or refused."""
    caller = read((header, value))
    assert len(caller.unit) == 8
    assert caller.problem is None or header in str(caller.problem)


@pytest.mark.parametrize("text", [b"", b"12", b"1234", b"12a", "\uff11\uff12\uff13".encode(), b"-12"])
def test_a_malformed_bucket_only_counts(text: bytes) -> None:
    """A bucket is three digits; another one was no use to the gateway either."""
    metrics = Metrics()
    assert read((HEADER_BUCKET, text), metrics=metrics).problem is None
    assert metrics.ignored_headers[HEADER_BUCKET, "invalid"] == 1


def test_a_bucket_that_is_not_the_units_only_counts() -> None:
    """The prediction is made; the metric shows that a client computes buckets wrongly."""
    metrics = Metrics()
    right = bucket_header(UNIT).encode()
    wrong = b"000" if right != b"000" else b"001"
    for text in (right, wrong):
        assert read((HEADER_BUCKET, text), (HEADER_UNIT, b"customer-7"), metrics=metrics).problem is None
        assert read((HEADER_BUCKET, text), metrics=metrics).problem is None  # nothing to compare it with
    assert metrics.ignored_headers[HEADER_BUCKET, "contradicts-unit"] == 1
    assert metrics.ignored_headers[HEADER_BUCKET, "invalid"] == 0


def test_the_unit_is_hashed_with_the_models_name() -> None:
    """The same user has another hash for each model, and text is UTF-8."""
    assert read((HEADER_UNIT, b"customer-7")).unit == UNIT
    assert read((HEADER_UNIT, "Zoë".encode())).unit == unit_hash(MODEL, "Zoë")
    assert Callers("ns/other", Metrics()).read([(b"marquee-unit", b"customer-7")]).unit != UNIT


@pytest.mark.parametrize("digits", [UNIT.hex(), UNIT.hex().upper()])
def test_a_hash_stands_for_its_unit(digits: str) -> None:
    """The identifier of a user need not leave the client."""
    caller = read((HEADER_UNIT_HASH, digits.encode()))
    assert (caller.unit, caller.identified) == (UNIT, True)


def test_a_request_without_a_unit_is_one_of_its_own() -> None:
    """Its hash is random, and the same whenever it is asked for."""
    one, other = read(), read()
    assert not one.identified
    assert one.unit == one.unit != other.unit


def test_a_cohort_is_read_and_remembered() -> None:
    """The stamp becomes the cohort; the next request with it does not parse it again."""
    callers = Callers(MODEL, Metrics())
    headers = [(b"marquee-cohort", b"lead-v2/3/canary")]
    one, other = callers.read(headers), callers.read(headers)
    assert one.cohort == Cohort("lead-v2", 3, Arm.CANARY)
    assert one.cohort is other.cohort
    assert one.stamp == b"lead-v2/3/canary"


def test_invented_cohorts_do_not_fill_the_memory() -> None:
    """What is remembered of stamps has a bound."""
    callers = Callers(MODEL, Metrics())
    for number in range(3_000):
        assert callers.read([(b"marquee-cohort", b"r%d/0/stable" % number)]).cohort is not None
    assert len(callers._parsed) <= 1_000

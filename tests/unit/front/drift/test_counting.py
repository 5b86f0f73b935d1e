"""From rows to counters: every value in the bin that the profile fixed, whoever counts it, in whatever pieces."""

from __future__ import annotations

import logging
import math
from bisect import bisect_right
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bentos.front.drift import gathering as module
from bentos.front.drift.binning import Bins
from bentos.front.drift.gathering import Gathering
from bentos.front.drift.pushing import PUSH_SECONDS, PUSHES_A_PROFILE, Pushing
from bentos.front.reporting.statistics import Kind, Reason, Statistics
from bentos.front.schema import FieldError, InvalidInputError
from marquee.contract.drift import SLICE_SECONDS, DriftBatch, ProfileReport, decode_drift
from marquee.contract.prediction import NO_BIN
from tests.unit.front.drift.profiles import PROFILE, manifest, schema

MODEL, REVISION = "ns/fixture", "fixture-v1"
START = 2_000_000 * SLICE_SECONDS


class Counter:
    """A gathering and a pushing with clocks that the test sets."""

    def __init__(self) -> None:
        self.seconds, self.monotonic = float(START), 0.0
        self.manifest = manifest()
        self.bins = Bins(self.manifest)
        self.schema = schema(self.manifest)
        self.statistics = Statistics()
        self.full = 0
        self.gathering = Gathering(self.bins, self.schema, self.statistics, self._on_full, clock=lambda: self.seconds)
        report = ProfileReport(model=MODEL, revision=REVISION, output="q", profile=PROFILE)
        self.pushing = Pushing(self.bins, model=MODEL, revision=REVISION, report=report, clock=lambda: self.monotonic)

    def _on_full(self) -> None:
        self.full += 1

    def request(self, score: float | None = 0.7, **inputs: Any) -> None:
        """One request as the endpoints treat it."""
        row = {"visits": 0.5, "city": "Bonn", "channel": "mail", "free": 0.0} | inputs
        try:
            rows = self.schema.encode(row)
        except InvalidInputError as error:
            self.gathering.refuse(error.errors)
            return
        self.gathering.accept(rows)
        if score is not None:
            self.gathering.answer([[9.0], [score]])

    def batches(self) -> list[DriftBatch]:
        """What is pushed after the pause."""
        for sheaf in self.gathering.take():
            self.pushing.add(sheaf)
        self.monotonic += PUSH_SECONDS
        return [decode_drift(batch.body) for batch in self.pushing.due() if batch.kind is Kind.DRIFT]

    def counted(self) -> dict[str, Any]:
        """The one batch's counters by name."""
        (batch,) = self.batches()
        found: dict[str, Any] = {"rows": batch.counters[0], "refused": batch.counters[1]}
        for block in self.bins.layout.blocks:
            bins = tuple(batch.counters[block.start : block.start + block.bins])
            found[block.name] = bins, tuple(batch.counters[block.start + block.bins : block.end])
        return found


def test_every_value_is_in_its_bin() -> None:
    """Numbers at and beyond edges, null, categories that the profile lists or not, and the score of its output."""
    counter = Counter()
    for visits in (-5.0, 0.0, 0.5, 1.0, 2.0, 999.0, None):
        counter.request(visits=visits)
    for city in ("Ulm", "Kiel", None):
        counter.request(city=city, channel="search", score=0.2)
    assert counter.counted() == {
        "rows": 10,
        "refused": 0,
        "visits": ((1, 5, 1, 2), (1, 0, 0)),
        "city": ((7, 1, 1), (1, 0, 0)),
        "channel": ((7, 3, 0), (0, 0, 0)),
        "score:p": ((3, 7), (0, 0, 0)),
    }


def test_the_bin_of_one_rows_score_is_told_and_traced() -> None:
    """As it is counted; several rows have none, and what no id names is not traced."""
    counter = Counter()
    bins = [counter.gathering.answer([[9.0], [score]]) for score in (0.2, 0.5, 0.7, -math.inf)]
    assert bins == [0, 1, 1, 0]
    assert counter.gathering.answer([[9.0, 9.0], [0.1, 0.9]]) == NO_BIN
    for score_bin in bins[:3]:
        counter.gathering.trace(score_bin)
    (batch,) = counter.batches()
    layout = counter.bins.layout
    assert list(batch.counters[layout.traced.start : layout.traced.stop]) == [1, 2]
    score = layout.blocks[-1]
    assert list(batch.counters[score.start : score.start + 2]) == [3, 3]


def test_an_unlisted_text_is_unseen_and_not_what_stands_for_it() -> None:
    """The model gets the index of ``rest``; the counters tell both apart."""
    counter = Counter()
    for city in ("rest", "Atlantis", "Bonn", "Atlantis"):
        counter.request(city=city)
    assert counter.counted()["city"] == ((1, 0, 1), (0, 0, 2))


@pytest.mark.parametrize(
    ("inputs", "feature", "special"),
    [
        ({"visits": "many"}, "visits", (0, 1, 0)),
        ({"visits": 1e9}, "visits", (0, 1, 0)),
        ({"channel": "pigeon"}, "channel", (0, 0, 1)),
        ({"channel": None}, "channel", (0, 1, 0)),
        ({"city": 7}, "city", (0, 1, 0)),
    ],
)
def test_a_refused_request_is_a_row_with_what_is_wrong(
    inputs: dict[str, Any], feature: str, special: tuple[int, ...]
) -> None:
    """Of its other fields, an unlisted text among them, nothing is counted."""
    counter = Counter()
    counter.request(**{"city": "Atlantis"} | inputs)
    found = counter.counted()
    assert (found["rows"], found["refused"]) == (1, 1)
    assert found[feature][1] == special
    others = [found[block.name] for block in counter.bins.layout.blocks if block.name != feature]
    assert all(sum(bins) + sum(specials) == 0 for bins, specials in others)


def test_a_missing_field_is_missing_and_an_unknown_one_nothing() -> None:
    """A pointer to something else than a feature adds to no counter."""
    counter = Counter()
    errors = [
        FieldError("/inputs/visits", "is missing", "missing"),
        FieldError("/inputs/ghost", "is not known", "unknown"),
        FieldError("/inputs/0/data/3", "is a text", "type"),
        FieldError("", "is a list", "type"),
    ]
    counter.gathering.refuse(errors)
    assert counter.counted()["visits"] == ((0, 0, 0, 0), (1, 0, 0))


def test_a_row_without_an_answer_counts_without_a_score() -> None:
    """The model failed, or was too busy: its input came all the same."""
    counter = Counter()
    counter.request(score=None)
    found = counter.counted()
    assert found["rows"] == 1
    assert found["score:p"] == ((0, 0), (0, 0, 0))


@given(
    st.lists(st.one_of(st.just(math.nan), st.floats(-3, 5)), min_size=1, max_size=60),
    st.lists(st.integers(1, 20), max_size=5),
)
def test_pieces_and_their_order_change_no_counter(values: list[float], cuts: list[int]) -> None:
    """Batches of any sizes, backwards, add up to what one by one gives by ``bisect_right``."""
    bins = Bins(manifest())
    rows = np.array([[value, index % 4, index % 2, 0] for index, value in enumerate(values)], dtype=np.float64)
    counters = np.zeros(bins.layout.size, dtype=np.int64)
    for piece in reversed(np.split(rows, sorted(min(cut, len(rows)) for cut in cuts))):
        bins.count(piece, np.zeros(0), counters)
    visits = bins.blocks["visits"]
    expected = [0] * 5
    for value in values:
        expected[4 if math.isnan(value) else bisect_right((0.0, 1.0, 2.0), value)] += 1
    assert counters[visits.start : visits.start + 5].tolist() == expected
    assert counters[0] == len(values)


def test_slices_are_apart_and_numbered() -> None:
    """Rows before and after the quarter of an hour are two batches of one epoch."""
    counter = Counter()
    counter.request()
    counter.seconds += SLICE_SECONDS
    counter.request()
    counter.request()
    first, second = counter.batches()
    assert (first.slice, second.slice) == (2_000_000, 2_000_001)
    assert (first.counters[0], second.counters[0]) == (1, 2)
    assert first.epoch == second.epoch
    assert (first.number, second.number) == (0, 1)
    assert (first.model, first.revision, first.digest) == (MODEL, REVISION, counter.bins.layout.digest)


def test_a_clock_that_is_set_back_a_little_stays_in_its_slice() -> None:
    """By a minute over the border: no slice comes twice."""
    counter = Counter()
    counter.request()
    counter.seconds -= 60
    counter.request()
    (batch,) = counter.batches()
    assert (batch.slice, batch.counters[0]) == (2_000_000, 2)


def test_a_clock_that_is_set_back_far_begins_a_new_epoch() -> None:
    """Slices never go back within one."""
    counter = Counter()
    counter.request()
    (before,) = counter.batches()
    counter.seconds -= 86_400
    counter.request()
    (after,) = counter.batches()
    assert after.slice < before.slice
    assert after.epoch != before.epoch
    assert after.number == 0


def test_nothing_is_pushed_before_its_time_or_for_nothing() -> None:
    """A minute after the last one; at once when the process is about to end."""
    counter = Counter()
    assert counter.pushing.pause_seconds() is None
    assert counter.batches() == []
    counter.request()
    for sheaf in counter.gathering.take():
        counter.pushing.add(sheaf)
    counter.monotonic += 1
    assert len(list(counter.pushing.due())) == 1
    counter.request()
    for sheaf in counter.gathering.take():
        counter.pushing.add(sheaf)
    assert list(counter.pushing.due()) == []
    assert counter.pushing.pause_seconds() == PUSH_SECONDS
    counter.pushing.hurries = True
    assert len(list(counter.pushing.due())) == 1
    assert not counter.pushing.pending


def test_the_bins_are_told_again_each_hour() -> None:
    """A ledger that was restored from a backup knows them then."""
    counter = Counter()
    kinds = []
    for _ in range(PUSHES_A_PROFILE):
        counter.request()
        for sheaf in counter.gathering.take():
            counter.pushing.add(sheaf)
        counter.monotonic += PUSH_SECONDS
        kinds += [batch.kind for batch in counter.pushing.due()]
    assert kinds.count(Kind.PROFILES) == 1
    assert kinds.count(Kind.DRIFT) == PUSHES_A_PROFILE


def test_memory_is_bounded_while_nobody_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    """What does not fit is dropped and counted as such; the reporter is asked to take, and room comes back."""
    monkeypatch.setattr(module, "MAX_VALUES", 41)
    monkeypatch.setattr(module, "FULL_ROWS", 3)
    counter = Counter()
    for _ in range(20):
        counter.request()
    assert counter.statistics.dropped[Kind.DRIFT, Reason.BUFFER_FULL] == 12
    assert counter.full == 6
    assert counter.counted()["rows"] == 8
    counter.request()
    assert counter.counted()["rows"] == 1


def test_a_fault_in_counting_is_logged_once_and_reaches_nobody(caplog: pytest.LogCaptureFixture) -> None:
    """A prediction goes on whatever happens here."""
    counter = Counter()
    with caplog.at_level(logging.ERROR):
        for _ in range(3):
            counter.gathering.accept(None)  # type: ignore[arg-type]
            counter.gathering.answer([])
            counter.gathering.refuse(None)  # type: ignore[arg-type]
    assert len(caplog.records) == 1
    counter.request()
    assert counter.counted()["rows"] == 4

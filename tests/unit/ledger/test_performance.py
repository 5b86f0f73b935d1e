"""Outcomes by score: what cannot be counted first, then each once for its prediction, on both stores."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select

from marquee.contract.assignment import unit_hash
from marquee.contract.drift import DRIFT_PATH, SLICE_SECONDS, DriftBatch, DriftReply, Layout, ProfileReport
from marquee.contract.ledger import MetricDeclaration, MetricKind, RolloutDeclaration
from marquee.contract.manifest import ReferenceProfile, ScoreProfile
from marquee.contract.performance import PERFORMANCE_PATH
from marquee.ledger.book import drift, score_metrics
from marquee.ledger.book.entries import (
    CountDrift,
    Declare,
    DeclarePerformance,
    Describe,
    Outcome,
    Report,
    RolloutKey,
    Scored,
)
from marquee.ledger.book.posting import post
from marquee.ledger.book.verifying import verify
from marquee.ledger.book.windows import SETTLE_SECONDS, Wanted, read, tag
from marquee.ledger.store.database import Database
from marquee.ledger.store.drift_schema import score_credits, scored_outcomes
from marquee.ledger.store.migrating import migrate
from tests.support.ledger import Sender
from tests.support.postgres import Postgres

DAY = 86_400
NOW = 20_000 * DAY + SETTLE_SECONDS
MODEL, REVISION = "crm/lead", "lead-v1"
PROFILE = ReferenceProfile(
    rows=3, features={}, score=ScoreProfile(edges=(0.3, 0.6), counts=(1, 1, 1), means=(0.2, 0.5, 0.7))
)
LAYOUT = Layout(PROFILE, "p", traces=True)
BUY = MetricDeclaration(outcome="buy")
SPEND = MetricDeclaration(outcome="spend", kind=MetricKind.MEAN, cap=100.0)
DAY_SLICE = 19_998 * 96


def described(model: str = MODEL, traces: bool = True) -> Describe:
    return Describe(ProfileReport(model=model, revision=REVISION, output="p", profile=PROFILE, traces=traces))


def outcome(
    prediction: int, *, place: int = 1, name: str = "buy", value: str = "1", rollout: str = "", **scored: Any
) -> Outcome:
    """An outcome of a prediction outside of a rollout, on a day of the book."""
    found: dict[str, Any] = {"model": MODEL, "revision": REVISION, "slice": DAY_SLICE, "bin": place} | scored
    key = RolloutKey(MODEL, rollout) if rollout else None
    return Outcome(key, prediction, prediction, name, Decimal(value), Scored(**found))


class Book:
    """A database of its own, without HTTP."""

    def __init__(self, url: str) -> None:
        self.database = Database(url)
        migrate(self.database)

    def post(self, *entries: Any, now: int = NOW) -> Any:
        with self.database.writer.begin() as connection:
            return post(connection, self.database.bulk, entries, now=now)

    def report(self, *outcomes: Outcome, now: int = NOW) -> list[str]:
        """Status, or the reason of a refusal, of each."""
        (answer,) = self.post(Report(outcomes), now=now)
        return [judgement.reason or judgement.status.value for judgement in answer.judgements]

    def windows(self, **wanted: int) -> DriftReply:
        asked = Wanted(
            MODEL, REVISION, **({"seconds": DAY, "baseline": 1, "last": 1, "performance": 5} | wanted), now=NOW
        )
        with self.database.reader.begin() as connection:
            return DriftReply.model_validate(read(connection, asked))

    def tag(self) -> tuple[int, ...]:
        with self.database.reader.begin() as connection:
            return tag(connection, Wanted(MODEL, REVISION, DAY, 1, 1, NOW, 5))

    def contradictions(self) -> list[str]:
        with self.database.reader.begin() as connection:
            return verify(connection)

    def rows(self, table: Any) -> int:
        with self.database.reader.begin() as connection:
            return int(connection.execute(select(func.count()).select_from(table)).scalar_one())

    def sweep(self, now: int) -> None:
        with self.database.writer.begin() as connection:
            while score_metrics.sweep(connection, 2, now) | drift.sweep(connection, now):
                pass


@pytest.fixture
def book(empty_url: str) -> Iterator[Book]:
    """Five days of ten answers in each bin, all traced; the model is measured by ``buy``."""
    made = Book(empty_url)
    made.post(described(), DeclarePerformance(MODEL, BUY))
    for number in range(5):
        slice_ = (19_995 + number) * 96
        counters = (30, 0, 10, 10, 10, 0, 0, 0, 10, 10, 10)
        batch = DriftBatch(b"e" * 12, number, LAYOUT.digest, MODEL, REVISION, slice_, counters)
        made.post(CountDrift(batch, number))
    yield made
    made.database.dispose()


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"name": "bye"}, "no-rollout"),
        ({"model": "crm/other"}, "no-rollout"),
        ({"value": "2"}, "value-invalid"),
        ({"revision": "lead-v9"}, "revision-unknown"),
        ({"place": 3}, "score-bin-unknown"),
        ({"slice": (NOW - drift.RETENTION_SECONDS) // SLICE_SECONDS - 1}, "prediction-expired"),
    ],
)
def test_what_cannot_be_counted_is_refused_with_its_reason(book: Book, change: dict[str, Any], reason: str) -> None:
    """And fills no book."""
    assert book.report(outcome(1, **change)) == [reason]
    assert (book.rows(scored_outcomes), book.rows(score_credits)) == (0, 0)


def test_an_outcome_counts_once_for_its_prediction(book: Book) -> None:
    """A retry, one in the same request, and one with another bin, which nobody can forge, change nothing."""
    before = book.tag()
    assert book.report(outcome(1), outcome(1), outcome(2, place=2)) == ["counted", "duplicate", "counted"]
    after = book.tag()
    assert book.report(outcome(1), outcome(2, place=0)) == ["duplicate", "duplicate"]
    assert before != after == book.tag()
    found = book.windows().performance
    assert found is not None
    assert found.metric == BUY
    assert [window.index for window in found.windows] == [19_995, 19_996, 19_997, 19_998, 19_999]
    window = found.windows[3]
    assert (window.rows, window.outcomes, window.totals) == ((10, 10, 10), (0, 1, 1), ())
    assert book.contradictions() == []


def test_values_are_summed_up_to_their_cap(book: Book) -> None:
    """Sums pass no 64 bits: squares are kept in two numbers."""
    book.post(DeclarePerformance(MODEL, SPEND))
    assert (
        book.report(outcome(1, name="spend", value="12.345"), outcome(2, name="spend", value="1e9")) == ["counted"] * 2
    )
    found = book.windows().performance
    assert found is not None
    assert (found.windows[3].totals[1], found.windows[3].squares[1]) == (1_234 + 10_000, 1_234**2 + 10_000**2)
    assert book.contradictions() == []


def test_within_a_rollout_both_books_are_asked(book: Book) -> None:
    """The rollout's answer is told; when it does not take an outcome, or has it, the performance may count it still."""
    declared = RolloutDeclaration(metrics=(BUY,))
    book.post(Declare(RolloutKey(MODEL, "r"), declared))
    ann, again = outcome(1, rollout="r"), outcome(2, rollout="r")
    assert book.report(ann) == ["exposure-not-seen"]
    assert book.report(again, outcome(3, rollout="nowhere"), outcome(4, rollout="nowhere", name="bye")) == [
        "exposure-not-seen",
        "counted",
        "rollout-unknown",
    ]
    assert book.report(ann, outcome(5, rollout="r", place=9)) == ["duplicate", "exposure-not-seen"]
    found = book.windows().performance
    assert found is not None
    assert found.windows[3].outcomes == (0, 3, 0)


def test_another_declaration_begins_anew(book: Book) -> None:
    """What was counted before is swept; the same one again is no other."""
    book.report(outcome(1), outcome(2), outcome(3))
    (same,) = book.post(DeclarePerformance(MODEL, BUY))
    (other,) = book.post(DeclarePerformance(MODEL, SPEND))
    assert (same.duplicate, other.duplicate) == (True, False)
    assert book.report(outcome(4)) == ["no-rollout"]
    found = book.windows().performance
    assert found is not None
    assert (found.metric, sum(map(sum, (window.outcomes for window in found.windows)))) == (SPEND, 0)
    book.sweep(NOW)
    assert (book.rows(scored_outcomes), book.rows(score_credits)) == (0, 0)
    assert book.windows().performance is not None


def test_old_rows_go_and_the_baselines_sums_stay(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows of a slice that takes no outcome any more serve nobody; sums go with their slices."""
    monkeypatch.setattr(drift, "RETENTION_SECONDS", 2 * DAY)
    monkeypatch.setattr(score_metrics, "RETENTION_SECONDS", 2 * DAY)
    for day in range(19_995, 20_000):
        assert book.report(*(outcome(day * 10 + one, slice=day * 96) for one in range(3))) == ["counted"] * 3
    book.sweep(NOW + DAY // 2)
    assert book.rows(scored_outcomes) == 3
    found = book.windows(baseline=2).performance
    assert found is not None
    assert [(one.index, one.outcomes) for one in found.windows] == [
        (19_995, (0, 3, 0)),
        (19_996, (0, 3, 0)),
        (19_999, (0, 3, 0)),
    ]
    assert book.contradictions() == []
    book.sweep(NOW + 9 * DAY)
    assert (book.rows(scored_outcomes), book.rows(score_credits)) == (0, 0)


def test_a_damaged_sum_is_found(book: Book) -> None:
    """``verify`` computes it again from the rows."""
    book.report(outcome(1))
    with book.database.writer.begin() as connection:
        connection.execute(score_credits.update().values(outcomes=7))
    (found,) = book.contradictions()
    assert found.endswith("outcomes, sum, squares are (7, 1, 1), the rows give (1, 1, 1)")


@pytest.mark.parametrize("seed", range(3))
def test_order_and_grouping_change_no_integer(book: Book, seed: int) -> None:
    """Outcomes before or after their answers, repeated, in requests of any size."""
    draw = random.Random(seed)
    facts = [outcome(number, place=number % 3, slice=DAY_SLICE + number % 7) for number in range(60)]
    sent = [*facts, *draw.choices(facts, k=40)]
    draw.shuffle(sent)
    while sent:
        size = draw.randint(1, 20)
        group, sent = sent[:size], sent[size:]
        book.post(*(Report(group[at : at + 5]) for at in range(0, len(group), 5)))
    found = book.windows().performance
    assert found is not None
    assert found.windows[3].outcomes == (20, 20, 20)
    assert book.contradictions() == []


def test_two_ledgers_count_the_same_outcomes_once(postgres: Postgres) -> None:
    """Their transactions wait for each other, whatever order a shop repeats its outcomes in."""
    url = postgres.create_database("performance_replicas")
    book = Book(url)
    book.post(described(), DeclarePerformance(MODEL, BUY))
    errors: list[Exception] = []
    statuses: list[str] = []

    def work(seed: int) -> None:
        mine, draw = Book(url), random.Random(seed)
        try:
            facts = [outcome(number, place=number % 3, slice=DAY_SLICE + number % 5) for number in range(200)]
            draw.shuffle(facts)
            for at in range(0, 200, 20):
                statuses.extend(mine.report(*facts[at : at + 20]))
        except Exception as error:  # noqa: BLE001 - it is shown by the assertion below
            errors.append(error)
        mine.database.dispose()

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert (statuses.count("counted"), statuses.count("duplicate")) == (200, 400)
    assert (book.rows(scored_outcomes), book.contradictions()) == (200, [])
    book.database.dispose()


def test_without_a_declaration_or_traces_nothing_is_told(empty_url: str) -> None:
    """The reader learns which."""
    book = Book(empty_url)
    book.post(described(traces=False))
    assert (book.windows().performance, book.windows().traces) == (None, False)
    book.post(DeclarePerformance(MODEL, BUY))
    found = book.windows().performance
    assert found is not None
    assert found.windows == ()
    book.database.dispose()


def test_over_http(sender: Sender, http: httpx.Client) -> None:
    """Declared by the operator, reported by a shop, by the id that the pod has issued."""
    path = f"{DRIFT_PATH}/{sender.model}{PERFORMANCE_PATH}"
    body = described(sender.model).report.model_copy(update={"revision": "r1"}).model_dump(mode="json", by_alias=True)
    assert http.post(f"{DRIFT_PATH}/profiles", json=body).status_code == 200
    answers = [http.put(path, json={"outcome": "buy"}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 200]
    assert http.put(path, json={"outcome": "No"}).status_code == 422
    issued = sender.issuer().issue(None, unit_hash(sender.model, "ann"), round(time.time() * 1_000), 2)
    assert sender.report({"predictionId": issued, "outcome": "buy"}).json()["counted"] == 1
    assert sender.report({"predictionId": issued, "outcome": "buy"}).json()["duplicate"] == 1
    refused = sender.report({"predictionId": issued, "outcome": "bye"})
    assert refused.json()["type"].endswith("no-rollout")
    query = {"seconds": SLICE_SECONDS, "performance": 1}
    found = DriftReply.model_validate_json(http.get(f"{DRIFT_PATH}/{sender.model}/r1", params=query).content)
    assert found.performance is not None
    assert found.performance.metric == BUY

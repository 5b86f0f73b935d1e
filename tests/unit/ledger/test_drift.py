"""Drift counters in the ledger: each batch once, whoever sends it in whatever order; windows are sums of slices."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from marquee.contract.drift import (
    CONTENT_TYPE,
    DRIFT_PATH,
    PROFILES_PATH,
    SLICE_SECONDS,
    DriftBatch,
    DriftReply,
    Layout,
    ProfileReport,
)
from marquee.contract.manifest import NumericProfile, ReferenceProfile
from marquee.ledger.book import drift
from marquee.ledger.book.entries import CountDrift, Describe
from marquee.ledger.book.posting import post
from marquee.ledger.book.windows import SETTLE_SECONDS, Wanted, read, tag
from marquee.ledger.errors import ClockWentBackError, EpochSharedError, ProfileUnknownError
from marquee.ledger.store.database import Database
from marquee.ledger.store.drift_schema import drift_slices, drift_sources
from marquee.ledger.store.migrating import migrate
from tests.support.ledger import Ledger, Sender
from tests.support.postgres import Postgres

DAY = 86_400
NOW = 20_000 * DAY + SETTLE_SECONDS
"""Midnight, and the last window is just complete."""
PROFILE = ReferenceProfile(rows=2, features={"visits": NumericProfile(edges=(0.0,), counts=(1, 1))})
SIZE = Layout(PROFILE).size


def report(model: str, revision: str = "lead-v1", profile: ReferenceProfile = PROFILE) -> ProfileReport:
    return ProfileReport(model=model, revision=revision, output="p", profile=profile)


def batch(model: str, slice_: int, rows: int = 1, *, number: int = 0, epoch: bytes = b"e" * 12) -> DriftBatch:
    """Rows that all lie in the first bin."""
    counters = (rows, 0, rows, 0, 0, 0, 0)
    return DriftBatch(epoch, number, Layout(PROFILE).digest, model, "lead-v1", slice_, counters)


class Book:
    """A database of its own, without HTTP."""

    def __init__(self, url: str) -> None:
        self.database = Database(url)
        migrate(self.database)

    def post(self, *entries: Any, now: int = NOW) -> list[bool]:
        """Whether each was a duplicate."""
        with self.database.writer.begin() as connection:
            return [reply.duplicate for reply in post(connection, self.database.bulk, entries, now=now)]

    def count(self, *batches: DriftBatch, now: int = NOW) -> list[bool]:
        return self.post(*(CountDrift(one, hash(one.to_bytes()) >> 1) for one in batches), now=now)

    def windows(self, *, now: int = NOW, **wanted: int) -> DriftReply:
        asked = Wanted("crm/lead", "lead-v1", **({"seconds": DAY, "baseline": 2, "last": 3} | wanted), now=now)
        with self.database.reader.begin() as connection:
            return DriftReply.model_validate(read(connection, asked))

    def slices(self) -> list[int]:
        with self.database.reader.begin() as connection:
            return list(connection.execute(select(drift_slices.c.slice).order_by(drift_slices.c.slice)).scalars())


@pytest.fixture
def book(empty_url: str) -> Iterator[Book]:
    made = Book(empty_url)
    made.post(Describe(report("crm/lead")))
    yield made
    made.database.dispose()


def slice_of(day: int, quarter: int = 0) -> int:
    return day * 96 + quarter


def test_a_batch_counts_once(book: Book) -> None:
    """A retry, and one in the same transaction, change nothing."""
    first = batch("crm/lead", slice_of(19_998), 5)
    assert book.count(first, first) == [False, True]
    assert book.count(first) == [True]
    (window,) = book.windows().baseline
    assert (window.index, window.counters) == (19_998, (5, 0, 5, 0, 0, 0, 0))


def test_windows_are_sums_of_their_slices(book: Book) -> None:
    """Of any length; the first, partly counted one is left out, and so is the one that is not complete."""
    for number, quarter in enumerate((4, 96, 97, 191, 192, 300)):
        book.count(batch("crm/lead", slice_of(19_995, quarter), 10**number, number=number))
    found = book.windows()
    assert (found.first, found.until, found.lost) == (19_996, 20_000, 0)
    assert found.profile == PROFILE
    assert [(one.index, one.counters[0]) for one in found.baseline] == [(19_996, 1_110), (19_997, 10_000)]
    assert [(one.index, one.counters[0]) for one in found.windows] == [(19_998, 100_000)]
    assert book.windows(now=NOW - 1).until == 19_999
    hours = book.windows(seconds=3_600, baseline=1, last=96)
    assert hours.first == 19_995 * 24 + 1
    assert [one.counters[0] for one in hours.windows] == [110, 1_000, 10_000, 100_000]


def test_an_unknown_revision_has_no_profile_and_a_silent_one_no_windows(book: Book) -> None:
    """That nothing was said is told from that nothing was counted."""
    assert book.windows().profile == PROFILE
    assert book.windows().first is None
    with book.database.reader.begin() as connection:
        unknown = read(connection, Wanted("crm/lead", "lead-v9", DAY, 2, 3, NOW))
    assert (unknown["profile"], unknown["first"], unknown["windows"]) == (None, None, [])


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ({"digest": b"x" * 32}, ProfileUnknownError, "has described the bins 7878"),
        ({"revision": "lead-v2"}, ProfileUnknownError, "for revision lead-v2"),
        ({"counters": (1, 0, 1)}, ProfileUnknownError, "with 3 counters"),
        ({"number": 4}, EpochSharedError, "belongs to another process, or has sent a later batch than 4"),
        ({"slice": slice_of(19_997)}, ClockWentBackError, "the pod's clock was set back"),
    ],
)
def test_what_contradicts_the_book_is_refused(
    book: Book, changes: dict[str, Any], error: type[Exception], words: str
) -> None:
    """Each with its own reason, and nothing of it is counted."""
    book.count(batch("crm/lead", slice_of(19_998), number=5))
    before = book.slices()
    with pytest.raises(error, match=words):
        book.count(replace(batch("crm/lead", slice_of(19_998), number=6), **changes))
    assert book.slices() == before


def test_numbers_that_never_came_are_told(book: Book) -> None:
    """A full spool drops batches: the reader learns how many."""
    book.count(batch("crm/lead", slice_of(19_998), number=0))
    book.count(batch("crm/lead", slice_of(19_998), number=3))
    assert book.windows().lost == 2


def test_two_processes_with_one_epoch_are_found_out(book: Book) -> None:
    """The first batch of the second has a number that is taken by other content."""
    book.count(batch("crm/lead", slice_of(19_998), 1))
    with pytest.raises(Exception, match="was sent before with other content"):
        book.count(batch("crm/lead", slice_of(19_998), 2))


@pytest.mark.parametrize("seed", range(4))
def test_replicas_order_and_retries_change_no_integer(book: Book, seed: int) -> None:
    """The same rows from 1 or 100 processes that restart, with repeats, interleaved at will: the same windows."""
    draw = random.Random(seed)
    slices = [slice_of(19_998, draw.randrange(96)) for _ in range(200)]
    epochs = draw.choice((1, 7, 100))
    queues: list[list[DriftBatch]] = []
    for epoch in range(epochs):
        mine = sorted(slices[epoch::epochs])
        name = bytes([epoch]) * 12
        queues.append([batch("crm/lead", one, number=number, epoch=name) for number, one in enumerate(mine)])
    sent: list[DriftBatch] = []
    while any(queues):
        queue = draw.choice([queue for queue in queues if queue])
        sent.append(queue.pop(0))
        group = [sent[-1], *draw.choices(sent, k=draw.randrange(2))]
        assert not book.count(*group)[0]
    (window,) = book.windows().baseline
    assert window.counters == (200, 0, 200, 0, 0, 0, 0)


def test_the_tag_changes_with_the_windows_and_not_without(book: Book) -> None:
    """Late counters, another window's end, another question."""
    wanted = Wanted("crm/lead", "lead-v1", DAY, 2, 3, NOW)

    def now() -> tuple[int, ...]:
        with book.database.reader.begin() as connection:
            return tag(connection, wanted)

    book.count(batch("crm/lead", slice_of(19_998)))
    seen = now()
    assert now() == seen
    book.count(batch("crm/lead", slice_of(20_000), number=1))
    assert now() == seen
    book.count(batch("crm/lead", slice_of(19_999), epoch=b"f" * 12))
    assert now() != seen


def test_old_slices_go_and_baselines_stay(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first weeks and the last weeks are kept while there is traffic; without any, everything goes."""
    monkeypatch.setattr(drift, "RETENTION_SECONDS", 2 * DAY)
    days = range(19_980, 20_000)
    for number, day in enumerate(days):
        book.count(batch("crm/lead", slice_of(day), number=number))

    def sweep(now: int) -> None:
        with book.database.writer.begin() as connection:
            while drift.sweep(connection, now):
                pass

    book.post(Describe(report("crm/lead")), now=NOW + DAY // 2)
    sweep(NOW + DAY)
    assert book.slices() == [slice_of(day) for day in (19_980, 19_981, 19_999)]
    sweep(NOW + 9 * DAY)
    assert book.slices() == []
    with book.database.reader.begin() as connection:
        assert connection.execute(select(drift_sources)).all() == []


def test_two_ledgers_add_to_one_slice(postgres: Postgres) -> None:
    """Their transactions wait for each other, and no row is lost."""
    url = postgres.create_database("drift_replicas")
    book = Book(url)
    book.post(Describe(report("crm/lead")))
    errors: list[Exception] = []

    def work(replica: int) -> None:
        mine = Book(url)
        try:
            for number in range(40):
                slices = slice_of(19_998, number // 20)
                mine.count(batch("crm/lead", slices, number=number, epoch=bytes([replica]) * 12))
        except Exception as error:  # noqa: BLE001 - it is shown by the assertion below
            errors.append(error)
        mine.database.dispose()

    threads = [threading.Thread(target=work, args=(replica,)) for replica in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert book.windows().baseline[0].counters[0] == 120
    book.database.dispose()


@pytest.fixture
def described(sender: Sender, http: httpx.Client) -> Callable[..., httpx.Response]:
    """Sends batches of a model that has described its bins."""
    body = report(sender.model).model_dump_json(by_alias=True)
    answer = http.post(PROFILES_PATH, content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 200, answer.text
    assert answer.json()["digest"] == "sha256:" + Layout(PROFILE).digest.hex()

    def send(slice_: int, *, kind: str = CONTENT_TYPE, cut: int = 0, **more: Any) -> httpx.Response:
        raw = batch(sender.model, slice_, **more).to_bytes()
        return http.post(DRIFT_PATH, content=raw[: len(raw) - cut], headers={"content-type": kind})

    return send


def kind_of(answer: httpx.Response) -> str:
    return str(answer.json()["type"]).removeprefix("urn:marquee:problem:")


def test_over_http(
    described: Callable[..., httpx.Response], sender: Sender, http: httpx.Client, ledger: Ledger
) -> None:
    """A batch, the windows, and 304 while nothing changes."""
    now = int(ledger.running.state.clock())
    slice_ = (now - SLICE_SECONDS - SETTLE_SECONDS) // SLICE_SECONDS
    epoch = random.randbytes(12)
    assert described(slice_, epoch=epoch).json() == {"batchId": epoch.hex() + "0" * 8, "duplicate": False}
    assert described(slice_, epoch=epoch).json()["duplicate"]
    path = f"{DRIFT_PATH}/{sender.model}/lead-v1"
    answer = http.get(path, params={"seconds": SLICE_SECONDS, "baseline": 1})
    found = DriftReply.model_validate_json(answer.content)
    assert (found.first, found.output, found.seconds) == (slice_, "p", SLICE_SECONDS)
    assert [one.counters[0] for one in found.baseline] == [1]
    if time.time() // SLICE_SECONDS == now // SLICE_SECONDS:
        again = http.get(
            path, params={"seconds": SLICE_SECONDS, "baseline": 1}, headers={"if-none-match": answer.headers["etag"]}
        )
        assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    ("ahead", "status", "kind"), [(2, 400, "slice-in-future"), (-700, 400, "slice-expired"), (-3, 200, "")]
)
def test_a_slice_of_another_time_is_refused(
    described: Callable[..., httpx.Response], ahead: int, status: int, kind: str
) -> None:
    """A clock that is ahead, and what is so old that nobody would know a second copy."""
    answer = described(int(time.time()) // SLICE_SECONDS + ahead, epoch=random.randbytes(12))
    assert answer.status_code == status
    assert status == 200 or kind_of(answer) == kind


def test_what_is_no_batch_is_refused(described: Callable[..., httpx.Response]) -> None:
    """A wrong content type, and a body that was cut."""
    slice_ = int(time.time()) // SLICE_SECONDS
    assert kind_of(described(slice_, kind="application/json")) == "unsupported-media-type"
    assert kind_of(described(slice_, cut=1)) == "malformed-batch"


def test_a_batch_before_its_bins_is_refused(http: httpx.Client) -> None:
    """With what to do; the pod tells its bins again within the hour."""
    raw = batch("growth/nobody", int(time.time()) // SLICE_SECONDS).to_bytes()
    answer = http.post(DRIFT_PATH, content=raw, headers={"content-type": CONTENT_TYPE})
    assert (answer.status_code, kind_of(answer)) == (409, "profile-unknown")


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"seconds": "901"}, "seconds=901 is no multiple of 900"),
        ({"seconds": "0"}, "from 900 to 604800"),
        ({"seconds": "day"}, "'day' is no whole number"),
        ({"baseline": "57"}, "from 0 to 56"),
        ({"seconds": "604800", "last": "9"}, "from 0 to 8"),
        ({"last": "-1"}, "from 0 to 56"),
    ],
)
def test_a_question_that_cannot_be_answered_is_refused(http: httpx.Client, query: dict[str, str], words: str) -> None:
    """With the bounds."""
    answer = http.get(f"{DRIFT_PATH}/growth/lead/lead-v1", params=query)
    assert answer.status_code == 400
    assert words in answer.json()["detail"]

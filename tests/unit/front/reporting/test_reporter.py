"""The reporter: its loop and its thread against a real HTTP server."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from bentos.front.failures import CannotServeError
from bentos.front.reporting import delivery
from bentos.front.reporting import reporter as module
from bentos.front.reporting.batches import Batch, pack
from bentos.front.reporting.counting import Tally
from bentos.front.reporting.making import reporter_of
from bentos.front.reporting.reporter import Reporter
from bentos.front.reporting.sending import Answer, Fate, Ledger
from bentos.front.reporting.spooling import MemoryStore, Spool
from bentos.front.reporting.statistics import Kind, Reason, Statistics
from bentos.front.settings import Settings
from marquee.contract.assignment import unit_hash
from marquee.contract.exposures import decode_batch
from marquee.contract.ledger import CountsBatch
from tests.unit.front.reporting.builders import FAST, MODEL, OK, caller
from tests.unit.front.reporting.servers import Script, scripted

Make = Callable[..., Settings]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HAND_OVER_SECONDS", 0.02)
    monkeypatch.setattr(module, "LEAVING_SECONDS", 1.0)
    monkeypatch.setattr(delivery, "FIRST_PAUSE_SECONDS", 0.05)
    monkeypatch.setattr(delivery, "MAX_PAUSE_SECONDS", 0.2)


def made(settings: Settings) -> Reporter:
    reporter = reporter_of(settings)
    assert reporter is not None
    return reporter


async def eventually(condition: Callable[[], object], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(0.01)


def units_in(*scripts: Script) -> set[bytes]:
    return {
        group.units[at : at + 8]
        for script in scripts
        for received in script.received
        if received.path == "/v1/exposures"
        for group in decode_batch(received.body).groups
        for at in range(0, len(group.units), 8)
    }


def requests_in(*scripts: Script) -> int:
    """Requests in batches that differ, as the ledger counts them."""
    bodies = {received.body for script in scripts for received in script.received if received.path == "/v1/counts"}
    batches = [CountsBatch.model_validate_json(body) for body in bodies]
    return sum(count.requests for batch in batches for count in batch.counts)


def hashes(names: list[str]) -> set[bytes]:
    return {unit_hash(MODEL, name) for name in names}


def test_without_a_ledger_there_is_no_reporter(settings: Make) -> None:
    """Nobody is to be told anything."""
    assert reporter_of(settings()) is None


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"spool_path": Path("/proc/nowhere/spool")}, "MARQUEE_SPOOL_PATH: the spool cannot be used"),
        ({"namespace": "a.b"}, "MARQUEE_NAMESPACE: a.b/fixture"),
    ],
)
def test_a_reporter_that_cannot_work_stops_the_pod(settings: Make, wrong: dict[str, Any], words: str) -> None:
    """A spool that cannot be written and a name that the ledger refuses are said at the start."""
    with pytest.raises(CannotServeError, match=words):
        reporter_of(settings({"ledger_url": "http://127.0.0.1:1", **wrong}))


async def test_what_was_counted_arrives(settings: Make, tmp_path: Path) -> None:
    """Exposures and counts are sent within moments, with the token of the pod."""
    (tmp_path / "token").write_text("secret", encoding="ascii")
    with scripted() as script:
        reporter = made(settings({"ledger_url": script.url, "ledger_token_path": tmp_path / "token"}))
        async with reporter.running():
            for name in "abca":
                reporter.counting.observe(caller(unit=name), OK, FAST)
            await eventually(lambda: reporter.idle and len(script.received) == 2)
        assert units_in(script) == hashes(["a", "b", "c"])
        assert requests_in(script) == 4
        assert {received.authorization for received in script.received} == {"Bearer secret"}


async def test_an_idle_predictor_is_silent(settings: Make) -> None:
    """Nothing counted, nothing sent, not even at the end."""
    with scripted() as script:
        reporter = made(settings({"ledger_url": script.url}))
        async with reporter.running():
            await asyncio.sleep(0.1)
        assert script.received == []


async def test_the_last_second_is_sent_before_the_process_ends(settings: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was counted after the last hand-over leaves too."""
    monkeypatch.setattr(module, "HAND_OVER_SECONDS", 60.0)
    with scripted() as script:
        reporter = made(settings({"ledger_url": script.url}))
        async with reporter.running():
            reporter.counting.observe(caller(unit="a"), OK, FAST)
        assert units_in(script) == hashes(["a"])
        assert requests_in(script) == 1


async def test_at_the_end_an_absent_ledger_is_not_waited_for(
    settings: Make, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The process leaves in time; its spool keeps the batches, and the next container sends them."""
    pod = {"ledger_url": "http://127.0.0.1:1", "spool_path": tmp_path / "spool"}
    reporter = made(settings(pod))
    started = time.monotonic()
    async with reporter.running():
        reporter.counting.observe(caller(unit="a"), OK, FAST)
    assert time.monotonic() - started < 20
    assert "the spool: 2 batches" in caplog.text
    with scripted() as script:
        successor = made(settings({**pod, "ledger_url": script.url}))
        async with successor.running():
            await eventually(lambda: successor.idle)
        assert units_in(script) == hashes(["a"])
        assert requests_in(script) == 1


@pytest.mark.parametrize("with_spool", [True, False])
async def test_an_outage_under_load_loses_and_doubles_nothing(settings: Make, tmp_path: Path, with_spool: bool) -> None:
    """The server dies and comes back on its port while predictions go on; answers get lost before and after."""
    names = [f"user-{number}" for number in range(300)]
    spool = {"spool_path": tmp_path / "spool"} if with_spool else {}

    async def predict(part: list[str]) -> None:
        for name in part:
            reporter.counting.observe(caller(unit=name), OK, FAST)
            await asyncio.sleep(0.002)

    with scripted() as first:
        reporter = made(settings({"ledger_url": first.url, **spool}))
        first.answers.extend([200, "drop", 503, 200, "drop"])
        running = reporter.running()
        await running.__aenter__()
        await predict(names[:100])
        await eventually(lambda: len(first.received) > 5)
    retries = reporter.statistics.retries
    await predict(names[100:200])
    await eventually(lambda: reporter.statistics.retries > retries)
    with scripted(first.port) as second:
        second.answers.append("drop")
        await predict(names[200:])
        await eventually(lambda: reporter.idle, 20)
        await running.__aexit__(None, None, None)
    assert units_in(first, second) == hashes(names)
    assert requests_in(first, second) == 300
    assert reporter.statistics.sent == dict.fromkeys(Kind, 0) | {Kind.EXPOSURES: 300, Kind.COUNTS: 300}


async def test_what_the_thread_has_in_its_hands_has_not_left(settings: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pod that drains waits for it, also while it is out of the queue and not yet on its way."""
    seen: list[bool] = []

    def slowly(model: str, handed: Sequence[Tally]) -> Iterator[Batch]:
        seen.append(reporter.idle)
        return pack(model, handed)

    monkeypatch.setattr(module, "pack", slowly)
    with scripted() as script:
        reporter = made(settings({"ledger_url": script.url}))
        async with reporter.running():
            reporter.counting.observe(caller(unit="a"), OK, FAST)
            await eventually(lambda: reporter.idle)
            assert units_in(script) == hashes(["a"])
    assert seen == [False]


async def test_predictions_are_not_slowed_by_a_ledger_that_hangs(settings: Make) -> None:
    """While the thread waits for an answer, the event loop goes on counting."""
    with scripted() as script:
        script.answers.extend(["hang"] * 3)
        reporter = made(settings({"ledger_url": script.url}))
        async with reporter.running():
            longest = 0.0
            for number in range(150):
                started = time.perf_counter()
                reporter.counting.observe(caller(unit=f"u{number}"), OK, FAST)
                longest = max(longest, time.perf_counter() - started)
                await asyncio.sleep(0.002)
            assert script.received
            assert longest < 2


class Stumbling:
    """A sender with a bug."""

    def __init__(self) -> None:
        self.calls = 0

    def post(self, _batch: object) -> Answer:
        """Fail once."""
        self.calls += 1
        if self.calls == 1:
            raise RuntimeError("a bug")
        return Answer(Fate.TAKEN)

    def close(self) -> None:
        """Nothing is open."""


async def test_a_fault_does_not_end_the_reporter(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What nobody foresaw is logged, and the batch is tried again."""
    monkeypatch.setattr(module, "_PAUSE_AFTER_FAULT_SECONDS", 0.01)
    statistics = Statistics()
    reporter = Reporter(MODEL, Stumbling(), MemoryStore(1_000, statistics), statistics)
    async with reporter.running():
        reporter.counting.observe(caller(unit="a"), OK, FAST)
        await eventually(lambda: statistics.sent[Kind.EXPOSURES] == 1)
    assert "a bug" in caplog.text


async def test_units_of_a_dropped_batch_are_reported_when_they_come_back(tmp_path: Path) -> None:
    """A spool without room costs a unit its exposure only until its next prediction."""
    statistics = Statistics()
    with scripted() as script:
        script.answers.extend([503, 503])
        reporter = Reporter(MODEL, Ledger(script.url, None), Spool(tmp_path, 0, statistics), statistics)
        async with reporter.running():
            while not statistics.sent[Kind.EXPOSURES]:
                reporter.counting.observe(caller(unit="a"), OK, FAST)
                await asyncio.sleep(0.01)
        assert statistics.dropped[Kind.EXPOSURES, Reason.SPOOL_FULL] > 0
        assert units_in(script) == hashes(["a"])

"""What waits for the ledger is left out of the spool when its subject is suppressed, by an erasure or an objection."""

from __future__ import annotations

import asyncio
import time
from array import array
from collections.abc import Callable, Sequence
from contextlib import suppress as suppress_errors
from pathlib import Path

import numpy as np
import orjson
import pytest

from bentos.front.callers import Caller
from bentos.front.predictor import Predictor
from bentos.front.privacy.decisions import Form
from bentos.front.privacy.forgetting import Forgetting
from bentos.front.privacy.suppressions import Suppressions
from bentos.front.reporting import reporter as module
from bentos.front.reporting import spooling
from bentos.front.reporting.batches import Batch
from bentos.front.reporting.reporter import Reporter
from bentos.front.reporting.sending import Ledger
from bentos.front.reporting.spooling import MemoryStore, Spool, Store
from bentos.front.reporting.statistics import Kind, Reason, Statistics
from marquee.contract.assignment import unit_hash
from marquee.contract.privacy import LoggedDecision, PredictionLogBatch, PrivacySettings
from tests.unit.front.privacy.tokens import MODEL
from tests.unit.front.reporting.builders import drained, exposures
from tests.unit.front.reporting.servers import scripted

LIMIT = 2**20
ANNA, BEN, EVE = (unit_hash(MODEL, name) for name in ("anna", "ben", "eve"))


def a_batch(number: int, *subjects: bytes) -> Batch:
    body = PredictionLogBatch(
        batch_id=f"{number:032x}",
        model=MODEL,
        revision="fixture-1",
        retention_days=365,
        decisions=tuple(LoggedDecision(subject=one.hex(), milliseconds=1, outputs={"score": 1.0}) for one in subjects),
    )
    return Batch(Kind.DECISIONS, body.model_dump_json(by_alias=True).encode(), len(subjects))


def subjects_in(batch: Batch) -> list[bytes]:
    return [bytes.fromhex(one.subject) for one in PredictionLogBatch.model_validate_json(batch.body).decisions]


def suppress(known: Suppressions, *subjects: bytes) -> None:
    """The next revision of the list."""
    known.replace((known.revision or 0) + 1, array("Q", [int.from_bytes(one, "big") for one in subjects]))


@pytest.fixture(params=["folder", "memory"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[Statistics], Store]:
    if request.param == "memory":
        return lambda statistics: MemoryStore(LIMIT, statistics)
    return lambda statistics: Spool(tmp_path, LIMIT, statistics)


def test_only_they_are_left_out(make: Callable[[Statistics], Store]) -> None:
    """Others' decisions, other reports and the order stay; a batch of nobody else goes; ids and sizes are right."""
    statistics, known = Statistics(), Suppressions()
    store = make(statistics)
    other = exposures(7)
    for batch in (a_batch(1, ANNA, BEN, ANNA), other, a_batch(2, ANNA), a_batch(3, EVE)):
        store.append(batch)
    forgetting = Forgetting(known, store, statistics)
    forgetting.look()
    suppress(known)
    forgetting.look()
    assert len(store) == 4
    suppress(known, ANNA)
    forgetting.look()
    assert (len(store), statistics.spool_batches) == (3, 3)
    assert statistics.dropped[Kind.DECISIONS, Reason.SUPPRESSED] == 3
    first, second, third = drained(store)
    assert (subjects_in(first), second, subjects_in(third)) == ([BEN], other, [EVE])
    assert (first.records, orjson.loads(first.body)["batchId"]) == (1, f"{1:032x}")
    assert (statistics.spool_bytes, statistics.spool_batches) == (0, 0)


def test_no_file_has_them_any_more(tmp_path: Path) -> None:
    """What lies on the volume is what is left, and the next process finds just that."""
    statistics, known = Statistics(), Suppressions()
    store = Spool(tmp_path, LIMIT, statistics)
    for number, subjects in enumerate([(ANNA, BEN), (ANNA,), (BEN,)]):
        store.append(a_batch(number, *subjects))
    suppress(known, ANNA)
    Forgetting(known, store, statistics).look()
    assert all(ANNA.hex().encode() not in path.read_bytes() for path in tmp_path.iterdir())
    again = Statistics()
    found = Spool(tmp_path, LIMIT, again)
    assert (again.spool_bytes, again.spool_batches) == (statistics.spool_bytes, 2)
    assert [subjects_in(batch) for batch in drained(found)] == [[BEN], [BEN]]


def test_a_volume_that_takes_nothing_keeps_nothing_of_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be written anew is lost, and counted, rather than that all of it stays."""
    statistics, known = Statistics(), Suppressions()
    store = Spool(tmp_path, LIMIT, statistics)
    store.append(a_batch(1, ANNA, BEN))
    store.append(a_batch(2, EVE))
    suppress(known, ANNA)

    def refuse(path: Path, body: bytes) -> None:
        raise OSError(f"no space left for the {len(body)} bytes of {path.name}")

    monkeypatch.setattr(spooling, "_write", refuse)
    Forgetting(known, store, statistics).look()
    assert statistics.dropped[Kind.DECISIONS, Reason.SPOOL_BROKEN] == 1
    assert [subjects_in(batch) for batch in drained(store)] == [[EVE]]


def test_a_torn_file_waits_for_its_turn(tmp_path: Path) -> None:
    """It is nobody's, and is counted when it is the oldest."""
    statistics, known = Statistics(), Suppressions()
    store = Spool(tmp_path, LIMIT, statistics)
    store.append(a_batch(1, ANNA))
    (torn,) = (path for path in tmp_path.iterdir() if path.suffix == ".decisions")
    torn.write_bytes(torn.read_bytes()[:-1])
    suppress(known, ANNA)
    Forgetting(known, store, statistics).look()
    assert drained(store) == []
    assert statistics.torn_files == 1


def caller(unit: bytes) -> Caller:
    made = Caller()
    made.identify(unit)
    return made


async def until(done: Callable[[], object]) -> None:
    deadline = time.monotonic() + 30
    while not done():
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(0.01)


async def test_a_ledger_that_comes_back_gets_nothing_of_them(
    predictor: Predictor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Decided before the erasure, spooled while the ledger took nothing; nor what was in memory when it was heard."""
    monkeypatch.setattr(module, "HAND_OVER_SECONDS", 0.02)
    statistics, known = Statistics(), Suppressions()
    settings = PrivacySettings(log_permille=1000, log_inputs=("visits",))
    row = np.array([[40.5, 3.0, np.nan, 1.0, 0.0]])
    with scripted() as script:
        script.answers.extend([503] * 10_000)
        reporter = Reporter(MODEL, Ledger(script.url, None), Spool(tmp_path, LIMIT, statistics), statistics)
        log = reporter.keep(Form(MODEL, "fixture-1", settings, predictor.schema, predictor.outputs), known)
        async with reporter.running():
            for unit in (ANNA, BEN):
                log.note(row, [(7.5,)], caller(unit))
            await until(lambda: statistics.spool_batches)
            suppress(known, ANNA)
            log.note(row, [(7.5,)], caller(ANNA))
            await until(lambda: statistics.dropped[Kind.DECISIONS, Reason.SUPPRESSED] == 2)
            await until(lambda: not _has(tmp_path, ANNA))
            script.received.clear()
            script.answers.clear()
            await until(lambda: reporter.idle)
        assert _sent([received.body for received in script.received]) == [BEN]


def _has(folder: Path, subject: bytes) -> bool:
    """Whether a batch on the disk has a decision about somebody."""
    for path in folder.glob("*.decisions"):
        with suppress_errors(FileNotFoundError):  # it was sent, or written anew, in between
            if subject.hex().encode() in path.read_bytes():
                return True
    return False


def _sent(bodies: Sequence[bytes]) -> list[bytes]:
    return [subject for body in bodies for subject in subjects_in(Batch(Kind.DECISIONS, body, 1))]

"""Batches: within the ledger's bounds, complete, and never the same id twice."""

from __future__ import annotations

import os

import orjson
import pytest

from bentos.front.reporting import batches as module
from bentos.front.reporting.batches import Batch, pack
from bentos.front.reporting.counting import Tally
from bentos.front.reporting.statistics import Kind
from marquee.contract.cohort import Cohort
from marquee.contract.exposures import ExposureBatch, decode_batch
from marquee.contract.ledger import CountsBatch
from tests.unit.front.reporting.builders import CANARY, MODEL, STABLE


def tally(cohort: str, units: int, *, requests: int = 0, errors: int = 0, slow: int = 0) -> Tally:
    made = Tally(Cohort.parse(cohort))
    made.units += os.urandom(8 * units)
    made.requests, made.errors, made.slow = requests or units, errors, slow
    return made


def exposures_of(packed: list[Batch]) -> list[ExposureBatch]:
    return [decode_batch(batch.body) for batch in packed if batch.kind is Kind.EXPOSURES]


def counts_of(packed: list[Batch]) -> list[CountsBatch]:
    return [CountsBatch.model_validate_json(batch.body) for batch in packed if batch.kind is Kind.COUNTS]


def test_nothing_makes_no_batch() -> None:
    """An idle predictor is silent."""
    assert list(pack(MODEL, [])) == []


def test_requests_without_new_units_make_counts_alone() -> None:
    """A batch of exposures is never empty."""
    (batch,) = pack(MODEL, [tally(CANARY, 0, requests=5, errors=2, slow=1)])
    assert (batch.kind, batch.records) == (Kind.COUNTS, 5)
    (entry,) = CountsBatch.model_validate_json(batch.body).counts
    assert (entry.rollout, entry.step, entry.arm) == ("lead-v2", 1, "canary")
    assert (entry.requests, entry.errors, entry.slow) == (5, 2, 1)


def test_a_hand_over_becomes_two_batches() -> None:
    """All cohorts go together, and what the ledger reads is what was counted."""
    tallies = [tally(CANARY, 3), tally(STABLE, 7, requests=20)]
    packed = list(pack(MODEL, tallies))
    assert [(batch.kind, batch.records) for batch in packed] == [(Kind.EXPOSURES, 10), (Kind.COUNTS, 23)]
    (exposures,), (counts,) = exposures_of(packed), counts_of(packed)
    assert exposures.model == counts.model == MODEL
    assert [(group.cohort, group.units) for group in exposures.groups] == [(t.cohort, bytes(t.units)) for t in tallies]
    assert [entry.arm for entry in counts.counts] == ["canary", "stable"]


def test_batches_keep_to_the_units_of_the_contract() -> None:
    """More units than one batch may hold are split, and none gets lost or doubled."""
    tallies = [tally(CANARY, 70_000), tally(STABLE, 150_000), tally("other/0/stable", 1)]
    split = exposures_of(list(pack(MODEL, tallies)))
    assert [batch.size for batch in split] == [100_000, 100_000, 20_001]
    together = {str(made.cohort): b"" for made in tallies}
    for batch in split:
        for group in batch.groups:
            together[str(group.cohort)] += group.units
    assert together == {str(made.cohort): bytes(made.units) for made in tallies}


def test_batches_keep_to_the_groups_of_the_contract(monkeypatch: pytest.MonkeyPatch) -> None:
    """So many cohorts need several batches of either kind."""
    monkeypatch.setattr(module, "MAX_GROUPS", 4)
    monkeypatch.setattr(module, "MAX_COUNTS", 4)
    packed = list(pack(MODEL, [tally(f"r{number}/0/stable", 1) for number in range(10)]))
    assert [len(batch.groups) for batch in exposures_of(packed)] == [4, 4, 2]
    assert [len(batch.counts) for batch in counts_of(packed)] == [4, 4, 2]


def test_the_largest_hand_over_fits() -> None:
    """The longest names, and as many cohorts and units as counting allows."""
    tallies = [tally(f"{'r' * 59}{number:04d}/999/canary", 100) for number in range(1_000)]
    for batch in pack(f"{'n' * 63}/{'m' * 50}", tallies):
        assert len(batch.body) <= 2**20


def test_every_batch_has_an_id_of_its_own() -> None:
    """The ledger tells a retry from a new batch by the id alone."""
    packed = [batch for _ in range(20) for batch in pack(MODEL, [tally(CANARY, 1)])]
    ids = {batch.batch_id.hex() for batch in exposures_of(packed)} | {batch.batch_id for batch in counts_of(packed)}
    assert len(ids) == 40
    assert orjson.loads(packed[1].body).keys() == {"batchId", "model", "counts"}

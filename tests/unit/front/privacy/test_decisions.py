"""The prediction log: whose decisions are kept, which inputs leave the pod, and how much waits in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bentos.front.callers import Caller
from bentos.front.failures import CannotServeError
from bentos.front.predictor import Predictor
from bentos.front.privacy.decisions import MAX_VALUES, DecisionLog, Explain, Form, is_sampled
from bentos.front.privacy.making import check_against, guard_of
from bentos.front.reporting.batches import Batch
from bentos.front.reporting.delivery import Delivery
from bentos.front.reporting.reporter import Reporter
from bentos.front.reporting.sending import Fate, Ledger
from bentos.front.reporting.spooling import Spool
from bentos.front.reporting.statistics import Kind, Reason, Statistics
from bentos.front.settings import Settings
from marquee.contract.assignment import bucket, unit_hash
from marquee.contract.cohort import Cohort
from marquee.contract.privacy import MAX_RECORDS, PredictionLogBatch, PrivacySettings
from tests.unit.front.privacy.tokens import MODEL, UNIT
from tests.unit.front.reporting.servers import scripted

HASH = unit_hash(MODEL, UNIT)
ROW = np.array([[40.5, 3.0, np.nan, 1.0, 0.0]])
INPUTS = ("visits", "income", "channel", "city")


def log_of(
    predictor: Predictor, statistics: Statistics | None = None, explain: Explain | None = None, **privacy: Any
) -> DecisionLog:
    settings = PrivacySettings(**({"log_permille": 1000, "log_inputs": INPUTS} | privacy))
    form = Form(MODEL, "fixture-1", settings, predictor.schema, predictor.outputs, explain)
    return DecisionLog(form, statistics or Statistics(), lambda: None, clock=lambda: 1_732_276_800.25)


def caller(cohort: str = "", unit: bytes | None = HASH) -> Caller:
    made = Caller()
    if unit is not None:
        made.identify(unit)
    made.cohort = Cohort.parse(cohort) if cohort else None
    return made


def told(log: DecisionLog) -> list[PredictionLogBatch]:
    return [PredictionLogBatch.model_validate_json(batch.body) for batch in log.take().batches()]


def test_what_is_allowed_leaves_the_pod_and_nothing_else(predictor: Predictor) -> None:
    """By name, categories as texts, null for a missing value; with cohort, time and the spec's retention."""
    log = log_of(predictor, log_retention_days=365)
    log.note(ROW, [(7.5,)], caller("lead-v2/1/canary"))
    (batch,) = told(log)
    assert (batch.model, batch.revision, batch.retention_days) == (MODEL, "fixture-1", 365)
    (decision,) = batch.decisions
    assert decision.model_dump() == {
        "subject": HASH.hex(),
        "milliseconds": 1_732_276_800_250,
        "rollout": "lead-v2",
        "arm": "canary",
        "inputs": {"visits": 3.0, "income": None, "channel": "search", "city": "other"},
        "outputs": {"score": 7.5},
        "reasons": {},
    }


def test_without_a_list_no_input_is_kept(predictor: Predictor) -> None:
    """Outputs alone; outside of a rollout there is no arm."""
    log = log_of(predictor, log_inputs=())
    log.note(ROW, [(7.5,)], caller())
    (decision,) = told(log)[0].decisions
    assert (decision.inputs, decision.outputs, decision.rollout, decision.arm) == ({}, {"score": 7.5}, None, None)


def test_nobodys_decisions_are_kept_who_is_not_named(predictor: Predictor) -> None:
    """A request that names no unit has no subject to be erased by."""
    log = log_of(predictor)
    assert not log.samples(caller(unit=None))
    assert log.samples(caller())
    log.note(ROW, [(7.5,)], caller(unit=None))
    assert not log.pending


@given(st.lists(st.binary(min_size=8, max_size=8), min_size=1, max_size=20), st.integers(0, 1000), st.integers(0, 1000))
def test_a_larger_share_keeps_whom_a_smaller_kept(units: list[bytes], one: int, other: int) -> None:
    """None at 0, all at 1000; a subject is in the sample or not, whoever asks."""
    small, large = sorted((one, other))
    for unit in units:
        assert is_sampled(unit, small) <= is_sampled(unit, large)
        assert not is_sampled(unit, 0)
        assert is_sampled(unit, 1000)


def test_the_sample_is_not_the_one_of_rollouts() -> None:
    """A share of every range of buckets is kept: canary, stable and holdout alike."""
    units = [unit_hash(MODEL, str(number)) for number in range(20_000)]
    kept = [unit for unit in units if is_sampled(unit, 100)]
    assert 1_800 < len(kept) < 2_200
    for start in range(0, 1000, 250):
        assert 400 < sum(start <= bucket(unit) < start + 250 for unit in kept) < 600


def test_a_batch_of_rows_is_as_many_decisions_about_its_unit(predictor: Predictor) -> None:
    """And no batch for the ledger is larger than the contract allows."""
    log = log_of(predictor)
    log.note(np.repeat(ROW, MAX_RECORDS + 1, axis=0), [tuple(float(n) for n in range(MAX_RECORDS + 1))], caller())
    first, second = told(log)
    assert (len(first.decisions), len(second.decisions)) == (MAX_RECORDS, 1)
    assert first.batch_id != second.batch_id
    assert [one.outputs["score"] for one in (*first.decisions, *second.decisions)] == list(range(MAX_RECORDS + 1))


def test_what_waits_in_memory_is_bounded(predictor: Predictor) -> None:
    """While the reporter is stalled the newest are dropped, and counted."""
    statistics = Statistics()
    log = log_of(predictor, statistics)
    rows = np.repeat(ROW, 1_000, axis=0)
    rounds = MAX_VALUES // (13 * 1_000) + 3
    for _ in range(rounds):
        log.note(rows, [(1.0,) * 1_000], caller())
    dropped = statistics.dropped[Kind.DECISIONS, Reason.BUFFER_FULL]
    assert dropped >= 2_000
    assert dropped + sum(len(batch.decisions) for batch in told(log)) == rounds * 1_000


def test_an_explainer_is_asked_about_the_whole_row(predictor: Predictor) -> None:
    """The heaviest reasons are kept; one that fails costs no decision."""
    seen: list[Any] = []

    def explain(rows: Any) -> dict[str, float]:
        seen.append(rows)
        if len(seen) > 1:
            raise RuntimeError
        return {"visits": -3.0, "income": float("nan"), "age": 0.5} | {f"f{number}": 0.1 for number in range(40)}

    log = log_of(predictor, explain=explain)
    log.note(np.repeat(ROW, 2, axis=0), [(1.0, 2.0)], caller())
    one, other = told(log)[0].decisions
    assert list(one.reasons)[:2] == ["visits", "age"]
    assert len(one.reasons) == 32
    assert other.reasons == {}
    assert seen[0].shape == (1, 5)


def test_decisions_travel_by_the_spool_like_everything_else(predictor: Predictor, tmp_path: Path) -> None:
    """They wait in a file while the ledger is away, and go to its prediction log when it is back."""
    statistics = Statistics()
    log = log_of(predictor, statistics)
    log.note(ROW, [(7.5,)], caller())
    batches = list(log.take().batches())
    spool = Spool(tmp_path, 2**20, statistics)
    with scripted() as script:
        script.answers.extend([503])
        script.headers["retry-after"] = "0"
        ledger = Ledger(script.url, None)
        delivery = Delivery(ledger, spool, statistics, clock=iter(range(0, 1_000, 20)).__next__)
        delivery.add(batches)
        delivery.deliver_one()
        assert statistics.spooled[Kind.DECISIONS] == 1
        delivery.deliver_one()
        ledger.close()
        assert [one.path for one in script.received] == ["/v1/prediction-log"] * 2
    assert statistics.sent[Kind.DECISIONS] == 1
    assert len(spool) == 0


def test_an_older_ledger_does_not_hold_up_the_others() -> None:
    """404 to a decision is final: what else is reported must not wait for it."""
    with scripted() as script:
        script.answers.extend([404])
        ledger = Ledger(script.url, None)
        assert ledger.post(Batch(Kind.DECISIONS, b"{}", 1)).fate is Fate.REFUSED
        ledger.close()


async def test_the_reporter_hands_decisions_over(predictor: Predictor, tmp_path: Path) -> None:
    """Noted in the event loop, sent by the thread, and not idle before that."""
    statistics = Statistics()
    with scripted() as script:
        reporter = Reporter(MODEL, Ledger(script.url, None), Spool(tmp_path, 2**20, statistics), statistics)
        settings = PrivacySettings(log_permille=1000, log_inputs=INPUTS)
        log = reporter.keep(Form(MODEL, "fixture-1", settings, predictor.schema, predictor.outputs), None)
        async with reporter.running():
            log.note(ROW, [(7.5,)], caller())
            assert not reporter.idle
        assert reporter.idle
        (received,) = script.received
    assert PredictionLogBatch.model_validate_json(received.body).decisions[0].subject == HASH.hex()


def pod_settings(**settings: Any) -> Settings:
    return Settings(
        model="fixture",
        namespace="ns",
        revision="fixture-1",
        artifact_uri="/nowhere",
        artifact_digest="sha256:" + "0" * 64,
        **settings,
    )


@pytest.mark.parametrize(
    ("privacy", "words"),
    [
        ({"withheld_answer": {}}, "withheldAnswer: says nothing of the artifact's output score"),
        ({"withheld_answer": {"score": 1.0, "not a name": 2.0}}, "no output not a name; it has score"),
        ({"withheld_answer": {"score": float("inf")}}, "withheldAnswer: score must be a finite number"),
        (
            {"log_permille": 5, "log_inputs": ("age", "salary")},
            "predictionLog.inputs: the artifact has no input salary",
        ),
    ],
)
def test_what_the_artifact_has_not_keeps_the_pod_from_serving(
    predictor: Predictor, privacy: dict[str, Any], words: str
) -> None:
    """Named as in the spec, and said before anybody is answered."""
    with pytest.raises(CannotServeError, match=words) as caught:
        check_against(PrivacySettings(**privacy), predictor.manifest)
    assert caught.value.reason == "SettingsInvalid"


def test_a_log_without_a_ledger_is_refused() -> None:
    """Decisions that nobody keeps are a promise that is not held."""
    with pytest.raises(CannotServeError, match="predictionLog needs a ledger"):
        guard_of(pod_settings(privacy=PrivacySettings(log_permille=1)))


def test_without_the_block_there_is_no_guard() -> None:
    """And nothing is asked of anybody."""
    assert guard_of(pod_settings()) is None


@pytest.mark.parametrize("text", ["{", "[]", '{"purposes": ["Ads"]}', '{"logPermille": 2000}', '{"unknown": 1}'])
def test_a_variable_that_is_no_block_names_itself(text: str) -> None:
    """As every other of the pod's settings does."""
    environment = {
        "MARQUEE_MODEL": "fixture",
        "MARQUEE_NAMESPACE": "ns",
        "MARQUEE_REVISION": "r",
        "MARQUEE_ARTIFACT_URI": "/x",
        "MARQUEE_ARTIFACT_DIGEST": "sha256:" + "0" * 64,
        "MARQUEE_PRIVACY": text,
    }
    with pytest.raises(CannotServeError, match="MARQUEE_PRIVACY"):
        Settings.from_environment(environment)

"""What the Service remembers of a rollout."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marquee.api.marketing_model import MarketingModel
from marquee.api.rollout_status import CohortCounts, MetricEvidence, OutcomeCounts, RolloutResult
from marquee.contract.assignment import is_rollout_name
from marquee.control.render.record import RolloutRecord, begin, plan_digest, read_record
from tests.unit.control.builders import NOW, a_model, a_revision, digest_of

ROLLOUT: dict[str, Any] = {
    "steps": [{"weight": 10}, {"weight": 50, "minExposures": 1000}],
    "analysis": {"primary": {"outcome": "purchase"}, "guardrails": [{"metric": "Errors"}]},
}
TRAFFIC: dict[str, Any] = {"gateway": {"name": "web"}}


def _model(**spec: Any) -> MarketingModel:
    blocks = {"rollout": ROLLOUT, "traffic": TRAFFIC} | spec
    return a_model(revision={"name": "churn-2"}, **blocks)


def _begun(before: str = "", now: datetime = NOW, revision: str = "churn-2", **spec: Any) -> RolloutRecord:
    return begin(_model(**spec), a_revision(revision), "churn-1", before, now)


EVIDENCE = MetricEvidence(metric="é", counts="1 of 2 against 3 of 4", harm="1.13 of 20", non_inferiority="0.3 of 20")
OUTCOME = OutcomeCounts(successes=2**53, sum=str(2**70), sum_of_squares=str(2**90))
COUNTS = CohortCounts(
    step=1, arm="canary", exposures=2**53, requests=3, errors=2, slow=1, outcomes={"purchase": OUTCOME}
)
RECORDS = st.builds(
    replace,
    st.just(_begun()),
    step=st.integers(0, 1),
    started=st.datetimes(timezones=st.just(NOW.tzinfo)).map(lambda moment: moment.replace(microsecond=0)),
    result=st.none() | st.sampled_from(RolloutResult),
    reason=st.text(max_size=20),
    message=st.text(max_size=50),
    evidence=st.sampled_from([(), (EVIDENCE,), (EVIDENCE, EVIDENCE)]),
    counts=st.sampled_from([(), (COUNTS,), (COUNTS, COUNTS)]),
)


@given(RECORDS)
def test_what_is_written_is_read(record: RolloutRecord) -> None:
    """Every record survives the way through its annotation, and equal ones have equal texts."""
    text = record.to_text()
    assert read_record(text) == record
    again = read_record(text)
    assert again is not None
    assert again.to_text() == text


def test_a_moment_is_written_in_whole_milliseconds() -> None:
    """The text of a moment is the same however finely and in whatever zone the clock tells it."""
    elsewhere = timezone(timedelta(hours=2))
    fine = _begun(now=(NOW + timedelta(microseconds=1999)).astimezone(elsewhere))
    assert fine == _begun(now=NOW + timedelta(milliseconds=1))


@pytest.mark.parametrize(
    "change",
    [
        {"step": 2},
        {"step": -1},
        {"weights": []},
        {"weights": "many"},
        {"started": "yesterday"},
        {"result": "Exploded"},
        {"name": None},
    ],
    ids=str,
)
def test_what_makes_no_sense_is_no_record(change: dict[str, Any]) -> None:
    """Anybody may edit an annotation: a rollout that can't be is none."""
    body = orjson.loads(_begun().to_text()) | change
    assert read_record(orjson.dumps(body).decode()) is None


@pytest.mark.parametrize("text", [None, "", "{}", "null", "what"])
def test_no_text_is_no_record(text: str | None) -> None:
    """A model that never had a rollout has none."""
    assert read_record(text) is None


def test_the_weight_follows_from_the_step_and_the_result() -> None:
    """Nothing else says how much the canary answers."""
    first = _begun()
    last = first.next_step(NOW + timedelta(hours=1))
    assert (first.weight, first.is_last_step) == (10, False)
    assert (last.weight, last.is_last_step) == (50, True)
    assert (last.started, last.step_started) == (NOW, NOW + timedelta(hours=1))
    weights = {result: last.ended(result, "Reason", "why").weight for result in RolloutResult}
    assert weights == {
        RolloutResult.PROMOTED: 100,
        RolloutResult.ROLLED_BACK: 0,
        RolloutResult.ABORTED: 0,
        RolloutResult.SUPERSEDED: 0,
    }


def test_a_rollout_begins_with_its_first_step() -> None:
    """It remembers whose bytes it is about, and who served before."""
    record = _begun()
    assert (record.revision, record.digest, record.stable) == ("churn-2", digest_of("churn-2"), "churn-1")
    assert (record.weights, record.step, record.result) == ((10, 50), 0, None)
    assert record.plan == plan_digest(_model())


def test_a_rollout_that_is_begun_twice_has_one_name() -> None:
    """An operator that was killed after it had told the ledger says the same again, whatever time it is."""
    assert _begun(now=NOW + timedelta(minutes=3)).name == _begun().name


def test_each_rollout_has_a_name_of_its_own() -> None:
    """Other bytes, another plan, or the same revision once more: the ledger counts anew."""
    first = _begun()
    others = [_begun(revision="churn-3"), _begun(slo={"latencyMilliseconds": 90}), _begun(before=first.name)]
    names = {record.name for record in (first, *others)}
    assert len(names) == 4
    assert all(is_rollout_name(name) for name in names)


def test_the_longest_revision_gives_a_name_that_fits() -> None:
    """Names of rollouts have at most 63 characters, and begin with the revision's."""
    name = _begun(revision="churn-" + "9" * 57).name
    assert name.startswith("churn-999")
    assert len(name) == 63
    assert is_rollout_name(name)


CHANGES: dict[str, dict[str, Any]] = {
    "weight": {"rollout": ROLLOUT | {"steps": [{"weight": 20}, {"weight": 50, "minExposures": 1000}]}},
    "exposures": {"rollout": ROLLOUT | {"steps": [{"weight": 10}, {"weight": 50, "minExposures": 1}]}},
    "approval": {"rollout": ROLLOUT | {"steps": [{"weight": 10, "approval": "Manual"}, {"weight": 50}]}},
    "margin": {"rollout": ROLLOUT | {"analysis": {"primary": {"outcome": "purchase", "margin": 0.2}}}},
    "no analysis": {"rollout": {"steps": ROLLOUT["steps"]}},
    "holdout": {"traffic": TRAFFIC | {"assignment": {"unit": "User", "holdoutPercent": 10}}},
    "slow": {"slo": {"latencyMilliseconds": 100}},
}
SAME: dict[str, dict[str, Any]] = {
    "paused": {"rollout": ROLLOUT | {"paused": True}},
    "drain": {"rollout": ROLLOUT | {"drainSeconds": 60}},
    "hosts": {"traffic": TRAFFIC | {"hostnames": ["crm.example.com"]}},
    "gateway": {"traffic": {"gateway": {"name": "another"}}},
    "pods": {"serving": {"threads": 2}, "scaling": {"minReplicas": 3}},
}


@pytest.mark.parametrize("spec", CHANGES.values(), ids=CHANGES)
def test_what_is_judged_is_the_plan(spec: dict[str, Any]) -> None:
    """A threshold that is changed after a look at the data bounds nothing: it makes another plan."""
    assert plan_digest(_model(**spec)) != plan_digest(_model())


@pytest.mark.parametrize("spec", SAME.values(), ids=SAME)
def test_what_is_not_judged_is_no_part_of_the_plan(spec: dict[str, Any]) -> None:
    """A pause, another host or more pods do not begin a rollout anew."""
    assert plan_digest(_model(**spec)) == plan_digest(_model())

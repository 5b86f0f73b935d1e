"""The closed loop, decision by decision: who asks, what a run leaves, what people read, and an operator that dies."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import orjson
import pytest

from marquee.api.conditions import Reason
from marquee.api.marketing_model import MarketingModel
from marquee.api.retraining import Retraining
from marquee.api.types import timestamp
from marquee.control.decide import decide
from marquee.control.decide.plan import Plan
from marquee.control.kinds import JOB, SERVICE_ACCOUNT
from marquee.control.render.retraining import read_order
from marquee.control.snapshot import Trainer, Trouble
from marquee.evidence.drift.verdict import Tier
from marquee.judging.performing import PerformanceState, PerformanceVerdict
from tests.support.retraining import a_result
from tests.unit.control.builders import NOW, READY, a_revision, snapshot
from tests.unit.control.looping import SPEC, Killed, Loop, pod_of, verdict_of

DRIFT = {"triggers": {"drift": True}}


def test_nothing_asks_and_nothing_happens() -> None:
    """Without a trigger there is a condition, and that is all."""
    loop = Loop()
    loop.settle()
    assert (loop.condition.status, loop.condition.reason) == ("True", "UpToDate")
    assert (loop.started, loop.entries, loop.notices) == ([], [], [])


@pytest.mark.parametrize(
    ("run", "made"), [({}, ["churn-predictor"]), ({"serviceAccountName": "trainer"}, [])], ids=["its own", "another"]
)
def test_the_first_training_of_a_model_that_has_never_served(run: dict[str, Any], made: list[str]) -> None:
    """There is no ServiceAccount yet, and without it the Job would get no pod."""
    spec = {"retraining": Retraining.model_validate(SPEC | {"run": run})}
    nothing = snapshot(track={"line": "main"}, revisions=(), arms={})
    metadata = nothing.model.metadata.model_copy(update={"annotations": {"marquee.dev/retrain": "a1"}})
    asked = nothing.model.model_copy(update={"metadata": metadata, "spec": nothing.model.spec.model_copy(update=spec)})
    plan = decide(replace(nothing, children=(), model=asked, trainer=Trainer("registry.example.com/trainer:1")))
    assert plan.retraining is not None
    assert plan.retraining.kind == JOB
    assert [(one.kind, one.manifest["metadata"]["name"]) for one in plan.applies] == [
        (SERVICE_ACCOUNT, name) for name in made
    ]


def test_without_the_block_there_is_nothing() -> None:
    """No condition, no status, no step."""
    plan = decide(snapshot(stable="churn-1", arms={"churn-1": READY}))
    assert (plan.status.retraining, plan.retraining) == (None, None)


@pytest.mark.parametrize(
    ("spec", "changes", "trigger", "asked"),
    [
        ({}, {"request": " a1 "}, "Manual", "a1"),
        (DRIFT, {"drift": verdict_of(Tier.STABLE, Tier.RETRAIN)}, "Drift", "churn-1/20048"),
        (
            {"triggers": {"performance": {"lossBudget": 0.05}}},
            {"drift": verdict_of(Tier.STABLE, loss=0.06)},
            "Performance",
            "churn-1/20048",
        ),
    ],
)
def test_each_trigger_starts_one_run(spec: dict[str, Any], changes: dict[str, Any], trigger: str, asked: str) -> None:
    """And asks for no second one, whatever comes of it and however often it is looked at."""
    loop = Loop(spec | {"coolDownHours": 0}, **changes)
    loop.settle()
    assert (len(loop.started), loop.condition.reason, loop.condition.status) == (1, "InFlight", "Unknown")
    loop.finish('{"reason": "DataMismatch", "message": "other columns"}', code=78)
    loop.settle()
    for _ in range(3):
        loop.after(hours=1)
        loop.restart()
        loop.settle()
    assert len(loop.started) == 1
    (run,) = loop.model.status.retraining.runs  # type: ignore[union-attr]
    assert (run.trigger, run.asked, run.outcome) == (trigger, asked, "DataMismatch")
    assert loop.condition.message.endswith("other columns")
    assert loop.entries == ["Started", "Failed"]
    assert loop.notices == ["InFlight", "DataMismatch"]


@pytest.mark.parametrize(
    ("trigger", "state", "loss", "why"),
    [
        ({"lossBudget": 0.05}, PerformanceState.STABLE, 0.06, "6.0% of the measured AUC is lost, and 5.0% is borne"),
        ({"lossBudget": 0.05, "conceptDrift": True}, PerformanceState.CONCEPT_DRIFT, None, "in words"),
        ({"lossBudget": 0.05}, PerformanceState.CONCEPT_DRIFT, 0.01, None),
        ({"lossBudget": 0.05, "conceptDrift": True}, PerformanceState.STABLE, 0.01, None),
    ],
)
def test_realised_performance_asks_too(
    trigger: dict[str, Any], state: PerformanceState, loss: float | None, why: str | None
) -> None:
    """A loss that outcomes have shown; or scores that do not keep what they promise, where that is to ask."""
    measured = PerformanceVerdict(state, "in words", "purchase", loss=loss)
    drift = replace(verdict_of(Tier.STABLE), performance=measured)
    loop = Loop({"triggers": {"performance": trigger}}, drift=drift)
    loop.settle()
    orders = [read_order(job["metadata"]["annotations"]["marquee.dev/order"]) for job in loop.jobs.values()]
    assert [order.why for order in orders if order is not None] == ([why] if why is not None else [])


def test_a_schedule_asks_at_its_times_and_not_for_the_past() -> None:
    """The next look is when its time comes."""
    loop = Loop({"triggers": {"schedule": [{"cron": "0 13 * * *"}]}})
    plan = loop.settle()
    assert (loop.started, plan.requeue_after_seconds) == ([], 3_600)
    loop.after(hours=1)
    loop.settle()
    assert len(loop.started) == 1
    assert loop.model.status.retraining.runs[0].asked == timestamp(NOW + timedelta(hours=1))  # type: ignore[union-attr]


def test_a_zone_that_is_not_known_is_told() -> None:
    """A person may ask all the same."""
    loop = Loop({"triggers": {"schedule": [{"cron": "0 13 * * *", "timeZone": "Mars/Base"}]}})
    loop.settle()
    assert (loop.condition.reason, loop.condition.status) == ("ScheduleInvalid", "False")
    loop.request = "a1"
    loop.settle()
    assert len(loop.started) == 1


def test_a_broken_feed_blocks_until_good_data() -> None:
    """It is remembered when its windows are out of sight, and a person need not wait."""
    loop = Loop(DRIFT, drift=verdict_of(Tier.BROKEN_FEED, Tier.INSUFFICIENT_DATA, Tier.RETRAIN))
    loop.drift = verdict_of(Tier.RETRAIN, Tier.BROKEN_FEED)
    loop.settle()
    assert loop.condition.reason == "UpToDate"
    assert loop.model.status.retraining.feed_blocked  # type: ignore[union-attr]
    loop.spec = DRIFT | {"triggers": {"drift": True, "performance": {"lossBudget": 0.01}}}
    loop.drift = verdict_of(Tier.INSUFFICIENT_DATA, loss=0.5)
    loop.settle()
    assert (loop.condition.reason, loop.started) == ("FeedBlocked", [])
    loop.drift = verdict_of(Tier.STABLE, loss=0.5)
    loop.settle()
    assert len(loop.started) == 1
    assert not loop.model.status.retraining.feed_blocked  # type: ignore[union-attr]


def test_cool_down_and_budget() -> None:
    """Nobody's trigger waits; a person's does not, but for the week's budget."""
    loop = Loop(DRIFT, request="a1")
    loop.settle()
    loop.finish()
    loop.settle()
    loop.revisions.clear()
    loop.drift = verdict_of(Tier.RETRAIN)
    plan = loop.settle()
    assert loop.condition.reason == "CoolingDown"
    assert plan.requeue_after_seconds == 24 * 3_600
    for request in ("a2", "a3", "a4"):
        loop.request = request
        loop.after(minutes=1)
        loop.settle()
        if len(loop.started) < 3 or loop.condition.reason == "InFlight":
            loop.finish('{"reason": "DataUnavailable", "message": "none"}', code=78)
            loop.settle()
    assert len(loop.started) == 3
    assert "a run may start at" in loop.condition.message
    assert loop.condition.reason == "DataUnavailable"


@pytest.mark.parametrize(
    ("end", "reason", "words"),
    [
        ({"message": ""}, "NoResult", "wrote no result"),
        ({"message": "  \n"}, "NoResult", "wrote no result"),
        ({"message": "done"}, "ResultInvalid", "no result: Invalid JSON"),
        ({"message": "[1]"}, "ResultInvalid", "should be an object"),
        ({"message": "x" * 5_000}, "ResultInvalid", "more than 4096 bytes"),
        ({"message": "é" * 3_000}, "ResultInvalid", "more than 4096 bytes"),
        ({"message": '{"reason": "DataUnavailable", "message": "no rows"}', "code": 78}, "DataUnavailable", "no rows"),
        ({"message": '{"reason": "Unheard", "message": "of"}', "code": 78}, "RunFailed", "code 78: Unheard: of"),
        ({"message": "Traceback", "code": 1}, "RunFailed", "code 1: Traceback"),
        ({"message": "", "code": 1}, "RunFailed", "left no message"),
        ({"message": "", "code": 137, "reason": "OOMKilled"}, "OutOfMemory", "limits.memory"),
        ({"message": "", "code": 143, "job_reason": "DeadlineExceeded"}, "DeadlineExceeded", "deadlineSeconds"),
        ({"message": "", "code": 137, "job_reason": "BackoffLimitExceeded"}, "RunLost", "nodes"),
    ],
)
def test_each_way_to_fail_has_its_reason(end: dict[str, Any], reason: str, words: str) -> None:
    """And says what happened."""
    loop = Loop(request="a1")
    loop.settle()
    loop.finish(**end)
    loop.settle()
    assert (loop.condition.reason, loop.condition.status) == (reason, "False")
    assert words in loop.condition.message
    assert loop.entries == ["Started", "Failed"]


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (None, "it has no pod: see kubectl describe job churn-"),
        (
            {"conditions": [
                {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes: no GPU"}
            ]},
            "Unschedulable 0/3 nodes: no GPU",
        ),
        (
            {"containerStatuses": [
                {"state": {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}}}
            ]},
            "ImagePullBackOff no such image",
        ),
        ({"containerStatuses": [{"state": {"running": {}}}]}, ""),
    ],
    ids=["no pod", "no node", "no image", "runs"],
)  # fmt: skip
def test_a_run_that_does_not_begin_says_why(status: dict[str, Any] | None, words: str) -> None:
    """Once its pod had the time to begin; nobody waits for a deadline of hours to find out."""
    loop = Loop(request="a1")
    plan = loop.settle()
    assert plan.requeue_after_seconds == 30
    if status is not None:
        loop.pods["x"] = pod_of(list(loop.jobs)[-1], status)
    loop.after(seconds=30)
    loop.settle()
    assert (loop.condition.reason, words in loop.condition.message) == ("InFlight", True)
    assert bool(words) == ("; " in loop.condition.message)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"digest": "sha256:AB"}, "DigestInvalid"),
        ({"dataDigest": "md5:00"}, "DigestInvalid"),
        ({"digest": None}, "DigestInvalid"),
        ({"model": "lead"}, "ModelMismatch"),
        ({"uri": "pvc://models/churn/elsewhere"}, "ArtifactMisplaced"),
        ({"comparison": {"rows": 1_000, "challenger": {"auc": "much"}}}, "MetricInvalid"),
        ({"comparison": {"rows": 1_000, "challenger": {}}}, "MetricInvalid"),
        ({"comparison": {"rows": -1, "challenger": {"auc": 0.8}}}, "MetricInvalid"),
        ({"seed": -1}, "ResultInvalid"),
        ({"surplus": 1}, "ResultInvalid"),
        ({"comparison": {"rows": 1_000, "challenger": {"loss": 0.1}, "champions": {"churn-1": {}}}}, "MetricInvalid"),
    ],
)
def test_a_result_that_is_none_is_refused(changes: dict[str, Any], reason: str) -> None:
    """Whatever is wrong with it, nothing becomes a revision."""
    loop = Loop(request="a1")
    loop.settle()
    name = list(loop.jobs)[-1]
    loop.finish(orjson.dumps(orjson.loads(loop.result(name)) | changes).decode())
    loop.settle()
    assert loop.condition.reason == reason
    assert loop.revisions == {}


def test_an_artifact_where_it_was_to_be_is_found_however_the_place_was_written() -> None:
    """A trainer names a folder of a claim as the file system does, without what means nothing to it."""
    loop = Loop({"artifacts": {"uri": "pvc://models//churn/./"}}, request="a1")
    loop.settle()
    name = list(loop.jobs)[-1]
    loop.finish(orjson.dumps(orjson.loads(loop.result(name)) | {"uri": f"pvc://models/churn/{name}"}).decode())
    loop.settle()
    assert loop.condition.reason == "GatePassed"


@pytest.mark.parametrize("figure", ["NaN", "Infinity", "-Infinity"])
def test_a_figure_that_is_no_number_is_refused(figure: str) -> None:
    """Nothing compares with it."""
    loop = Loop(request="a1")
    loop.settle()
    name = list(loop.jobs)[-1]
    loop.finish(loop.result(name, auc=0.815).replace('"challenger":{"auc":0.815}', f'"challenger":{{"auc":{figure}}}'))
    loop.settle()
    assert loop.condition.reason == "MetricInvalid"


def test_a_metric_that_is_not_told_is_refused_by_the_gate() -> None:
    """The run has ended well, and is kept out."""
    loop = Loop({"gate": {"metrics": [{"name": "brier", "direction": "LowerIsBetter"}]}}, request="a1")
    loop.settle()
    loop.finish()
    loop.settle()
    assert loop.condition.reason == "MetricMissing"
    assert loop.entries == ["Started", "Finished", "GateRefused"]


def test_what_a_pod_says_is_waited_for() -> None:
    """The watch of pods may be late; when it stays silent, the pod is gone with what it had."""
    loop = Loop(request="a1")
    loop.settle()
    name = loop.finish()
    pod = loop.pods.pop(name)
    loop.settle()
    assert loop.condition.reason == "InFlight"
    loop.pods[name] = pod
    loop.settle()
    assert loop.condition.reason == "GatePassed"
    loop = Loop(request="a1")
    loop.settle()
    loop.pods.pop(loop.finish())
    loop.after(seconds=31)
    loop.settle()
    assert loop.condition.reason == "NoResult"


def test_a_job_that_somebody_deletes_is_told() -> None:
    """And answers its trigger all the same."""
    loop = Loop(request="a1")
    loop.settle()
    loop.jobs.clear()
    loop.settle()
    loop.after(hours=48)
    loop.settle()
    assert (loop.condition.reason, len(loop.started)) == ("RunRemoved", 1)


def test_a_candidate_that_passes_becomes_a_revision_of_the_tracked_line() -> None:
    """With all that it came from."""
    loop = Loop(request="a1")
    loop.settle()
    name = loop.finish()
    loop.settle()
    (revision,) = loop.revisions.values()
    assert revision.metadata.name == name
    assert revision.metadata.labels == {"line": "main", "marquee.dev/run": name}
    assert revision.metadata.annotations == {"marquee.dev/author": "system:serviceaccount:marquee:operator"}
    lineage = revision.spec.lineage
    assert lineage is not None
    assert (lineage.run, lineage.trigger, lineage.seed) == (name, "Manual/a1", 7)
    assert (lineage.window_start, lineage.window_end) == (timestamp(NOW - timedelta(days=30)), timestamp(NOW))
    assert [(one.name, one.value) for one in revision.spec.metrics] == [("auc", 0.8)]
    assert revision.spec.slices == ()
    assert loop.entries == ["Started", "Finished", "GatePassed"]
    assert (loop.condition.reason, loop.condition.status) == ("GatePassed", "True")


@pytest.mark.parametrize(
    ("days", "first", "last"),
    [(30, 4, 2), (3, 3, 2), (2, None, None), (None, 4, 2)],
    ids=["whole", "cut", "older", "no window"],
)
def test_times_of_a_broken_feed_are_left_out(days: int | None, first: float | None, last: float | None) -> None:
    """As one span where they follow each other, as far as the data window goes; also where the whole table is read."""
    tiers = (Tier.STABLE, Tier.BROKEN_FEED, Tier.BROKEN_FEED, Tier.STABLE, Tier.RETRAIN)
    loop = Loop(DRIFT | {"data": {"windowDays": days}}, drift=verdict_of(*tiers))
    loop.settle()
    (job,) = loop.jobs.values()
    order = read_order(job["metadata"]["annotations"]["marquee.dev/order"])
    midnight = NOW.replace(hour=0)
    assert order is not None
    assert order.excluded == (
        () if first is None or last is None else ((midnight - timedelta(days=first), midnight - timedelta(days=last)),)
    )


def test_a_proposal_waits_where_the_revision_is_pinned() -> None:
    """The condition says how to take it."""
    loop = Loop(request="a1", track=False)
    loop.settle()
    name = loop.finish()
    loop.settle()
    assert (loop.condition.reason, loop.condition.status) == ("CandidateWaiting", "False")
    assert f"revision {name}" in loop.condition.message
    assert "spec.revision.name" in loop.condition.message
    assert loop.revisions[name].metadata.labels == {"marquee.dev/run": name}


def test_a_rollout_on_its_way_holds_the_next_run_up() -> None:
    """What the candidate would be compared with is about to change."""
    loop = Loop(request="a1")
    loop.settle()
    loop.finish()
    loop.settle()
    loop.request = "a2"
    loop.settle()
    assert (loop.condition.reason, len(loop.started)) == ("InFlight", 1)
    assert "another revision is on its way" in loop.condition.message


def test_what_cannot_be_done_rests_and_is_told() -> None:
    """No hot retry: the log, a quota, a name that is taken."""
    loop = Loop(request="a1", trouble=Trouble(Reason.AUDIT_UNAVAILABLE, "the log is away", NOW))
    plan = loop.settle()
    assert (loop.condition.reason, loop.started) == ("AuditUnavailable", [])
    assert plan.requeue_after_seconds == 30
    loop.after(seconds=31)
    loop.settle()
    assert len(loop.started) == 1


def test_few_finished_jobs_are_kept() -> None:
    """Those that people may still look into; their outcome is in the status before."""
    loop = Loop({"maxPerWeek": 14})
    for number in range(6):
        loop.request = f"a{number}"
        loop.settle()
        loop.finish("", code=1)
        loop.settle()
        loop.step()
        loop.after(minutes=1)
    assert list(loop.jobs) == loop.started[-3:]
    loop.after(days=30)
    loop.settle()
    known = [run.name for run in loop.model.status.retraining.runs]  # type: ignore[union-attr]
    assert known == loop.started[:-4:-1]
    assert loop.entries.count("Failed") == 6


def test_an_old_question_is_not_answered_again() -> None:
    """Its annotation stays on the model for good, and its Job and its entry in the status do not."""
    loop = Loop(DRIFT | {"maxPerWeek": 14}, request="a1")
    loop.settle()
    loop.finish("", code=1)
    loop.settle()
    for days in range(1, 9):
        loop.after(days=1.5)
        last = verdict_of(Tier.RETRAIN)
        assert last.window is not None
        window = type(last.window)(last.window.start + days, "Mon", {}, 7)
        loop.drift = type(last)(
            last.state, "", window, last.started, windows=last.windows, assessments=last.assessments
        )
        loop.settle()
        loop.finish("", code=1)
        loop.settle()
    manual = [run for run in loop.model.status.retraining.runs if run.trigger == "Manual"]  # type: ignore[union-attr]
    assert manual == []
    loop.drift = None
    loop.after(days=9)
    loop.settle()
    assert len(loop.started) == 9


@pytest.mark.parametrize("logs", [True, False])
@pytest.mark.parametrize("auc", [0.8, 0.6])
def test_one_run_and_one_verdict_with_the_operator_killed_at_any_write(auc: float, *, logs: bool) -> None:
    """Before it and after it: one Job, one revision at most, each entry once, and the same words in the end."""
    reference = _play(Loop(request="a1", logs=logs), auc, killed_after=None)
    for killed_after in range(20):
        loop = _play(Loop(request="a1", logs=logs), auc, killed_after=killed_after)
        assert loop.started == reference.started
        assert list(loop.revisions) == list(reference.revisions)
        assert loop.entries == reference.entries
        assert (loop.condition.reason, loop.condition.message) == (
            reference.condition.reason,
            reference.condition.message,
        )
    assert len(reference.started) == 1
    assert len(reference.revisions) == (auc > 0.7)
    assert bool(reference.entries) is logs


def _play(loop: Loop, auc: float, *, killed_after: int | None) -> Loop:
    loop.writes_left = killed_after
    _through(loop)
    loop.finish(loop.result(loop.started[0], auc=auc))
    _through(loop)
    return loop


def _through(loop: Loop) -> None:
    try:
        loop.settle()
    except Killed:
        loop.restart()
        loop.settle()


def test_a_result_fits_what_the_trainer_sends() -> None:
    """The sample that these tests use is a result."""
    assert orjson.loads(a_result("x"))["model"] == "lead"


def test_without_the_block_its_jobs_go() -> None:
    """Also one that runs: nobody would look at what it leaves. One that goes already is not deleted again."""
    loop = Loop(request="a1")
    loop.settle()
    observed = loop.observe()
    spec = observed.model.spec.model_copy(update={"retraining": None})
    without = replace(observed, model=observed.model.model_copy(update={"spec": spec}))
    plan = decide(without)
    assert [(delete.kind, delete.name) for delete in plan.deletes] == [(JOB, loop.started[0])]
    assert (plan.status.retraining, plan.retraining) == (None, None)
    going = tuple(replace(job, child=replace(job.child, deleting=True)) for job in without.jobs)
    assert decide(replace(without, jobs=going)).deletes == ()


def test_the_pool_is_of_those_who_served() -> None:
    """The one that serves first; what is deleted is no champion any more."""
    loop = Loop({"championPool": 2})
    ages = {"churn-2": 50, "churn-3": 40, "churn-4": 30}
    line = {"line": "main"}
    loop.revisions = {name: a_revision(name, age_minutes=age, labels=line) for name, age in ages.items()}
    for name in ("churn-1", "churn-2", "churn-3", "churn-4"):
        loop.stable = name
        loop.settle()
    status = loop.model.status.retraining
    assert status is not None
    assert status.champions == ("churn-4", "churn-3", "churn-2", "churn-1")
    del loop.revisions["churn-3"]
    loop.settle()
    plan = decide(replace(loop.observe(), model=_asking(loop)))
    assert plan.retraining is not None
    told = {one["name"]: one["value"] for one in _container(plan)["env"]}
    assert [one["revision"] for one in orjson.loads(told["MARQUEE_CHAMPIONS"])] == ["churn-4", "churn-2"]


def _asking(loop: Loop) -> MarketingModel:
    loop.request = "a1"
    return loop.observe().model


def _container(plan: Plan) -> dict[str, Any]:
    assert plan.retraining is not None
    (found,) = plan.retraining.manifest["spec"]["template"]["spec"]["containers"]
    return dict(found)

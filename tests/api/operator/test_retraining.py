"""The closed loop on a real control plane with a real ledger: one Job, its result, the gate, the new revision."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from marquee.audit.events import RetrainingChanged
from marquee.audit.statements import read_entry
from tests.api.operator.conftest import new_team, operator_of
from tests.api.operator.team import QUICK, Team
from tests.support.kinds import Object
from tests.support.ledger import Ledger, keeping_a_log, settings_of
from tests.support.operator import OperatorProcess
from tests.support.retraining import CANDIDATE, SPEC, TRAINER_LABEL, a_result, ended
from tests.support.simulation import SimulatedCluster

CONDITION = "RetrainingUpToDate"


class Loop:
    """A namespace with a model that serves, the ledger that keeps the log, and the operator."""

    def __init__(self, team: Team, ledger: Ledger, operator: OperatorProcess) -> None:
        self.team = team
        self.ledger = ledger
        self.operator = operator
        self._runs: set[str] = set()

    def ask(self, request: str) -> None:
        """As the plugin does it."""
        self.team.edit("MarketingModel", "lead", {"metadata": {"annotations": {"marquee.dev/retrain": request}}})

    def run(self) -> str:
        """Wait for the next Job and its pod; the run's name."""
        self.team.wait(lambda: set(self.team.names("Job")) - self._runs, "another Job")
        (name,) = set(self.team.names("Job")) - self._runs
        self._runs.add(name)
        self.team.wait(lambda: self._pods(name), f"{name} has a pod")
        return name

    def leaves(self, run: str, status: Object) -> None:
        """What a kubelet writes when the trainer ends; the rest is the Job controller's."""
        (pod,) = self._pods(run)
        self.team.edit("Pod", pod["metadata"]["name"], {"status": status}, subresource="status")

    def becomes(self, reason: str) -> Object:
        """Wait for the condition."""
        wanted = f"{CONDITION} says {reason}"
        self.team.wait(lambda: self.team.condition("lead", CONDITION).get("reason") == reason, wanted, 60)
        return self.team.condition("lead", CONDITION)

    def entered(self) -> list[str]:
        """What the audit log says of runs."""
        audit = self.ledger.running.state.audit
        assert audit is not None
        log = audit.committer.log
        events = [read_entry(log.entry(index)).event for index in range(log.size)]
        return [f"{one.change} {one.outcome}".strip() for one in events if isinstance(one, RetrainingChanged)]

    def _pods(self, run: str) -> list[Object]:
        pods = self.team.objects("Pod")
        return [pod for pod in pods if pod["metadata"]["labels"].get("batch.kubernetes.io/job-name") == run]


@pytest.fixture
def loop(elsewhere: SimulatedCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Loop]:
    """One model that serves and tracks its newest revision."""
    folder = tmp_path_factory.mktemp("retraining")
    (folder / "token").write_text("anybody", encoding="ascii")
    (folder / "author").write_text(64 * "2" + "\n", encoding="ascii")
    team = new_team(elsewhere)
    with Ledger(settings_of(folder, **keeping_a_log(folder))) as ledger:
        settings = {
            "ledger_url": ledger.url,
            "ledger_token_path": str(folder / "token"),
            "audit_key_path": str(folder / "author"),
        }
        with operator_of(team, folder, **settings) as operator:
            team.revision("lead-v1", labels={"line": "main"})
            apply(team)
            team.serves("lead", "lead-v1")
            yield Loop(team, ledger, operator)


def apply(team: Team, reference: Object | None = None, **retraining: Any) -> None:
    """The model as people write it."""
    tracked = reference or {"track": {"matchLabels": {"line": "main"}}}
    team.model("lead", tracked, rollout=QUICK, retraining=SPEC | {"maxPerWeek": 14} | retraining)


def test_from_a_question_to_the_revision_that_serves(loop: Loop) -> None:
    """A failure, a candidate that is worse, one that is rolled out, a proposal: one run for each question."""
    team = loop.team
    assert loop.becomes("UpToDate")["status"] == "True"
    served = team.the("Deployment", "lead-v1")["metadata"]["generation"]

    loop.ask("first")
    run = loop.run()
    assert loop.becomes("InFlight")["status"] == "Unknown"
    pod = next(pod for pod in team.objects("Pod") if TRAINER_LABEL in pod["metadata"]["labels"])
    assert "marquee.dev/model" not in pod["metadata"]["labels"]
    loop.leaves(run, ended('{"reason": "DataUnavailable", "message": "no rows"}', code=78))
    told = loop.becomes("DataUnavailable")
    assert (told["status"], "no rows" in told["message"]) == ("False", True)

    loop.ask("second")
    run = loop.run()
    loop.becomes("InFlight")
    loop.leaves(run, ended(a_result(run, auc=0.65)))
    assert "0.65" in loop.becomes("WorseThanChampion")["message"]
    assert team.names("ModelRevision") == ["lead-v1"]
    assert team.status("lead")["retraining"]["comparison"] == [
        {"metric": "auc", "challenger": 0.65, "champion": 0.7, "baseline": 0.6}
    ]

    loop.ask("third")
    run = loop.run()
    loop.becomes("InFlight")
    assert team.the("Deployment", "lead-v1")["metadata"]["generation"] == served
    loop.leaves(run, ended(a_result(run)))
    team.serves("lead", run)
    revision = team.the("ModelRevision", run)
    assert revision["metadata"]["labels"] == {"line": "main", "marquee.dev/run": run}
    assert revision["spec"]["artifact"] == {"uri": f"s3://models/lead/{run}", "digest": CANDIDATE}
    assert revision["spec"]["lineage"]["trigger"] == "Manual/third"
    assert revision["spec"]["metrics"] == [{"name": "auc", "value": 0.8}]
    loop.becomes("GatePassed")
    assert loop.operator.metric("marquee_model_retraining_outcome", model="lead", outcome="GatePassed") == 1

    apply(team, {"name": run})
    team.serves("lead", run)
    loop.ask("fourth")
    fourth = loop.run()
    loop.leaves(fourth, ended(a_result(fourth, auc=0.9, champion=run)))
    waiting = loop.becomes("CandidateWaiting")
    assert (waiting["status"], fourth in waiting["message"]) == ("False", True)
    assert team.receives("lead") == run
    apply(team, {"name": fourth})
    team.serves("lead", fourth)
    assert loop.becomes("GatePassed")["status"] == "True"

    team.wait(lambda: len(team.names("Job")) == 3, "the oldest Job goes")
    team.wait(lambda: team.names("Deployment") == [fourth], "the revision before goes")
    assert len(team.names("ModelRevision")) == 3
    assert loop.entered() == [
        "Started",
        "Failed DataUnavailable",
        "Started",
        "Finished",
        "GateRefused WorseThanChampion",
        "Started",
        "Finished",
        "GatePassed GatePassed",
        "Started",
        "Finished",
        "GatePassed GatePassed",
    ]
    team.rests("lead")


def test_each_end_of_a_run_has_its_reason_and_none_is_tried_again(loop: Loop) -> None:
    """No result, one that is none, out of memory, a Job that somebody deletes, a Job that is refused, no TrainJobs."""
    team = loop.team
    ends = [
        (ended(""), "NoResult"),
        (ended("x" * 5_000), "ResultInvalid"),
        (ended("", code=137, reason="OOMKilled"), "OutOfMemory"),
    ]
    for status, reason in ends:
        loop.ask(f"what ends with {reason}")
        run = loop.run()
        loop.becomes("InFlight")
        loop.leaves(run, status)
        loop.becomes(reason)
    loop.ask("the one that is deleted")
    team.delete("Job", loop.run())
    loop.becomes("RunRemoved")
    since = time.time()
    team.touch("lead")
    time.sleep(2)
    assert [write for write in team.operators_writes(since) if "jobs" in write] == []
    team.limit({"count/jobs.batch": "0"})
    loop.ask("the one that is refused")
    assert "exceeded quota" in loop.becomes("ApplyRejected")["message"]
    apply(team, run={"nodes": 2})
    assert "install Kubeflow Trainer" in loop.becomes("TrainerUnavailable")["message"]
    assert team.condition("lead")["status"] == "True"
    team.model("lead", {"track": {"matchLabels": {"line": "main"}}})
    team.wait(lambda: team.names("Job") == [], "without the block nothing of it is left")
    assert CONDITION not in {one["type"] for one in team.status("lead")["conditions"]}

"""One model's closed loop without a cluster: decisions carried out on dictionaries, and an operator that may die."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

from marquee.api.conditions import Condition, ConditionType
from marquee.api.drift import Drift
from marquee.api.marketing_model import MarketingModel
from marquee.api.model_revision import ModelRevision
from marquee.api.retraining import Retraining
from marquee.api.types import timestamp
from marquee.audit.events import DriftJudged
from marquee.control.decide import decide
from marquee.control.decide.plan import Plan
from marquee.control.kinds import JOB, SERVICE, TRAIN_JOB, TRAINING_RUNTIME
from marquee.control.observe import transforms
from marquee.control.render import names
from marquee.control.snapshot import Child, DriftReading, LogReading, RunMark, Snapshot, Trainer, Trouble
from marquee.evidence.drift.counting import Window
from marquee.evidence.drift.verdict import Assessment, Tier
from marquee.judging.drifting import DriftState, DriftVerdict
from tests.support.retraining import a_result, ended
from tests.unit.control.builders import MODEL, NAMESPACE, NOW, READY, snapshot
from tests.unit.control.ramps import NOT_READ

SPEC: Final[dict[str, Any]] = {
    "artifacts": {"uri": "pvc://models/churn/"},
    "data": {"windowDays": 30},
    "gate": {"metrics": [{"name": "auc", "direction": "HigherIsBetter", "margin": 0.01}], "minimumRows": 100},
    "coolDownHours": 24,
    "maxPerWeek": 3,
}
_OF_DRIFT: Final = {"Retrain", "Stable"}
DAY: Final = 86_400


def verdict_of(*tiers: Tier, loss: float | None = None) -> DriftVerdict:
    """Of windows of a day, the last of which ended at midnight."""
    last = int(NOW.timestamp()) // DAY - 1
    indexes = range(last - len(tiers) + 1, last + 1)
    windows = tuple(Window(index, "Mon", {}, 7) for index in indexes)
    assessments = tuple(Assessment(tier, index, (), {}, (), 0.0) for tier, index in zip(tiers, indexes, strict=True))
    found = DriftVerdict(
        DriftState(tiers[-1]),
        "in words",
        windows[-1],
        datetime.fromtimestamp(last * DAY, NOW.tzinfo),
        windows=windows,
        assessments=assessments,
    )
    return found if loss is None else _Losing(**{name: getattr(found, name) for name in _FIELDS}, lost=loss)


@dataclass(frozen=True)
class _Losing(DriftVerdict):
    lost: float = 0.0

    @property
    def estimated_loss(self) -> float | None:
        return self.lost


_FIELDS: Final = tuple(DriftVerdict.__dataclass_fields__)


def pod_of(job: str, status: dict[str, Any]) -> dict[str, Any]:
    """A trainer's pod."""
    labels = {"marquee.dev/trains": MODEL, "batch.kubernetes.io/job-name": job}
    return {"metadata": {"name": f"{job}-x", "namespace": NAMESPACE, "labels": labels}, "status": status}


def node_of(run: str, rank: int, status: dict[str, Any]) -> dict[str, Any]:
    """One of several pods of a run."""
    pod = pod_of(f"{run}-train-node-0", status)
    pod["metadata"]["labels"] |= {"marquee.dev/run": run, "batch.kubernetes.io/job-completion-index": str(rank)}
    pod["metadata"]["name"] += str(rank)
    return pod


_KINDS: Final = {kind.kind: kind for kind in (JOB, TRAIN_JOB)}


class Killed(Exception):  # noqa: N818 - what happened, not an error of the test
    """The operator died at a write."""


@dataclass
class Loop:
    """The world of one model that serves churn-1."""

    spec: dict[str, Any] = field(default_factory=dict)
    track: bool = True
    now: datetime = NOW
    drift: DriftVerdict | None = None
    request: str = ""
    logs: bool = True
    jobs: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Jobs and TrainJobs, by their run."""
    runtimes: dict[str, dict[str, Any]] = field(default_factory=dict)
    has_train_jobs: bool = True
    pods: dict[str, dict[str, Any]] = field(default_factory=dict)
    revisions: dict[str, ModelRevision] = field(default_factory=dict)
    entries: list[str] = field(default_factory=list)
    started: list[str] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    trouble: Trouble | None = None
    stable: str = "churn-1"
    writes_left: int | None = None
    judged: str = ""
    """What the Service remembers of drift in the log."""
    _known: set[RunMark] = field(default_factory=set)
    _marks: list[RunMark] = field(default_factory=list)
    _model: MarketingModel | None = None

    def observe(self) -> Snapshot:
        """What an operator sees."""
        wanted = {"track": {"line": "main"}} if self.track else {"wanted": "churn-1"}
        arms = {self.stable: READY}
        base = snapshot(stable=self.stable, arms=arms, revisions=("churn-1",), **wanted)
        annotations = {"marquee.dev/retrain": self.request} if self.request else {}
        spec = base.model.spec.model_copy(
            update={"retraining": Retraining.model_validate(SPEC | self.spec), "drift": Drift()}
        )
        if self._model is None:
            self._model = base.model
        status = self._model.status.model_copy(update={"stable": base.model.status.stable})
        metadata = base.model.metadata.model_copy(update={"annotations": annotations})
        first = base.revisions[0]
        tracked = first.model_copy(update={"metadata": first.metadata.model_copy(update={"labels": {"line": "main"}})})
        reading = DriftReading(self.stable, self.drift) if self.drift is not None else DriftReading(self.stable, None)
        return replace(
            base,
            model=base.model.model_copy(update={"spec": spec, "metadata": metadata, "status": status}),
            revisions=(tracked, *self.revisions.values()),
            jobs=tuple(transforms.job(_KINDS[body["kind"]], body) for body in self.jobs.values()),
            training_runtimes=tuple(transforms.child(TRAINING_RUNTIME, body) for body in self.runtimes.values()),
            has_train_jobs=self.has_train_jobs,
            trainer_pods=tuple(transforms.trainer_pod(JOB, body) for body in self.pods.values()),
            trainer=Trainer("registry.example.com/trainer:1", author="system:serviceaccount:marquee:operator"),
            trouble=self.trouble,
            ledger=NOT_READ,
            drift=reading,
            children=tuple(map(self._remembering, base.children)),
            now=self.now,
            audit=LogReading(marks=frozenset(self._known)) if self.logs else None,
        )

    def step(self) -> Plan:
        """One pass: the step of retraining, or else the status."""
        plan = decide(self.observe())
        self._remember(plan)
        if plan.retraining is not None:
            for entry in plan.retraining.entries:
                if entry.mark not in self._marks:
                    self._write(lambda entry=entry: self._enter(entry.mark))  # type: ignore[misc]
                self._known.add(entry.mark)
            if plan.retraining.kind is not None:
                manifest = plan.retraining.manifest
                kind, runtime = plan.retraining.kind, plan.retraining.runtime
                if runtime is not None and runtime["metadata"]["name"] not in self.runtimes:
                    self._write(lambda: self._make("TrainingRuntime", runtime))
                self._write(lambda: self._make(kind.kind, manifest))
            return plan
        assert self._model is not None
        if plan.status != self._model.status:
            self._write(lambda: self._report(plan))
        self.notices += [notice.reason.value for notice in plan.notices if notice.reason.value not in _OF_DRIFT]
        for delete in plan.deletes:
            if delete.kind == TRAINING_RUNTIME:
                self.runtimes.pop(delete.name, None)
            gone = [run for run, body in self.jobs.items() if body["metadata"]["uid"] == delete.uid]
            for run in gone:
                del self.jobs[run]
        return plan

    def _remember(self, plan: Plan) -> None:
        for event in [entry.event for entry in plan.entries if isinstance(entry.event, DriftJudged)]:
            self.judged = f"{event.revision} {event.verdict}"

    def _remembering(self, child: Child) -> Child:
        known = {names.ANNOTATION_DRIFT: self.judged} if self.judged and child.kind == SERVICE else {}
        return replace(child, annotations={**child.annotations, **known})

    def settle(self) -> Plan:
        """Until nothing is to be done any more."""
        for _ in range(20):
            plan = self.step()
            rests = plan.retraining is None and not plan.entries
            if rests and self._model is not None and decide(self.observe()).status == plan.status:
                return plan
        raise AssertionError("it does not come to rest")

    def restart(self) -> None:
        """Another operator leads: it knows what the log's newest entries say once it has looked."""
        self._known = set()
        self.trouble = None
        self.writes_left = None

    def finish(self, message: str | None = None, *, code: int = 0, reason: str = "", job_reason: str = "") -> str:
        """The run that is under way ends; the Job's name."""
        name = list(self.jobs)[-1]
        text = self.result(name) if message is None else message
        self.pods[name] = pod_of(name, ended(text, code=code, reason=reason))
        self.end_job(
            name, "Complete" if code == 0 else "Failed", job_reason or ("" if code == 0 else "PodFailurePolicy")
        )
        return name

    def end_job(self, name: str, kind: str, reason: str = "") -> None:
        """The Job controller's word."""
        condition = {"type": kind, "status": "True", "lastTransitionTime": timestamp(self.now), "reason": reason}
        self.jobs[name]["status"] = {"conditions": [condition]}

    def result(self, name: str, **changes: Any) -> str:
        """Of a good run."""
        return a_result(name, champion=self.stable, model=MODEL, uri=f"pvc://models/churn/{name}", **changes)

    def after(self, **time: float) -> None:
        """Time goes by."""
        self.now += timedelta(**time)

    @property
    def condition(self) -> Condition:
        """What people read."""
        assert self._model is not None
        kind = ConditionType.RETRAINING_UP_TO_DATE
        return next(one for one in self._model.status.conditions if one.type == kind)

    @property
    def model(self) -> MarketingModel:
        """As it was reported last."""
        assert self._model is not None
        return self._model

    def _write(self, write: Callable[[], None]) -> None:
        if self.writes_left == 0:
            raise Killed
        write()
        if self.writes_left is not None:
            self.writes_left -= 1
            if self.writes_left == 0:
                raise Killed

    def _enter(self, mark: RunMark) -> None:
        assert mark not in self._marks
        self._marks.append(mark)
        self.entries.append(mark.change)

    def _make(self, kind: str, manifest: dict[str, Any]) -> None:
        name = manifest["metadata"]["name"]
        created = {"creationTimestamp": timestamp(self.now), "uid": f"uid-{kind}-{name}"}
        body = manifest | {"metadata": manifest["metadata"] | created}
        if kind in _KINDS:
            run = body["metadata"]["labels"].get("marquee.dev/run", name)
            assert run not in self.jobs
            self.jobs[run] = body
            self.started.append(run)
        elif kind == "TrainingRuntime":
            assert name not in self.runtimes
            self.runtimes[name] = body
        else:
            assert name not in self.revisions
            self.revisions[name] = ModelRevision.model_validate(body)

    def _report(self, plan: Plan) -> None:
        self._model = self.model.model_copy(update={"status": plan.status})

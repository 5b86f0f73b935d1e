"""The steps of retraining against an API server of a few lines: entries first, one object, and what is remembered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import pytest

from marquee.api.conditions import Reason
from marquee.control.cluster.client import Client
from marquee.control.cluster.errors import AlreadyExists, Forbidden, NotFound
from marquee.control.decide.plan import RetrainingStep, RunEntry
from marquee.control.kinds import JOB, MODEL_REVISION, TRAIN_JOB, TRAINING_RUNTIME, Kind
from marquee.control.ledger.errors import LedgerUnavailableError
from marquee.control.render import names
from marquee.control.retraining import Retrainer
from marquee.control.snapshot import ModelKey
from tests.unit.control.builders import NOW

KEY = ("crm", "churn")


def a_job(name: str = "churn-a", *, uid: str = "uid-model", trigger: str = "t1") -> dict[str, Any]:
    """A manifest, as far as this looks at it."""
    labels = {names.LABEL_MODEL: "churn", names.LABEL_TRIGGER: trigger}
    metadata = {"name": name, "namespace": "crm", "labels": labels, "ownerReferences": [{"uid": uid}]}
    return {"kind": "Job", "metadata": metadata}


def a_revision(digest: str = "sha256:aa") -> dict[str, Any]:
    """Likewise."""
    return {"kind": "ModelRevision", "metadata": {"name": "churn-a", "namespace": "crm"}, "spec": {"digest": digest}}


def refused(kind: type[Any], status: int) -> Any:
    """An answer of the API server."""
    return kind(status, "Because", "quota is used up", "/apis")


@dataclass
class Cluster:
    """Stores what is created; one of the same name is refused."""

    stored: list[dict[str, Any]] = field(default_factory=list)
    refuses: Exception | None = None
    refusals: int = -1
    """How often; without end where it is negative."""
    serves_train_jobs: bool = True
    done: list[str] = field(default_factory=list)

    async def create(self, kind: Kind, manifest: dict[str, Any]) -> dict[str, Any]:
        """See `Client.create`."""
        if self.refuses is not None and self.refusals != 0 and kind != TRAINING_RUNTIME:
            self.refusals -= 1
            raise self.refuses
        names_taken = {one["metadata"]["name"] for one in self.stored if one["kind"] == kind.kind}
        if manifest["metadata"]["name"] in names_taken:
            raise refused(AlreadyExists, 409)
        self.done.append(f"create {kind.kind} {manifest['metadata']['name']}")
        self.stored.append(manifest)
        return manifest

    async def list(
        self, kind: Kind, *, namespace: str, label_selector: str = "", field_selector: str = ""
    ) -> list[dict[str, Any]]:
        """See `Client.list`."""
        assert namespace == "crm"
        if kind == TRAIN_JOB and not self.serves_train_jobs:
            raise refused(NotFound, 404)
        labels = dict(pair.split("=") for pair in label_selector.split(",") if pair)
        name = field_selector.removeprefix("metadata.name=")
        return [
            one
            for one in self.stored
            if one["kind"] == kind.kind
            and labels.items() <= one["metadata"].get("labels", {}).items()
            and name in {"", one["metadata"]["name"]}
        ]

    async def delete(self, kind: Kind, namespace: str, name: str, *, uid: str) -> None:
        """See `Client.delete`."""
        (found,) = (one for one in self.stored if one["metadata"].get("uid") == uid)
        assert (found["kind"], namespace, found["metadata"]["name"]) == (kind.kind, "crm", name)
        self.done.append(f"delete {kind.kind} {name}")
        self.stored.remove(found)


@dataclass
class Caches:
    """What was taken into the caches and the log, in order."""

    cluster: Cluster
    away: bool = False
    taken: list[str] = field(default_factory=list)

    def write_back(self, kind: Kind, body: dict[str, Any]) -> None:
        """See `Jobs`."""
        self.taken.append(f"{kind.kind} {body['metadata']['name']}")

    def put_revision(self, body: dict[str, Any]) -> None:
        """See `Revisions`."""
        self.taken.append(f"ModelRevision {body['metadata']['name']}")

    async def enter_runs(self, _: ModelKey, entries: Sequence[RunEntry]) -> None:
        """See `RunLog`."""
        if self.away:
            raise LedgerUnavailableError("no answer")
        self.cluster.done += ["enter"] * len(entries)


def hand(cluster: Cluster, *, away: bool = False) -> tuple[Retrainer, Caches]:
    """What makes the steps."""
    caches = Caches(cluster, away)
    retrainer = Retrainer(cast("Client", cluster), caches, caches, caches, now=lambda: NOW, pauses=(0.0, 0.0))
    return retrainer, caches


def step(kind: Kind, manifest: dict[str, Any]) -> RetrainingStep:
    """With one entry before it."""
    return RetrainingStep((cast("RunEntry", object()),), kind, manifest)


async def test_the_entry_comes_first_and_the_caches_learn_of_the_object() -> None:
    """So that the next decision sees it."""
    cluster = Cluster()
    retrainer, caches = hand(cluster)
    await retrainer.carry_out(KEY, step(JOB, a_job()))
    await retrainer.carry_out(KEY, step(MODEL_REVISION, a_revision()))
    assert cluster.done == ["enter", "create Job churn-a", "enter", "create ModelRevision churn-a"]
    assert caches.taken == ["Job churn-a", "ModelRevision churn-a"]
    assert retrainer.trouble(KEY) is None


async def test_a_job_that_answers_the_same_trigger_is_the_one() -> None:
    """Whatever its name, and although no cache has told of it; another model's of the same name is none."""
    cluster = Cluster([a_job("churn-of-others", uid="uid-former"), a_job("churn-b")])
    retrainer, caches = hand(cluster)
    await retrainer.carry_out(KEY, step(JOB, a_job()))
    assert caches.taken == ["Job churn-b"]
    assert len(cluster.stored) == 2


@pytest.mark.parametrize(("kind", "manifest"), [(JOB, a_job(trigger="t2")), (MODEL_REVISION, a_revision())])
async def test_our_own_write_whose_answer_was_lost_is_found(kind: Kind, manifest: dict[str, Any]) -> None:
    """It says the same, or has the same owner."""
    stored = a_job() if kind == JOB else a_revision()
    cluster = Cluster([stored])
    retrainer, caches = hand(cluster)
    await retrainer.carry_out(KEY, step(kind, manifest))
    assert caches.taken == [f"{kind.kind} churn-a"]
    assert cluster.stored == [stored]


@pytest.mark.parametrize(
    ("kind", "manifest", "stored"),
    [
        (JOB, a_job(), a_job(uid="uid-other", trigger="t2")),
        (MODEL_REVISION, a_revision(), a_revision("sha256:bb")),
    ],
)
async def test_what_somebody_else_has_made_is_left_alone(
    kind: Kind, manifest: dict[str, Any], stored: dict[str, Any]
) -> None:
    """And told."""
    retrainer, caches = hand(Cluster([stored]))
    await retrainer.carry_out(KEY, step(kind, manifest))
    trouble = retrainer.trouble(KEY)
    assert trouble is not None
    assert (trouble.reason, trouble.at, caches.taken) == (Reason.NAME_CONFLICT, NOW, [])
    assert "churn-a" in trouble.message


def a_train_job(**options: Any) -> dict[str, Any]:
    """A run of many nodes."""
    return a_job("churn-a-train", **options) | {"kind": "TrainJob"}


def a_runtime(says: str = "now", *, uid: str = "") -> dict[str, Any]:
    """What it refers to."""
    body = a_job("churn-a-train") | {"kind": "TrainingRuntime"}
    body["metadata"] |= {"annotations": {names.ANNOTATION_RENDERED: says}} | ({"uid": uid} if uid else {})
    return body


def together(**options: Any) -> RetrainingStep:
    """The step that makes both."""
    return RetrainingStep((cast("RunEntry", object()),), TRAIN_JOB, a_train_job(**options), a_runtime())


async def test_the_runtime_is_made_first() -> None:
    """And is found again by an operator that comes after one who made it alone."""
    for before in ([], [a_runtime(uid="uid-1")]):
        cluster = Cluster(list(before))
        retrainer, caches = hand(cluster)
        await retrainer.carry_out(KEY, together())
        assert cluster.done == [
            "enter",
            *([] if before else ["create TrainingRuntime churn-a-train"]),
            "create TrainJob churn-a-train",
        ]
        assert caches.taken == ["TrainingRuntime churn-a-train", "TrainJob churn-a-train"]


async def test_a_runtime_that_says_something_else_is_made_anew() -> None:
    """Who served may have changed since an operator died between the two; somebody else's stays."""
    cluster = Cluster([a_runtime("before", uid="uid-1")])
    retrainer, _ = hand(cluster)
    await retrainer.carry_out(KEY, together())
    assert cluster.done[1:] == [
        f"{verb} churn-a-train" for verb in ("delete TrainingRuntime", "create TrainingRuntime", "create TrainJob")
    ]
    foreign = a_runtime("before", uid="uid-1")
    foreign["metadata"]["ownerReferences"] = []
    retrainer, _ = hand(cluster := Cluster([foreign]))
    await retrainer.carry_out(KEY, together())
    trouble = retrainer.trouble(KEY)
    assert trouble is not None
    assert (trouble.reason, cluster.stored) == (Reason.NAME_CONFLICT, [foreign])


@pytest.mark.parametrize(("refusals", "made"), [(2, 1), (3, 0)])
async def test_a_runtime_that_is_not_known_yet_is_waited_for(refusals: int, made: int) -> None:
    """For a moment: what refuses any longer is told."""
    cluster = Cluster(refuses=refused(Forbidden, 403), refusals=refusals)
    retrainer, _ = hand(cluster)
    await retrainer.carry_out(KEY, together())
    assert cluster.done == ["enter", "create TrainingRuntime churn-a-train"] + ["create TrainJob churn-a-train"] * made
    assert (retrainer.trouble(KEY) is None) == bool(made)


@pytest.mark.parametrize("kind", [JOB, TRAIN_JOB])
async def test_one_run_answers_whichever_kind_it_has(kind: Kind) -> None:
    """The number of nodes may have changed since it was made; and without Kubeflow Trainer there are Jobs alone."""
    stored = a_job("churn-b") if kind == JOB else a_train_job()
    for wanted in (step(JOB, a_job()), together()):
        retrainer, caches = hand(cluster := Cluster([stored]))
        await retrainer.carry_out(KEY, wanted)
        assert (cluster.stored, caches.taken) == ([stored], [f"{kind.kind} {stored['metadata']['name']}"])
    retrainer, caches = hand(Cluster(serves_train_jobs=False))
    await retrainer.carry_out(KEY, step(JOB, a_job()))
    assert caches.taken == ["Job churn-a"]


async def test_without_the_log_nothing_is_made() -> None:
    """Until it is back; then the trouble is over."""
    cluster = Cluster()
    retrainer, caches = hand(cluster, away=True)
    await retrainer.carry_out(KEY, step(JOB, a_job()))
    trouble = retrainer.trouble(KEY)
    assert trouble is not None
    assert (trouble.reason, cluster.stored) == (Reason.AUDIT_UNAVAILABLE, [])
    caches.away = False
    await retrainer.carry_out(KEY, step(JOB, a_job()))
    assert (retrainer.trouble(KEY), len(cluster.stored)) == (None, 1)


async def test_a_refusal_is_remembered_until_the_model_is_gone() -> None:
    """In the API server's words."""
    retrainer, _ = hand(Cluster(refuses=refused(Forbidden, 403)))
    await retrainer.carry_out(KEY, step(JOB, a_job()))
    trouble = retrainer.trouble(KEY)
    assert trouble is not None
    assert trouble.reason is Reason.APPLY_REJECTED
    assert "quota is used up" in trouble.message
    retrainer.forget(KEY)
    assert retrainer.trouble(KEY) is None

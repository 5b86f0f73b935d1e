"""The Job of a run: what it is told, what it may, and that nothing that serves knows its pods."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from marquee.api.retraining import Retraining
from marquee.cli.run_environment import read_request
from marquee.contract.retraining import CHAMPIONS, SPANS, RunSetting
from marquee.control.render import children, names
from marquee.control.render.retraining import RunOrder, code_digest, job, read_order, trigger_digest, use_case_name
from marquee.control.snapshot import Trainer
from marquee.judging.retraining import run_name
from tests.unit.control.builders import MODEL, NOW, a_model, a_revision
from tests.unit.control.looping import SPEC

MODEL_BODY: Final = a_model(revision={"name": "churn-1"})
TRAINER: Final = Trainer("registry.example.com/trainer:1", "Always", ("login",))
ORDER: Final = RunOrder(
    run="churn-0123456789ab",
    trigger="Drift",
    asked="churn-1/20048",
    why="what the model sees has changed",
    seed=7,
    uri="pvc://models/churn/churn-0123456789ab",
    window_start=NOW - timedelta(days=30),
    window_end=NOW,
    excluded=((NOW - timedelta(days=3), NOW - timedelta(days=2)),),
    champions=("churn-1",),
)


def rendered(champions: tuple[str, ...] = ("churn-1",), order: RunOrder = ORDER, **spec: Any) -> dict[str, Any]:
    """The Job."""
    retraining = Retraining.model_validate(SPEC | spec)
    return job(MODEL_BODY, retraining, order, [a_revision(name) for name in champions], TRAINER)


def container(manifest: dict[str, Any]) -> dict[str, Any]:
    """Its only one."""
    (found,) = manifest["spec"]["template"]["spec"]["containers"]
    return dict(found)


def environment(manifest: dict[str, Any]) -> dict[str, str]:
    """What it is told."""
    return {entry["name"]: entry["value"] for entry in container(manifest)["env"]}


def test_it_is_told_everything() -> None:
    """Every setting of the contract, in the forms that it asks for."""
    told = environment(rendered(gate=SPEC["gate"] | {"slices": [{"input": "region", "maximalLoss": 0.1}]}))
    assert {setting.value for setting in RunSetting} <= told.keys()
    assert told["MARQUEE_RUN"] == ORDER.run
    assert told["MARQUEE_ARTIFACT_URI"] == ORDER.uri
    assert (told["MARQUEE_WINDOW_START"], told["MARQUEE_WINDOW_END"]) == (
        "2024-10-23T12:00:00+00:00",
        "2024-11-22T12:00:00+00:00",
    )
    (champion,) = CHAMPIONS.validate_json(told["MARQUEE_CHAMPIONS"])
    assert (champion.revision, champion.digest) == ("churn-1", a_revision("churn-1").spec.artifact.digest)
    (span,) = SPANS.validate_json(told["MARQUEE_EXCLUDED_WINDOWS"])
    assert (span.start, span.end) == ORDER.excluded[0]
    assert (told["MARQUEE_METRICS"], told["MARQUEE_SLICES"]) == ("auc", "region")


def test_a_run_is_told_the_groups_that_fairness_is_judged_by() -> None:
    """Each input once, whoever asks for it."""
    slices = [{"input": name, "maximalGap": 0.1} for name in ("age", "region")]
    model = a_model(revision={"name": "churn-1"}, governance={"fairness": {"metric": "auc", "slices": slices}})
    gate = SPEC["gate"] | {"slices": [{"input": name, "maximalLoss": 0.1} for name in ("region", "channel")]}
    manifest = job(model, Retraining.model_validate(SPEC | {"gate": gate}), ORDER, [a_revision("churn-1")], TRAINER)
    assert environment(manifest)["MARQUEE_SLICES"] == "age,region,channel"


def test_the_shipped_trainer_understands_it() -> None:
    """Both halves of the contract, one against the other; also where an API server leaves out what is empty."""
    request = read_request(environment(rendered()), data_cache=Path("cache"))
    assert (request.run, request.model, request.trigger, request.seed) == (ORDER.run, MODEL, "Drift", 7)
    assert (request.start, request.end, request.out) == (ORDER.window_start, ORDER.window_end, ORDER.uri)
    assert [(span.start, span.end) for span in request.excluded] == list(ORDER.excluded)
    assert [champion.revision for champion in request.champions] == ["churn-1"]
    assert (request.metrics, request.slices) == (("auc",), ())
    order = replace(ORDER, window_start=None, window_end=None, excluded=())
    told = {name: value for name, value in environment(rendered((), order)).items() if value}
    bare = read_request(told, data_cache=Path("cache"))
    assert (bare.data_uri, bare.start, bare.end, bare.excluded, bare.champions) == ("", None, None, (), ())


def test_without_windows_and_champions_they_are_empty() -> None:
    """As the contract says."""
    told = environment(rendered((), replace(ORDER, window_start=None, window_end=None, excluded=())))
    empty = ("MARQUEE_WINDOW_START", "MARQUEE_WINDOW_END", "MARQUEE_DATA_URI", "MARQUEE_SLICES")
    assert [told[name] for name in empty] == [""] * 4
    assert (told["MARQUEE_CHAMPIONS"], told["MARQUEE_EXCLUDED_WINDOWS"]) == ("[]", "[]")


@pytest.mark.parametrize(
    ("run", "command", "arguments"),
    [
        ({}, None, ["retrain", "lead-scoring"]),
        ({"args": ["fit"]}, None, ["fit"]),
        ({"command": ["python"]}, ["python"], None),
        ({"command": ["python"], "args": ["-m", "fit"]}, ["python"], ["-m", "fit"]),
    ],
)
def test_what_runs(run: dict[str, Any], command: list[str] | None, arguments: list[str] | None) -> None:
    """The use case's trainer, unless somebody says else."""
    found = container(rendered(run=run))
    assert (found.get("command"), found.get("args")) == (command, arguments)


def test_whose_image() -> None:
    """The operator's, with its pull policy, or the model's own."""
    assert (container(rendered())["image"], container(rendered())["imagePullPolicy"]) == (TRAINER.image, "Always")
    own = container(rendered(run={"image": "registry.example.com/own:2"}))
    assert (own["image"], own["imagePullPolicy"]) == ("registry.example.com/own:2", "IfNotPresent")
    assert rendered()["spec"]["template"]["spec"]["imagePullSecrets"] == [{"name": "login"}]


def test_only_the_artifacts_volume_is_writable() -> None:
    """Each claim once; champions and data are read."""
    manifest = rendered(data={"uri": "pvc://rows/churn"}, artifacts={"uri": "pvc://new/churn"})
    mounts = {
        mount["mountPath"]: mount.get("readOnly", False)
        for mount in container(manifest)["volumeMounts"]
        if mount["mountPath"].startswith("/mnt/")
    }
    assert mounts == {"/mnt/artifacts/new": False, "/mnt/artifacts/rows": True, "/mnt/artifacts/models": True}
    assert container(rendered())["volumeMounts"][-1] == {"name": "claim-0", "mountPath": "/mnt/artifacts/models"}


def test_nothing_that_serves_selects_its_pods() -> None:
    """Not the Service, the PodDisruptionBudget, which needs a controller that can be scaled, nor the NetworkPolicy."""
    labels = rendered()["spec"]["template"]["metadata"]["labels"]
    service = children.service(MODEL_BODY, revision="churn-1", annotations={}, both_arms=True)
    selectors = [
        service["spec"]["selector"],
        children.pod_disruption_budget(MODEL_BODY)["spec"]["selector"]["matchLabels"],
        children.network_policy(MODEL_BODY)["spec"]["podSelector"]["matchLabels"],
    ]
    assert not [selector for selector in selectors if selector.items() <= labels.items()]
    assert labels[names.LABEL_TRAINS] == MODEL


def test_only_lost_pods_are_tried_again() -> None:
    """A disruption counts, an exit code ends the run; and it has an end."""
    spec = rendered(run={"deadlineSeconds": 60})["spec"]
    assert spec["template"]["spec"]["restartPolicy"] == "Never"
    assert [rule["action"] for rule in spec["podFailurePolicy"]["rules"]] == ["Count", "FailJob"]
    assert (spec["backoffLimit"], spec["activeDeadlineSeconds"]) == (3, 60)


def test_the_order_is_read_as_it_was_written() -> None:
    """By whoever takes over; what somebody has made of it counts as none."""
    assert read_order(rendered()["metadata"]["annotations"][names.ANNOTATION_ORDER]) == ORDER
    assert [read_order(text) for text in (None, "", "{", "[]", '{"run": 1}')] == [None] * 5


def test_what_it_answers_is_a_label() -> None:
    """By which it is found before a second one is made."""
    assert rendered()["metadata"]["labels"][names.LABEL_TRIGGER] == trigger_digest("Drift/churn-1/20048")
    assert re.fullmatch("[0-9a-f]{12}", trigger_digest("Manual/" + "x" * 64))


def test_other_code_is_another_run() -> None:
    """An image, an argument, a use case; not what it may use of the machine."""
    spec = Retraining.model_validate(SPEC)
    usual = code_digest(spec, TRAINER, "churn")
    others = [
        code_digest(spec, Trainer("registry.example.com/trainer:2"), "churn"),
        code_digest(Retraining.model_validate(SPEC | {"run": {"args": ["x"]}}), TRAINER, "churn"),
        code_digest(spec, TRAINER, "uplift"),
    ]
    assert usual not in others
    assert code_digest(Retraining.model_validate(SPEC | {"coolDownHours": 1}), TRAINER, "churn") == usual
    assert use_case_name(a_model(revision={"name": "x"}, useCase="CustomerValue")) == "customer-value"


def test_long_names_fit() -> None:
    """A model's name has at most 50 characters, and a run's is that of a revision: it begins with it."""
    name = run_name("growth/" + "m" * 50, data_window="", code_digest="", trigger="")
    assert (len(name), name.startswith("m" * 50 + "-")) == (63, True)

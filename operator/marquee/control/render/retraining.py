"""The Job of one retraining run: restricted pods that no Service selects, told what to do by their environment."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

import orjson
from pydantic import TypeAdapter, ValidationError

from marquee.api.marketing_model import MarketingModel
from marquee.api.model_revision import ModelRevision
from marquee.api.retraining import Gate, Retraining
from marquee.contract import pod
from marquee.contract.retraining import CHAMPIONS, MAX_CHAMPIONS, SPANS, Champion, RunSetting, Span
from marquee.contract.training import TrainerSetting
from marquee.control.kinds import JOB
from marquee.control.render import names
from marquee.control.render.deployment import LEDGER_TOKEN_MOUNT, USER_ID, claim_of, ledger_token_volume
from marquee.control.snapshot import Trainer

TRAINER_CONTAINER: Final = "trainer"
MOST_LOST_PODS: Final = 3
"""Pods that a node may take with it until the run counts as lost; what a trainer says itself is never tried again."""
_CACHE: Final = "/var/cache/marquee"
_WORD: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")
_DIGITS: Final = 12


@dataclass(frozen=True, slots=True)
class RunOrder:
    """What is asked of a run; kept on its Job, so that whoever reads its result knows what it answers."""

    run: str
    trigger: str
    asked: str
    """What tells the trigger from others of its kind."""
    why: str
    """For people."""
    seed: int
    uri: str
    """Folder of the artifact."""
    window_start: datetime | None = None
    window_end: datetime | None = None
    excluded: tuple[tuple[datetime, datetime], ...] = ()
    champions: tuple[str, ...] = ()
    """Revisions to compare with; the one that serves first."""

    @property
    def key(self) -> str:
        """The trigger, as no other is."""
        return f"{self.trigger}/{self.asked}"


_ORDER: Final = TypeAdapter(RunOrder)


def read_order(text: str | None) -> RunOrder | None:
    """The order in a Job's annotation; None when it is not there, or somebody has changed it beyond recognition."""
    try:
        return _ORDER.validate_json(text) if text else None
    except ValidationError:
        return None


def code_digest(retraining: Retraining, trainer: Trainer, use_case: str) -> str:
    """What runs, as far as is known before it has run."""
    run = retraining.run
    words = orjson.dumps([run.image or trainer.image, run.command, run.args, use_case])
    return hashlib.sha256(words).hexdigest()


def trigger_digest(key: str) -> str:
    """A label's value for a trigger."""
    return hashlib.sha256(key.encode()).hexdigest()[:_DIGITS]


def use_case_name(model: MarketingModel) -> str:
    """As trainers call it: ``lead-scoring`` for LeadScoring."""
    return _WORD.sub("-", model.spec.use_case.value).lower()


def job(
    model: MarketingModel,
    retraining: Retraining,
    order: RunOrder,
    champions: Sequence[ModelRevision],
    trainer: Trainer,
) -> dict[str, Any]:
    """The manifest; a Job never changes. One pod at a time, which is tried again only when its node has lost it."""
    content = {
        "spec": {
            "backoffLimit": MOST_LOST_PODS,
            "activeDeadlineSeconds": retraining.run.deadline_seconds,
            "podReplacementPolicy": "Failed",
            "podFailurePolicy": {
                "rules": [
                    {"action": "Count", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
                    {
                        "action": "FailJob",
                        "onExitCodes": {
                            "containerName": TRAINER_CONTAINER,
                            "operator": "NotIn",
                            "values": [0],
                        },
                    },
                ]
            },
            "template": {
                "metadata": {"labels": pod_labels(model)},
                "spec": pod_spec(model, retraining, order, champions, trainer),
            },
        }
    }
    return names.manifest(
        model,
        JOB.api_version,
        JOB.kind,
        order.run,
        content,
        labels={names.LABEL_NAME: names.TRAINER, names.LABEL_TRIGGER: trigger_digest(order.key)},
        annotations={names.ANNOTATION_ORDER: orjson.dumps(asdict(order)).decode()},
    )


def pod_labels(model: MarketingModel) -> dict[str, str]:
    """By which the operator finds a run's pods, and nothing that serves selects them."""
    trains = {names.LABEL_TRAINS: model.metadata.name}
    return {names.LABEL_NAME: names.TRAINER, names.LABEL_TEAM: model.spec.owner.team, **trains}


def pod_spec(
    model: MarketingModel,
    retraining: Retraining,
    order: RunOrder,
    champions: Sequence[ModelRevision],
    trainer: Trainer,
) -> dict[str, Any]:
    """What runs in each pod of a run."""
    run = retraining.run
    volumes: list[dict[str, Any]] = [{"name": "cache", "emptyDir": {}}, {"name": "tmp", "emptyDir": {}}]
    mounts: list[dict[str, Any]] = [
        {"name": "cache", "mountPath": _CACHE},
        {"name": "tmp", "mountPath": "/tmp"},  # noqa: S108 - a path inside the container
    ]
    for number, (claim, writable) in enumerate(_claims(retraining, champions).items()):
        source: dict[str, Any] = {"claimName": claim} | ({} if writable else {"readOnly": True})
        volumes.append({"name": f"claim-{number}", "persistentVolumeClaim": source})
        mount: dict[str, Any] = {"name": f"claim-{number}", "mountPath": f"{pod.PVC_MOUNT_ROOT}/{claim}"}
        mounts.append(mount | ({} if writable else {"readOnly": True}))
    if _reads_suppressions(model, trainer):
        volumes.append(ledger_token_volume())
        mounts.append(LEDGER_TOKEN_MOUNT)
    spec: dict[str, Any] = {
        "restartPolicy": "Never",
        "serviceAccountName": run.service_account_name or names.service_account_name(model),
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": USER_ID,
            "runAsGroup": USER_ID,
            "fsGroup": USER_ID,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(model, retraining, order, champions, trainer, mounts)],
        "volumes": volumes,
    }
    if trainer.image_pull_secrets:
        spec["imagePullSecrets"] = [{"name": name} for name in trainer.image_pull_secrets]
    return spec


def _claims(retraining: Retraining, champions: Sequence[ModelRevision]) -> dict[str, bool]:
    """Volumes to mount, and whether the run may write to them: to that of its artifact alone."""
    uris = [retraining.artifacts.uri, retraining.data.uri or "", *(one.spec.artifact.uri for one in champions)]
    found = [claim for claim in map(claim_of, uris) if claim is not None]
    return {claim: claim == claim_of(retraining.artifacts.uri) for claim in dict.fromkeys(found)}


def _container(
    model: MarketingModel,
    retraining: Retraining,
    order: RunOrder,
    champions: Sequence[ModelRevision],
    trainer: Trainer,
    mounts: list[dict[str, Any]],
) -> dict[str, Any]:
    run = retraining.run
    resources = run.resources.model_dump(mode="json", by_alias=True)
    container: dict[str, Any] = {
        "name": TRAINER_CONTAINER,
        "image": run.image or trainer.image,
        "imagePullPolicy": "IfNotPresent" if run.image else trainer.image_pull_policy,
        "env": [
            {"name": name, "value": value} for name, value in _settings(model, retraining, order, champions, trainer)
        ],
        "resources": {key: values for key, values in resources.items() if values},
        "volumeMounts": mounts,
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        },
    }
    if run.environment_secret is not None:
        container["envFrom"] = [{"secretRef": {"name": run.environment_secret}}]
    if run.command:
        container["command"] = list(run.command)
    if run.args:
        container["args"] = list(run.args)
    elif not run.command:
        container["args"] = ["retrain", use_case_name(model)]
    return container


def _reads_suppressions(model: MarketingModel, trainer: Trainer) -> bool:
    return model.spec.privacy is not None and bool(trainer.ledger_url)


def _settings(
    model: MarketingModel,
    retraining: Retraining,
    order: RunOrder,
    champions: Sequence[ModelRevision],
    trainer: Trainer,
) -> Iterator[tuple[str, str]]:
    told = tuple(
        Champion(revision=one.metadata.name, uri=one.spec.artifact.uri, digest=one.spec.artifact.digest)
        for one in champions[:MAX_CHAMPIONS]
    )
    spans = tuple(Span(start=start, end=end) for start, end in order.excluded)
    gate = retraining.gate
    yield RunSetting.RUN, order.run
    yield RunSetting.MODEL, model.metadata.name
    yield RunSetting.TRIGGER, order.trigger
    yield RunSetting.SEED, str(order.seed)
    yield RunSetting.DATA, retraining.data.uri or ""
    yield RunSetting.WINDOW_START, _instant(order.window_start)
    yield RunSetting.WINDOW_END, _instant(order.window_end)
    yield RunSetting.EXCLUDED, SPANS.dump_json(spans, by_alias=True).decode()
    yield RunSetting.ARTIFACT, order.uri
    yield RunSetting.CHAMPIONS, CHAMPIONS.dump_json(told, by_alias=True).decode()
    yield RunSetting.METRICS, ",".join(metric.name for metric in gate.metrics)
    yield RunSetting.SLICES, ",".join(_slice_inputs(model, gate))
    yield RunSetting.NAMESPACE, model.metadata.namespace
    asks = _reads_suppressions(model, trainer)
    yield RunSetting.LEDGER_URL, trainer.ledger_url if asks else ""
    yield RunSetting.LEDGER_TOKEN, pod.LEDGER_TOKEN_PATH if asks else ""
    yield TrainerSetting.CACHE, _CACHE
    yield "HOME", "/tmp"  # noqa: S108 - the root is read-only, and libraries write below their home


def _slice_inputs(model: MarketingModel, gate: Gate) -> tuple[str, ...]:
    """Those that the gate looks at, and those that fairness is judged by: a run is told each once."""
    governance = model.spec.governance
    fairness = governance.fairness.slices if governance is not None and governance.fairness is not None else ()
    return tuple(dict.fromkeys([*(one.input for one in fairness), *(one.input for one in gate.slices)]))


def _instant(moment: datetime | None) -> str:
    return moment.isoformat() if moment is not None else ""

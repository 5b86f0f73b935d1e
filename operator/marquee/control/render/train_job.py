"""The TrainJob of a run on many nodes, and the TrainingRuntime that it refers to: the Job's pod once for each node.

Kubeflow Trainer gives pods the labels of their runtime's template and no others, so every run has a runtime of its own.
It makes a JobSet of both, whose headless Service has the TrainJob's name: it must not be that of a revision, which may
have a Service too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, Final

import orjson

from marquee.api.marketing_model import MarketingModel
from marquee.api.model_revision import ModelRevision
from marquee.api.retraining import Retraining
from marquee.contract.distributed import EXIT_CODE_PEER_LOST
from marquee.control.kinds import TRAIN_JOB, TRAINING_RUNTIME
from marquee.control.render import names
from marquee.control.render.retraining import MOST_LOST_PODS, RunOrder, pod_labels, pod_spec, trigger_digest
from marquee.control.snapshot import Trainer

NODE: Final = "node"
"""Container and replicated job, as Kubeflow Trainer has them."""
_ANCESTOR: Final = {"trainer.kubeflow.org/trainjob-ancestor-step": "trainer"}
_MODEL_LETTERS: Final = 28
_HASH_DIGITS: Final = 12


def train_job_name(run: str) -> str:
    """At most 47 letters, which leaves 16 of 63 for what JobSet adds in a pod's name."""
    model, _, digest = run.rpartition("-")
    return f"{model[:_MODEL_LETTERS]}-{digest[:_HASH_DIGITS]}-train"


def train_job(model: MarketingModel, retraining: Retraining, order: RunOrder) -> dict[str, Any]:
    """The manifest; its spec never changes."""
    run, name = retraining.run, train_job_name(order.run)
    content = {
        "spec": {
            "runtimeRef": {"apiGroup": TRAINING_RUNTIME.group, "kind": TRAINING_RUNTIME.kind, "name": name},
            "trainer": {"numNodes": run.nodes, "numProcPerNode": run.processes_per_node},
            "activeDeadlineSeconds": run.deadline_seconds,
        }
    }
    return names.manifest(
        model,
        TRAIN_JOB.api_version,
        TRAIN_JOB.kind,
        name,
        content,
        labels={
            names.LABEL_NAME: names.TRAINER,
            names.LABEL_TRIGGER: trigger_digest(order.key),
            names.LABEL_RUN: order.run,
        },
        annotations={names.ANNOTATION_ORDER: orjson.dumps(asdict(order)).decode()},
    )


def training_runtime(
    model: MarketingModel,
    retraining: Retraining,
    order: RunOrder,
    champions: Sequence[ModelRevision],
    trainer: Trainer,
) -> dict[str, Any]:
    """The manifest. All nodes start again, with each other, when one of them is lost; else the first error ends all."""
    job_set = {
        "failurePolicy": {
            "maxRestarts": MOST_LOST_PODS,
            "rules": [
                {"name": "said", "action": "FailJobSet", "onJobFailureReasons": ["PodFailurePolicy"]},
                {"name": "lost", "action": "RestartJobSet", "onJobFailureReasons": ["BackoffLimitExceeded"]},
            ],
        },
        "replicatedJobs": [
            {
                "name": NODE,
                "replicas": 1,
                "template": {
                    "metadata": {"labels": _ANCESTOR},
                    "spec": _nodes(model, retraining, order, champions, trainer),
                },
            }
        ],
    }
    content = {
        "spec": {
            "mlPolicy": {"numNodes": retraining.run.nodes, "torch": {}},
            "template": {"spec": job_set},
        }
    }
    return names.manifest(
        model,
        TRAINING_RUNTIME.api_version,
        TRAINING_RUNTIME.kind,
        train_job_name(order.run),
        content,
        labels={names.LABEL_NAME: names.TRAINER, names.LABEL_RUN: order.run},
    )


def _nodes(
    model: MarketingModel,
    retraining: Retraining,
    order: RunOrder,
    champions: Sequence[ModelRevision],
    trainer: Trainer,
) -> dict[str, Any]:
    """The Job of all nodes; how many, Kubeflow Trainer says."""
    spec = pod_spec(model, retraining, order, champions, trainer)
    (container,) = spec["containers"]
    return {
        "backoffLimit": 0,
        "completionMode": "Indexed",
        "podReplacementPolicy": "Failed",
        "podFailurePolicy": {
            "rules": [
                {"action": "Count", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
                _on_exit("Count", "In", EXIT_CODE_PEER_LOST),
                _on_exit("FailJob", "NotIn", 0),
            ]
        },
        "template": {
            "metadata": {"labels": pod_labels(model) | {names.LABEL_RUN: order.run}},
            "spec": spec | {"containers": [container | {"name": NODE}]},
        },
    }


def _on_exit(action: str, operator: str, code: int) -> dict[str, Any]:
    return {"action": action, "onExitCodes": {"containerName": NODE, "operator": operator, "values": [code]}}

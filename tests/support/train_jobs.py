"""What Kubeflow Trainer, JobSet and the Job controller make of a TrainJob, where a test plays them."""

from __future__ import annotations

from typing import Any, Final

from tests.support.kinds import Object

NODES: Final = {"run": {"nodes": 2}}
"""Of ``spec.retraining``."""
_INDEX: Final = "batch.kubernetes.io/job-completion-index"


def node_pods(runtime: Object, train_job: Object) -> list[Object]:
    """The pods of a TrainJob, as its TrainingRuntime has them."""
    metadata, count = train_job["metadata"], train_job["spec"]["trainer"]["numNodes"]
    (nodes,) = runtime["spec"]["template"]["spec"]["replicatedJobs"]
    template = nodes["template"]["spec"]["template"]
    job = f"{metadata['name']}-{nodes['name']}-0"
    return [
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": f"{job}-{rank}-abcde",
                "labels": template["metadata"]["labels"] | {"batch.kubernetes.io/job-name": job, _INDEX: str(rank)},
                "ownerReferences": [
                    {
                        "apiVersion": train_job["apiVersion"],
                        "kind": "TrainJob",
                        "name": metadata["name"],
                        "uid": metadata["uid"],
                    }
                ],
            },
            "spec": template["spec"],
        }
        for rank in range(count)
    ]


def over(kind: str, reason: str, message: str = "") -> dict[str, Any]:
    """Status of a TrainJob that is over: ``Complete`` or ``Failed``."""
    condition = {
        "type": kind,
        "status": "True",
        "reason": reason,
        "message": message or reason,
        "lastTransitionTime": "2026-11-29T00:01:00Z",
    }
    return {"conditions": [condition]}

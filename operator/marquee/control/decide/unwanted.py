"""What retraining has made and nobody needs any more: Jobs, TrainJobs, and the TrainingRuntimes of TrainJobs. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from marquee.control.decide.plan import Delete, RetrainingStep
from marquee.control.kinds import TRAIN_JOB
from marquee.control.snapshot import Child, JobState, Snapshot


def unwanted(
    snapshot: Snapshot, jobs: Iterable[JobState], *, starting: RetrainingStep | None = None
) -> Iterator[Delete]:
    """Deletes of these Jobs and TrainJobs, and of each TrainingRuntime whose TrainJob goes, went, or was never made.

    Kubeflow Trainer keeps a TrainingRuntime for as long as its TrainJob is there, in whatever order they are deleted.
    """
    going = [state.child for state in jobs]
    gone = {child.uid for child in going}
    used = {
        state.child.name for state in snapshot.jobs if state.child.kind == TRAIN_JOB and state.child.uid not in gone
    }
    if starting is not None and starting.runtime is not None:
        used.add(starting.runtime["metadata"]["name"])
    runtimes = [child for child in snapshot.training_runtimes if child.name not in used]
    yield from (_delete(child) for child in (*going, *runtimes) if not child.deleting)


def _delete(child: Child) -> Delete:
    return Delete(kind=child.kind, namespace=child.namespace, name=child.name, uid=child.uid)

"""What the audit log is told of a retraining run: its start, its end, and what the gate says of its candidate. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

from marquee.api.retraining import ComparedMetric
from marquee.audit.events import ComparedFigure, RetrainingChanged, Subject
from marquee.contract.retraining import RetrainingResult
from marquee.control.decide.plan import RunEntry
from marquee.control.decide.reasoning import spec_subject
from marquee.control.render.retraining import RunOrder
from marquee.control.snapshot import RunMark, Snapshot

Change = Literal["Started", "Finished", "Failed", "GatePassed", "GateRefused"]
_DIGEST: Final = "sha256:"
_TEXT_LIMIT: Final = 1_900


def started_entry(snapshot: Snapshot, order: RunOrder) -> RunEntry:
    """It comes before the Job."""
    subjects = [spec_subject(snapshot)]
    for name in order.champions:
        revision = snapshot.revision(name)
        if revision is not None and revision.spec.artifact.digest.startswith(_DIGEST):
            digest = revision.spec.artifact.digest.removeprefix(_DIGEST)
            subjects.append(Subject(name=f"revision/{name}", sha256=digest))
    return _entry(snapshot, order, "Started", order.why, subjects)


def failed_entry(snapshot: Snapshot, order: RunOrder, outcome: str, message: str) -> RunEntry:
    """A run that left no candidate."""
    return _entry(snapshot, order, "Failed", message, [spec_subject(snapshot)], outcome=outcome)


def judged_entries(
    snapshot: Snapshot,
    order: RunOrder,
    result: RetrainingResult,
    *,
    passed: bool,
    outcome: str,
    message: str,
    champion: str,
    figures: Sequence[ComparedMetric],
) -> tuple[RunEntry, ...]:
    """The end of a run with a candidate, and the gate's verdict on it; the ModelRevision comes after them."""
    subjects = [
        spec_subject(snapshot),
        Subject(name=f"artifact/{order.run}", sha256=result.digest.removeprefix(_DIGEST)),
        Subject(name=f"data/{order.run}", sha256=result.data_digest.removeprefix(_DIGEST)),
    ]
    finished = _entry(snapshot, order, "Finished", f"the artifact is at {result.uri}", subjects)
    change: Change = "GatePassed" if passed else "GateRefused"
    verdict = _entry(snapshot, order, change, message, subjects, outcome=outcome)
    told = {
        "rows": result.comparison.rows,
        "champion": champion,
        "figures": tuple(
            ComparedFigure(
                metric=one.metric,
                challenger=repr(one.challenger),
                champion=repr(one.champion) if one.champion is not None else "",
                baseline=repr(one.baseline) if one.baseline is not None else "",
            )
            for one in figures
        ),
    }
    return finished, RunEntry(verdict.mark, verdict.event.model_copy(update=told), verdict.subjects)


def _entry(
    snapshot: Snapshot,
    order: RunOrder,
    change: Change,
    why: str,
    subjects: Sequence[Subject],
    *,
    outcome: str = "",
) -> RunEntry:
    uid = snapshot.model.metadata.uid
    event = RetrainingChanged(
        actor="",
        reason=why[:_TEXT_LIMIT],
        run=order.run,
        change=change,
        model_uid=uid,
        trigger=order.key,
        window_start=order.window_start,
        window_end=order.window_end,
        seed=order.seed,
        outcome=outcome,
    )
    return RunEntry(RunMark(uid, order.run, change), event, tuple(subjects))

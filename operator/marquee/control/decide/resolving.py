"""Which revision should run."""

from __future__ import annotations

from dataclasses import dataclass

from marquee.api.conditions import Reason
from marquee.api.marketing_model import ServingClass
from marquee.api.model_revision import ModelRevision
from marquee.control.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Resolution:
    """The wanted revision, or why there is none and what to do about it."""

    revision: ModelRevision | None
    reason: Reason = Reason.SERVING
    message: str = ""


def resolve(snapshot: Snapshot) -> Resolution:
    """The revision that ``spec.revision`` means at this moment."""
    if snapshot.spec_error:
        return Resolution(None, Reason.SPEC_INVALID, snapshot.spec_error)
    if snapshot.model.spec.serving.class_ is ServingClass.EXTERNAL:
        return _of_others(snapshot)
    reference = snapshot.model.spec.revision
    assert reference is not None  # noqa: S101 - the CRD's rule: always there with class Marquee
    if reference.name is not None:
        return _pinned(snapshot, reference.name)
    assert reference.track is not None  # noqa: S101 - the CRD's rule: exactly one of the two
    return _newest(snapshot, reference.track.match_labels)


def _of_others(snapshot: Snapshot) -> Resolution:
    """Nothing is to run: who judges is the ledger, when it is asked."""
    if snapshot.ledger is None:
        return Resolution(
            None,
            Reason.LEDGER_UNAVAILABLE,
            "spec.serving.class External: nobody could be asked for a verdict, as the operator was installed without a "
            "ledger; install the chart with ledger.enabled, or delete this model",
        )
    metadata = snapshot.model.metadata
    return Resolution(
        None,
        Reason.SERVED_BY_OTHERS,
        "spec.serving.class External: somebody else deploys the pods and moves the traffic; the ledger answers for "
        f"verdicts at /judge/{metadata.namespace}/{metadata.name}",
    )


def _pinned(snapshot: Snapshot, name: str) -> Resolution:
    model = snapshot.model.metadata.name
    if (revision := snapshot.revision(name)) is not None:
        return Resolution(revision)
    for other in snapshot.revisions_of_others:
        if other.metadata.name == name:
            return Resolution(
                None,
                Reason.REVISION_OF_OTHER_MODEL,
                f"spec.revision.name: ModelRevision {name!r} belongs to model {other.spec.model!r}, not {model!r}; "
                "name a revision of this model",
            )
    return Resolution(
        None,
        Reason.REVISION_NOT_FOUND,
        f"spec.revision.name: ModelRevision {name!r} does not exist in namespace "
        f"{snapshot.model.metadata.namespace!r}; create it, or name one that `kubectl get mrev` lists",
    )


def _newest(snapshot: Snapshot, wanted: dict[str, str]) -> Resolution:
    matching = [
        revision
        for revision in snapshot.revisions
        if wanted.items() <= revision.metadata.labels.items() and revision.metadata.deletion_timestamp is None
    ]
    if not matching:
        labels = ",".join(f"{key}={value}" for key, value in sorted(wanted.items()))
        return Resolution(
            None,
            Reason.NO_REVISION_MATCHES,
            f"spec.revision.track: no ModelRevision of model {snapshot.model.metadata.name!r} carries {labels}; "
            "create or label one",
        )
    return Resolution(max(matching, key=lambda found: (found.metadata.creation_timestamp, found.metadata.name)))

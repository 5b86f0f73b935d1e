"""Which revision `spec.revision` means."""

from __future__ import annotations

import pytest

from marquee.api.conditions import Reason
from marquee.api.model_revision import ModelRevision
from marquee.control.decide.resolving import resolve
from tests.unit.control.builders import EARLIER, a_revision, snapshot

PRODUCTION = {"stage": "production"}


def _going(revision: ModelRevision) -> ModelRevision:
    metadata = revision.metadata.model_copy(update={"deletion_timestamp": EARLIER})
    return revision.model_copy(update={"metadata": metadata})


def test_a_pinned_revision_is_found_by_name() -> None:
    """The name in the spec is the revision."""
    found = resolve(snapshot(wanted="churn-2")).revision
    assert found is not None
    assert found.metadata.name == "churn-2"


def test_a_missing_revision_is_told_with_what_to_do() -> None:
    """The message names the field, the revision, the namespace and the command that lists them."""
    resolution = resolve(snapshot(wanted="churn-9"))
    assert resolution.revision is None
    assert resolution.reason is Reason.REVISION_NOT_FOUND
    assert resolution.message == (
        "spec.revision.name: ModelRevision 'churn-9' does not exist in namespace 'crm'; "
        "create it, or name one that `kubectl get mrev` lists"
    )


def test_a_revision_of_another_model_is_told() -> None:
    """Serving another model's bytes under this model's name would be the worst of mistakes."""
    resolution = resolve(snapshot(wanted="uplift-1", others=(a_revision("uplift-1", of="uplift"),)))
    assert resolution.revision is None
    assert resolution.reason is Reason.REVISION_OF_OTHER_MODEL
    assert "'uplift-1' belongs to model 'uplift', not 'churn'" in resolution.message


def test_tracking_takes_the_newest_that_matches() -> None:
    """All labels must match; of those that do, the youngest wins."""
    revisions = (
        a_revision("churn-1", labels=PRODUCTION, age_minutes=30),
        a_revision("churn-2", labels=PRODUCTION | {"region": "eu"}, age_minutes=20),
        a_revision("churn-3", labels={"stage": "staging"}, age_minutes=10),
    )
    found = resolve(snapshot(track=PRODUCTION, revisions=revisions)).revision
    assert found is not None
    assert found.metadata.name == "churn-2"


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_of_the_same_second_the_name_decides(order: tuple[int, int]) -> None:
    """The choice does not depend on the order in which revisions are seen."""
    both = [a_revision(name, labels=PRODUCTION) for name in ("churn-1", "churn-2")]
    found = resolve(snapshot(track=PRODUCTION, revisions=tuple(both[index] for index in order))).revision
    assert found is not None
    assert found.metadata.name == "churn-2"


def test_tracking_ignores_what_is_on_its_way_out() -> None:
    """A revision that is being deleted is not rolled out."""
    revisions = (
        a_revision("churn-1", labels=PRODUCTION, age_minutes=30),
        _going(a_revision("churn-2", labels=PRODUCTION, age_minutes=20)),
    )
    found = resolve(snapshot(track=PRODUCTION, revisions=revisions)).revision
    assert found is not None
    assert found.metadata.name == "churn-1"


def test_tracking_nothing_is_told_with_the_labels() -> None:
    """The message names the labels as `kubectl get -l` takes them."""
    resolution = resolve(snapshot(track={"stage": "production", "region": "eu"}))
    assert resolution.revision is None
    assert resolution.reason is Reason.NO_REVISION_MATCHES
    assert "no ModelRevision of model 'churn' carries region=eu,stage=production" in resolution.message


def test_a_spec_that_cannot_be_read_wins_over_everything() -> None:
    """An old operator does not guess what a newer spec means."""
    resolution = resolve(snapshot(wanted="churn-1", spec_error="spec.scaling.class: upgrade the operator"))
    assert resolution.revision is None
    assert (resolution.reason, resolution.message) == (
        Reason.SPEC_INVALID,
        "spec.scaling.class: upgrade the operator",
    )

"""Snapshots from the caches."""

from __future__ import annotations

from typing import Any, cast

from marquee.control.kinds import SCALED_OBJECT, Kind
from marquee.control.observe.children import Children, Owned
from marquee.control.observe.observer import Observer
from marquee.control.observe.resources import Resources
from marquee.control.snapshot import Snapshot
from tests.support import samples
from tests.unit.control.builders import DEFAULTS, NOW, READY, a_probe, snapshot

PROBE = a_probe("churn-1", passed=True)


class FakeChildren:
    """Hands out one model's children, and notes what it was asked for."""

    def __init__(self, seen: Snapshot) -> None:
        self.owned = Owned(seen.deployments, seen.pods, seen.children)
        self.asked: list[tuple[str, str, str]] = []

    def of(self, namespace: str, model: str, *, owner_uid: str) -> Owned:
        """As `Children.of`."""
        self.asked.append((namespace, model, owner_uid))
        return self.owned

    def serves(self, kind: Kind) -> bool:
        """As `Children.serves`: this cluster has no KEDA."""
        return kind != SCALED_OBJECT


def _observe(model: dict[str, Any] | None, *revisions: dict[str, Any]) -> tuple[Snapshot | None, FakeChildren]:
    resources = Resources()
    if model is not None:
        resources.put_model(model)
    for revision in revisions:
        resources.put_revision(revision)
    children = FakeChildren(snapshot(stable="churn-1", arms={"churn-1": READY}))
    observer = Observer(resources, cast("Children", children), {("crm", "churn"): PROBE}.get, DEFAULTS, lambda: NOW)
    return observer.observe(("crm", "churn")), children


def _model(revision: str = "churn-1", **metadata: Any) -> dict[str, Any]:
    body = samples.model("churn", revision=revision, namespace="crm")
    body["metadata"] |= {"uid": "uid-model", "resourceVersion": "1"} | metadata
    return body


def test_a_snapshot_holds_everything_about_one_model() -> None:
    """The model, its revisions, its children, the last probe, the operator's defaults and the time."""
    seen, children = _observe(_model(), samples.revision("churn-1", of="churn", namespace="crm"))
    assert seen is not None
    assert [revision.metadata.name for revision in seen.revisions] == ["churn-1"]
    assert children.asked == [("crm", "churn", "uid-model")]
    assert (seen.deployments, seen.pods, seen.children) == (
        children.owned.deployments,
        children.owned.pods,
        children.owned.others,
    )
    assert (seen.probe, seen.defaults, seen.now, seen.spec_error) == (PROBE, DEFAULTS, NOW, "")


def test_a_model_that_is_gone_or_going_has_none() -> None:
    """Its children go with it, by ownership: writing them again would fight the garbage collector."""
    assert _observe(None)[0] is None
    assert _observe(_model(deletionTimestamp="2024-11-22T12:00:00Z"))[0] is None


def test_a_pinned_revision_of_another_model_is_shown_as_such() -> None:
    """So that the condition can say whose it is."""
    seen, _ = _observe(_model("uplift-1"), samples.revision("uplift-1", of="uplift", namespace="crm"))
    assert seen is not None
    assert seen.revisions == ()
    assert [revision.metadata.name for revision in seen.revisions_of_others] == ["uplift-1"]


def test_a_revision_of_its_own_is_no_other() -> None:
    """What belongs to the model is among its revisions alone."""
    seen, _ = _observe(_model("churn-1"), samples.revision("churn-1", of="churn", namespace="crm"))
    assert seen is not None
    assert seen.revisions_of_others == ()


def test_an_unreadable_spec_is_passed_on() -> None:
    """The decision is to touch nothing, and to say why."""
    body = _model()
    body["spec"]["scaling"] = {"class": "VPA"}
    seen, _ = _observe(body)
    assert seen is not None
    assert seen.spec_error.startswith("spec.scaling.class: ")


def test_a_child_is_found_by_kind_and_name() -> None:
    """Deployments are among the children, so that what is converged is recognised."""
    seen, _ = _observe(_model(), samples.revision("churn-1", of="churn", namespace="crm"))
    assert seen is not None
    (state,) = seen.deployments
    assert seen.child(state.child.kind, "churn-1") is state.child
    assert seen.child(state.child.kind, "churn-2") is None
    assert seen.deployment("churn-1") is state
    assert seen.revision("churn-1") is seen.revisions[0]
    assert seen.revision("churn-2") is None

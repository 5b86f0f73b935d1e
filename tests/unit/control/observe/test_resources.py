"""The cache of Marquee's own kinds."""

from __future__ import annotations

from typing import Any

from marquee.control.observe.resources import Resources
from tests.support import samples


def _model(name: str = "churn", *, revision: str = "churn-1", version: int = 10, **spec: Any) -> dict[str, Any]:
    body = samples.model(name, revision=revision, namespace="crm", **spec)
    body["metadata"] |= {"uid": f"uid-{name}", "resourceVersion": str(version), "generation": version}
    return body


def _revision(name: str, *, of: str = "churn") -> dict[str, Any]:
    return samples.revision(name, of=of, namespace="crm")


def _names(resources: Resources, model: str = "churn") -> list[str]:
    return [revision.metadata.name for revision in resources.revisions_of("crm", model)]


def test_a_model_is_kept_by_namespace_and_name() -> None:
    """What the watch delivers can be asked for."""
    resources = Resources()
    assert resources.put_model(_model())
    stored = resources.model("crm", "churn")
    assert stored is not None
    assert stored.model.metadata.uid == "uid-churn"
    assert resources.model("other", "churn") is None
    assert resources.knows("crm", "churn", "MarketingModel")
    assert [model.metadata.name for model in resources.models()] == ["churn"]


def test_an_older_version_changes_nothing() -> None:
    """The watch may deliver what came before our own write; the answer to the write is newer."""
    resources = Resources()
    resources.put_model(_model(version=12, useCase="Pricing"))
    resources.put_model(_model(version=11, useCase="Churn"))
    stored = resources.model("crm", "churn")
    assert stored is not None
    assert stored.model.spec.use_case == "Pricing"


def test_the_same_version_tells_nothing_new() -> None:
    """Our own write comes back through the watch, and needs no second look."""
    resources = Resources()
    assert resources.put_model(_model(version=12))
    assert not resources.put_model(_model(version=12))
    assert resources.put_model(_model(version=13))


def test_versions_compare_as_numbers() -> None:
    """Version 9 is older than version 10, whatever their letters say."""
    resources = Resources()
    resources.put_model(_model(version=10, useCase="Pricing"))
    resources.put_model(_model(version=9, useCase="Churn"))
    stored = resources.model("crm", "churn")
    assert stored is not None
    assert stored.model.spec.use_case == "Pricing"


def test_a_deleted_model_is_forgotten() -> None:
    """Neither it nor its interest in a revision stays."""
    resources = Resources()
    resources.put_model(_model(revision="uplift-1"))
    resources.remove_model("crm", "churn")
    resources.remove_model("crm", "churn")
    assert resources.model("crm", "churn") is None
    assert resources.models_interested_in("crm", "uplift-1", "uplift") == {"uplift"}


def test_revisions_are_found_by_their_model() -> None:
    """In the order of their names, whatever the order of events."""
    resources = Resources()
    for body in (_revision("churn-2"), _revision("churn-1"), _revision("uplift-1", of="uplift")):
        resources.put_revision(body)
    assert _names(resources) == ["churn-1", "churn-2"]
    assert _names(resources, "uplift") == ["uplift-1"]
    assert resources.revision("crm", "uplift-1") is not None
    assert resources.revision("crm", "uplift-9") is None
    resources.remove_revision("crm", "churn-1")
    resources.remove_revision("crm", "churn-1")
    assert _names(resources) == ["churn-2"]


def test_a_name_used_again_for_another_model_leaves_the_first() -> None:
    """A ModelRevision deleted and created again, of which the watch showed only the end."""
    resources = Resources()
    resources.put_revision(_revision("churn-eu-1", of="churn"))
    resources.put_revision(_revision("churn-eu-1", of="churn-eu"))
    assert _names(resources, "churn") == []
    assert _names(resources, "churn-eu") == ["churn-eu-1"]
    resources.remove_revision("crm", "churn-eu-1")
    assert _names(resources, "churn-eu") == []


def test_whoever_names_a_revision_is_interested_in_it() -> None:
    """Its own model, and every model that pins it, also wrongly: its condition changes when it appears."""
    resources = Resources()
    resources.put_model(_model("churn", revision="uplift-1"))
    resources.put_model(_model("uplift", revision="uplift-1"))
    resources.put_model(_model("pricing", revision="pricing-1"))
    assert resources.models_interested_in("crm", "uplift-1", "uplift") == {"churn", "uplift"}
    resources.put_model(_model("churn", revision="churn-1", version=11))
    assert resources.models_interested_in("crm", "uplift-1", "uplift") == {"uplift"}
    assert resources.models_interested_in("crm", "churn-1", "churn") == {"churn"}


def test_an_unreadable_revision_counts_as_absent() -> None:
    """Bytes that this operator does not understand are not served."""
    resources = Resources()
    body = _revision("churn-1")
    body["spec"]["artifact"] = {"layers": []}
    resources.put_revision(body)
    assert _names(resources) == []
    assert not resources.knows("crm", "churn-1", "ModelRevision")


class TestUnreadableModels:
    """Objects of a newer CRD."""

    def test_the_last_spec_that_was_understood_stays(self) -> None:
        """It is told what is wrong and where; who the object is, is taken from the newest."""
        resources = Resources()
        resources.put_model(_model(version=10))
        assert resources.put_model(_model(version=11, scaling={"class": "VPA"}))
        stored = resources.model("crm", "churn")
        assert stored is not None
        assert stored.model.spec.scaling.class_ == "None"
        assert (stored.model.metadata.generation, stored.model.metadata.resource_version) == (11, "11")
        assert stored.spec_error == (
            "spec.scaling.class: Input should be 'None', 'HPA', 'KEDA' or 'External'; this operator cannot read the "
            "field: upgrade it, or change the field"
        )

    def test_a_model_that_was_never_understood_is_known_too(self) -> None:
        """After a downgrade, its condition can still say why nothing happens."""
        resources = Resources()
        body = _model(scaling={"class": "VPA"})
        body["status"] = {"stable": {"revision": "churn-1", "digest": "sha256:0", "since": "2024-11-22T12:00:00Z"}}
        assert resources.put_model(body)
        stored = resources.model("crm", "churn")
        assert stored is not None
        assert stored.spec_error.startswith("spec.scaling.class: ")
        assert stored.model.metadata.uid == "uid-churn"
        assert stored.model.status.stable is not None
        assert stored.model.status.stable.revision == "churn-1"

    def test_a_repaired_spec_is_taken(self) -> None:
        """The error goes with its cause."""
        resources = Resources()
        resources.put_model(_model(version=10, scaling={"class": "VPA"}))
        resources.put_model(_model(version=11, useCase="Pricing"))
        stored = resources.model("crm", "churn")
        assert stored is not None
        assert (stored.model.spec.use_case, stored.spec_error) == ("Pricing", "")

    def test_an_unreadable_status_is_no_fault_of_the_spec(self) -> None:
        """A status of a newer operator is replaced; who has proven itself is kept."""
        resources = Resources()
        body = _model()
        stable = {"revision": "churn-1", "digest": "sha256:0", "since": "2024-11-22T12:00:00Z"}
        body["status"] = {"phase": "Shadowing", "stable": stable}
        resources.put_model(body)
        stored = resources.model("crm", "churn")
        assert stored is not None
        assert stored.spec_error == ""
        assert stored.model.spec.use_case == "LeadScoring"
        assert stored.model.status.phase is None
        assert stored.model.status.stable is not None
        assert stored.model.status.stable.revision == "churn-1"

    def test_a_status_that_says_nothing_readable_is_empty(self) -> None:
        """Nothing of it is guessed."""
        resources = Resources()
        body = _model()
        body["status"] = {"phase": "Shadowing", "stable": {"arms": []}}
        resources.put_model(body)
        stored = resources.model("crm", "churn")
        assert stored is not None
        assert stored.model.status.stable is None
        assert stored.spec_error == ""


def test_approvals_are_kept_by_the_model_that_they_name() -> None:
    """One that can't be read, or whose end has no zone, counts as none; a deleted one is forgotten."""
    spec = {
        "model": "churn",
        "revision": "churn-1",
        "digest": "sha256:" + "1" * 64,
        "policy": "0" * 16,
        "approver": "anna",
        "expires": "2026-12-24T12:00:00Z",
    }
    resources = Resources()
    for name, change in (("a", {}), ("b", {"expires": "soon"}), ("c", {"expires": "2026-12-24T12:00:00"}), ("d", {})):
        resources.put_approval({"metadata": {"name": name, "namespace": "crm"}, "spec": spec | change})
    assert [one.metadata.name for one in resources.approvals_of("crm", "churn")] == ["a", "d"]
    assert resources.approvals_of("crm", "leads") == ()
    resources.remove_approval("crm", "a")
    resources.put_approval({"metadata": {"name": "d", "namespace": "crm"}, "spec": spec | {"model": "leads"}})
    assert resources.approvals_of("crm", "churn") == ()
    assert [one.metadata.name for one in resources.approvals_of("crm", "leads")] == ["d"]

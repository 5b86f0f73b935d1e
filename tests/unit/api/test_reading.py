"""Reading stored objects, also those of a CRD that is newer than this operator."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from marquee.api.marketing_model import MarketingModel
from marquee.api.model_revision import ModelRevision
from marquee.api.scaling import ScalingClass
from tests.support.samples import model, revision


def test_fields_of_a_newer_crd_are_ignored() -> None:
    """During an upgrade the old operator reads objects with fields it has never heard of."""
    body = model("churn", revision="churn-1", scaling={"class": "HPA", "maxReplicas": 3, "warmPool": [{"size": 2}]})
    body["spec"]["tomorrow"] = {"window": "1d"}
    body["metadata"]["managedFields"] = [{"manager": "kubectl"}]
    body["status"] = {"phase": "Serving", "audit": {"size": 3}}
    read = MarketingModel.model_validate(body)
    assert read.spec.scaling.class_ is ScalingClass.HPA
    assert read.status.phase == "Serving"
    assert not hasattr(read.spec, "tomorrow")


def test_a_value_of_a_newer_crd_is_an_error_with_its_place() -> None:
    """A word that this operator does not know cannot be ignored: it would do something else than asked."""
    body = model("churn", revision="churn-1", scaling={"class": "VPA"})
    with pytest.raises(ValidationError) as refused:
        MarketingModel.model_validate(body)
    assert refused.value.errors()[0]["loc"] == ("spec", "scaling", "class")


def test_what_is_read_cannot_be_changed() -> None:
    """A decision cannot alter what other decisions are made from."""
    read = ModelRevision.model_validate(revision("churn-1", of="churn"))
    with pytest.raises(ValidationError, match="frozen"):
        read.spec.model = "other"  # type: ignore[misc]


def test_writing_uses_the_names_of_the_api() -> None:
    """What is dumped for the wire reads back as the same object."""
    read = MarketingModel.model_validate(model("churn", revision="churn-1"))
    wire = read.model_dump(mode="json", by_alias=True, exclude_none=True)
    assert wire["spec"]["useCase"] == "LeadScoring"
    assert MarketingModel.model_validate(wire) == read

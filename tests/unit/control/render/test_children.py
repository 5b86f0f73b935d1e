"""The objects that a model has once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from marquee.api.marketing_model import MarketingModel
from marquee.control.render import children, names
from marquee.control.render.deployment import deployment
from marquee.control.render.scaling import horizontal_pod_autoscaler
from tests.unit.control.builders import DEFAULTS, a_model, a_revision

HPA = {"class": "HPA", "minReplicas": 2, "maxReplicas": 9}


def _autoscaler(model: MarketingModel) -> dict[str, Any]:
    manifest = horizontal_pod_autoscaler(model, revision="churn-1")
    assert manifest is not None
    return manifest


EVERYTHING: dict[str, Callable[[MarketingModel], dict[str, Any]]] = {
    "ServiceAccount": children.service_account,
    "Service": lambda model: children.service(model, revision="churn-1", annotations={}),
    "PodDisruptionBudget": children.pod_disruption_budget,
    "NetworkPolicy": children.network_policy,
    "HorizontalPodAutoscaler": _autoscaler,
    "Deployment": lambda model: deployment(model, a_revision("churn-1"), DEFAULTS),
}


@pytest.mark.parametrize("kind", EVERYTHING)
def test_every_child_belongs_to_its_model(kind: str) -> None:
    """It is labelled, owned and controlled by the model, so that it is found and goes with it."""
    model = a_model(revision={"name": "churn-1"}, scaling=HPA)
    manifest = EVERYTHING[kind](model)
    metadata = manifest["metadata"]
    assert manifest["kind"] == kind
    assert metadata["namespace"] == "crm"
    assert metadata["labels"][names.LABEL_MODEL] == "churn"
    assert metadata["labels"][names.LABEL_MANAGED_BY] == names.MANAGED_BY
    assert metadata["labels"][names.LABEL_TEAM] == "growth"
    assert metadata["annotations"][names.ANNOTATION_CONTACT] == "growth@example.com"
    assert metadata["ownerReferences"] == [
        {
            "apiVersion": "marquee.dev/v1alpha1",
            "kind": "MarketingModel",
            "name": "churn",
            "uid": "uid-model",
            "controller": True,
            "blockOwnerDeletion": True,
        }
    ]


@pytest.mark.parametrize("kind", EVERYTHING)
def test_the_stamp_tells_what_the_manifest_says(kind: str) -> None:
    """The same manifest has the same stamp, another one another; the stamp covers labels too."""
    model = a_model(revision={"name": "churn-1"}, scaling=HPA)
    other = a_model(revision={"name": "churn-1"}, scaling=HPA, owner={"team": "crm", "contact": "abc"})
    stamps = [EVERYTHING[kind](which)["metadata"]["annotations"][names.ANNOTATION_RENDERED] for which in (model, other)]
    assert EVERYTHING[kind](model) == EVERYTHING[kind](model)
    assert stamps[0] != stamps[1]


def test_names_fit_for_the_longest_model() -> None:
    """A model's name of 50 letters makes names and labels of at most 63."""
    model = a_model(revision={"name": "churn-1"}, scaling=HPA)
    model = model.model_copy(update={"metadata": model.metadata.model_copy(update={"name": "c" * 50})})
    for render in EVERYTHING.values():
        metadata = render(model)["metadata"]
        assert len(metadata["name"]) <= 63
        assert max(map(len, metadata["labels"].values())) <= 63


def test_the_service_selects_one_revision() -> None:
    """Its selector is the state of traffic, and selects exactly the pods of that arm."""
    model = a_model(revision={"name": "churn-1"})
    manifest = children.service(model, revision="churn-7", annotations={"a": "b"})
    assert manifest["spec"]["selector"] == names.pod_selector(model, "churn-7")
    assert manifest["spec"]["ports"][0]["port"] == 80
    assert manifest["spec"]["ports"][0]["targetPort"] == "http"
    assert manifest["metadata"]["annotations"]["a"] == "b"


def test_a_drain_of_a_node_takes_one_pod_at_a_time() -> None:
    """Both arms count together, and a single replica never blocks a node."""
    spec = children.pod_disruption_budget(a_model(revision={"name": "churn-1"}))["spec"]
    assert spec == {"maxUnavailable": 1, "selector": {"matchLabels": {"marquee.dev/model": "churn"}}}


def test_only_predictions_and_metrics_reach_the_pods() -> None:
    """Ingress to two ports of this model's pods; nothing is said about egress."""
    spec = children.network_policy(a_model(revision={"name": "churn-1"}))["spec"]
    assert spec["podSelector"] == {"matchLabels": {"marquee.dev/model": "churn"}}
    assert spec["policyTypes"] == ["Ingress"]
    assert [port["port"] for rule in spec["ingress"] for port in rule["ports"]] == [8080, 9090]


def test_the_autoscaler_says_what_the_spec_says() -> None:
    """Bounds and target of the spec; 70 percent of the request when it is silent."""
    model = a_model(revision={"name": "churn-1"}, scaling=HPA | {"cpuUtilizationPercent": 55})
    spec = _autoscaler(model)["spec"]
    assert (spec["minReplicas"], spec["maxReplicas"]) == (2, 9)
    assert spec["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "Deployment", "name": "churn-1"}
    assert spec["metrics"][0]["resource"]["target"]["averageUtilization"] == 55
    silent = _autoscaler(a_model(revision={"name": "churn-1"}, scaling=HPA))
    assert silent["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"] == 70


@pytest.mark.parametrize("scaling", [{}, {"class": "None"}, {"class": "External"}])
def test_other_classes_have_no_autoscaler(scaling: dict[str, Any]) -> None:
    """Who does not ask for one gets none."""
    model = a_model(revision={"name": "churn-1"}, scaling=scaling)
    assert horizontal_pod_autoscaler(model, revision="churn-1") is None

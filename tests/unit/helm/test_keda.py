"""What the chart does for models of scaling class KEDA."""

from __future__ import annotations

import re

import pytest

from tests.support import chart

KEDA = {"keda": {"namespace": "keda"}}


def test_without_a_namespace_nothing_is_made() -> None:
    """A cluster without KEDA has not even its kinds: the chart must install there."""
    rendered = chart.render()
    assert chart.of_kind(rendered, "ClusterTriggerAuthentication") == []
    assert chart.of_kind(chart.of_part(rendered, "operator"), "Secret") == []


def test_keda_and_the_operator_have_the_same_token() -> None:
    """One for the operator to compare with, one where KEDA looks for Secrets of cluster-wide authentications."""
    rendered = chart.of_part(chart.render(KEDA), "operator")
    secrets = {body["metadata"]["namespace"]: body for body in chart.of_kind(rendered, "Secret")}
    assert secrets.keys() == {chart.NAMESPACE, "keda"}
    (token,) = {body["data"]["token"] for body in secrets.values()}
    assert re.fullmatch(r"[A-Za-z0-9+/]{64}", token)
    (volume,) = [
        volume
        for volume in chart.the(rendered, "Deployment")["spec"]["template"]["spec"]["volumes"]
        if volume["name"] == "demand-token"
    ]
    (name,) = {body["metadata"]["name"] for body in secrets.values()}
    assert volume["secret"]["secretName"] == name
    (authentication,) = chart.of_kind(rendered, "ClusterTriggerAuthentication")
    assert authentication["spec"] == {"secretTargetRef": [{"parameter": "token", "name": name, "key": "token"}]}


def test_the_operator_refers_to_that_authentication() -> None:
    """The name in ScaledObjects is the one that the chart makes, and is the installation's own."""
    rendered = chart.render(KEDA, namespace="elsewhere")
    (authentication,) = chart.of_kind(rendered, "ClusterTriggerAuthentication")
    (container,) = chart.the(rendered, "Deployment")["spec"]["template"]["spec"]["containers"]
    settings = {entry["name"]: entry.get("value") for entry in container["env"]}
    assert settings["MARQUEE_OPERATOR_DEMAND_AUTHENTICATION"] == authentication["metadata"]["name"]
    assert authentication["metadata"]["name"] == "marquee-demand-elsewhere"


def test_in_kedas_own_namespace_there_is_one_secret() -> None:
    """Both sides may live together."""
    rendered = chart.of_part(chart.render({"keda": {"namespace": chart.NAMESPACE}}), "operator")
    assert len(chart.of_kind(rendered, "Secret")) == 1


@pytest.mark.parametrize("namespace", ["Keda", "keda/system", "-"])
def test_a_namespace_that_cannot_be_is_refused(namespace: str) -> None:
    """Before anything is installed."""
    assert "namespace" in chart.refusal({"keda": {"namespace": namespace}})

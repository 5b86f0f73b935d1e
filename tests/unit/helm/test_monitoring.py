"""The Prometheus Operator's objects, where the cluster has their kinds."""

from __future__ import annotations

from typing import Any, Final

import pytest

from marquee.api.marketing_model import MarketingModel
from marquee.api.model_revision import ModelRevision
from marquee.control.render import names
from marquee.control.render.deployment import deployment
from marquee.control.snapshot import Defaults
from tests.support import chart, samples

KINDS: Final = ("PodMonitor", "ServiceMonitor")
SERVED: Final = tuple(f"--api-versions=monitoring.coreos.com/v1/{kind}" for kind in KINDS)
ENABLED: Final[dict[str, Any]] = {"monitoring": {"enabled": True, "labels": {"release": "prometheus"}}}


@pytest.mark.parametrize(
    ("values", "served", "expected"),
    [
        ({}, SERVED, []),
        (ENABLED, (), []),
        (ENABLED, SERVED[:1], ["PodMonitor"]),
        (ENABLED, SERVED, ["PodMonitor", "ServiceMonitor"]),
    ],
    ids=["off", "no such kinds", "one kind", "both kinds"],
)
def test_monitors_need_to_be_wanted_and_served(
    values: dict[str, Any], served: tuple[str, ...], expected: list[str]
) -> None:
    """Nothing of Marquee needs Prometheus: its objects are made where they are wanted and can exist."""
    rendered = chart.of_kind(chart.render(values, *served), *KINDS)
    assert sorted(body["kind"] for body in rendered) == expected
    assert all(body["metadata"]["labels"]["release"] == "prometheus" for body in rendered)


def test_pod_monitor_finds_the_predictors() -> None:
    """Its selector and port are those of the pods that the operator makes."""
    monitor = chart.the(chart.render(ENABLED, *SERVED), "PodMonitor")["spec"]
    template = rendered_deployment()["spec"]["template"]
    labels = template["metadata"]["labels"]
    assert monitor["selector"]["matchLabels"].items() <= labels.items()
    assert set(monitor["podTargetLabels"]) <= labels.keys()
    (endpoint,) = monitor["podMetricsEndpoints"]
    assert endpoint["port"] in {port["name"] for port in template["spec"]["containers"][0]["ports"]}
    assert labels[names.LABEL_MODEL] == "churn"


@pytest.mark.parametrize(
    ("watched", "selector"), [([], {"any": True}), (["growth"], {"matchNames": ["growth"]})], ids=["all", "one"]
)
def test_pod_monitor_looks_where_the_operator_works(watched: list[str], selector: dict[str, Any]) -> None:
    """Predictors are looked for in the watched namespaces."""
    values = ENABLED | {"watchNamespaces": watched}
    assert chart.the(chart.render(values, *SERVED), "PodMonitor")["spec"]["namespaceSelector"] == selector


def test_service_monitor_finds_the_operator() -> None:
    """Its selector and port are those of the operator's Service."""
    rendered = chart.render(ENABLED, *SERVED)
    monitor, service = chart.the(rendered, "ServiceMonitor")["spec"], chart.the(rendered, "Service")
    assert monitor["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert monitor["endpoints"][0]["port"] == service["spec"]["ports"][0]["name"]


def rendered_deployment() -> dict[str, Any]:
    """A predictor's Deployment as the operator makes it."""
    model = samples.model("churn", revision="churn-1")
    model["metadata"]["uid"] = "1"
    return deployment(
        MarketingModel.model_validate(model),
        ModelRevision.model_validate(samples.revision("churn-1", of="churn")),
        Defaults(predictor_image="predictor:1"),
    )

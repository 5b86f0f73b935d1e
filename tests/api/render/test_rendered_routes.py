"""HTTPRoutes and the Services behind them, on a real API server with the Gateway API's own kinds."""

from __future__ import annotations

from typing import Any

import pytest

from marquee.api.marketing_model import MarketingModel
from marquee.control.decide.syncing import is_in_sync
from marquee.control.kinds import HTTP_ROUTE, SERVICE
from marquee.control.observe import transforms
from marquee.control.render import traffic
from marquee.control.render.acceptance import why_not_accepted
from tests.support import samples
from tests.support.apiserver import Answer, ApiServer

SPLIT = traffic.Split(rollout="churn-2.1", step=0, weight=20, canary="churn-2")
PREFIX = {"pathPrefix": "/crm/churn", "hostnames": ["crm.example.com", "*.example.org"]}
TRAFFICS: dict[str, dict[str, Any]] = {
    "minimal": {},
    "holdout": {"assignment": {"holdoutPercent": 10}},
    "requests": {"assignment": {"unit": "Request"}},
    "prefix": PREFIX,
    "everything": PREFIX
    | {
        "gateway": {"name": "public", "namespace": "edge", "sectionName": "https"},
        "assignment": {"holdoutPercent": 50},
    },
}


def model_in(namespace: str, spec: dict[str, Any]) -> MarketingModel:
    body = samples.model(
        "churn", revision="churn-1", namespace=namespace, traffic={"gateway": {"name": "public"}} | spec
    )
    body["metadata"]["uid"] = "00000000-0000-0000-0000-000000000001"
    return MarketingModel.model_validate(body)


@pytest.fixture(params=[(spec, split) for spec in TRAFFICS for split in (SPLIT, None)], ids=str)
def route(request: pytest.FixtureRequest, namespace: str) -> dict[str, Any]:
    """A route as the operator applies it."""
    spec, split = request.param
    return traffic.http_route(model_in(namespace, TRAFFICS[spec]), stable="churn-1", split=split)


def apply(server: ApiServer, manifest: dict[str, Any]) -> Answer:
    metadata = manifest["metadata"]
    return server.apply(HTTP_ROUTE.object_path(metadata["namespace"], metadata["name"]), manifest)


def test_a_route_is_stored_word_for_word(gateway_server: ApiServer, route: dict[str, Any]) -> None:
    """The server accepts it under the Gateway API's rules and has nothing to fill in: it is never written twice."""
    answer = apply(gateway_server, route)
    assert answer.accepted, answer.message
    assert answer.body["spec"] == route["spec"]
    assert is_in_sync(route, transforms.child(HTTP_ROUTE, answer.body).manifest())
    again = apply(gateway_server, route)
    assert again.body["metadata"]["resourceVersion"] == answer.body["metadata"]["resourceVersion"]


def test_the_next_step_replaces_the_rules(gateway_server: ApiServer, namespace: str) -> None:
    """A ramp and its end are one apply each, and leave nothing of the step before."""
    model = model_in(namespace, TRAFFICS["holdout"])
    for split in (SPLIT, traffic.Split("churn-2.1", 1, 50, "churn-2"), None):
        wanted = traffic.http_route(model, stable="churn-1", split=split)
        assert apply(gateway_server, wanted).body["spec"] == wanted["spec"]


def test_that_server_refuses_other_routes(gateway_server: ApiServer, namespace: str) -> None:
    """The rules that the tests above pass do refuse: two matches can't share one replaced prefix."""
    wanted = traffic.http_route(model_in(namespace, PREFIX), stable="churn-1", split=None)
    wanted["spec"]["rules"][0]["matches"] *= 2
    refused = apply(gateway_server, wanted)
    assert refused.status == 422
    assert "exactly one PathPrefix match must be specified" in refused.message


def test_a_controllers_answer_is_read(gateway_server: ApiServer, namespace: str) -> None:
    """Nobody has answered at first; an answer counts until the route changes."""
    model = model_in(namespace, {})
    stored = apply(gateway_server, traffic.http_route(model, stable="churn-1", split=None)).body
    assert "nobody has answered for Gateway" in why_not_accepted(stored)
    accepted = {"type": "Accepted", "status": "True", "reason": "Accepted", "message": ""} | {
        "observedGeneration": stored["metadata"]["generation"],
        "lastTransitionTime": "2024-11-22T12:00:00Z",
    }
    parent = {"controllerName": "example.com/gateway", "parentRef": {"name": "public"}, "conditions": [accepted]}
    path = HTTP_ROUTE.object_path(namespace, "churn")
    answered = gateway_server.send(
        "PATCH", f"{path}/status", {"status": {"parents": [parent]}}, content_type="application/merge-patch+json"
    )
    assert answered.accepted, answered.message
    assert why_not_accepted(answered.body) == ""
    changed = apply(gateway_server, traffic.http_route(model, stable="churn-2", split=None)).body
    assert "has not answered for the newest route yet" in why_not_accepted(changed)


def test_an_arms_service_is_stored_as_it_is(server: ApiServer, namespace: str) -> None:
    """Headless, beside the model's own Service, and in sync with all that the server adds."""
    wanted = traffic.arm_service(model_in(namespace, {}), "churn-1")
    answer = server.apply(SERVICE.object_path(namespace, "churn-1"), wanted)
    assert answer.accepted, answer.message
    assert answer.body["spec"]["clusterIPs"] == ["None"]
    assert is_in_sync(wanted, transforms.child(SERVICE, answer.body).manifest())

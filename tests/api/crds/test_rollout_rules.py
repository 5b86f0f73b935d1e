"""Rules of traffic and rollouts over many values: what depends on two fields, and what is left out."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.apiserver import Answer, ApiServer, collection_of
from tests.support.samples import model

_TRAFFIC = {"gateway": {"name": "public"}}
_STEPS = [{"weight": 10}]
_PRIMARY = {"outcome": "purchase"}


def _answer(server: ApiServer, **spec: Any) -> Answer:
    body = model("churn", revision="churn-1", **spec)
    return server.create(collection_of("MarketingModel", "default"), body, dry_run=True)


def _judged_by(*guardrails: dict[str, Any]) -> dict[str, Any]:
    return {"steps": _STEPS, "analysis": {"primary": _PRIMARY, "guardrails": list(guardrails)}}


@pytest.mark.parametrize("host", ["localhost", "a", "crm.example.com", "*.example.com", "1-a.example", "a--b.c"])
def test_a_host_name_is_accepted(server: ApiServer, host: str) -> None:
    """Names of one label or many, and a star for the first label."""
    answer = _answer(server, traffic=_TRAFFIC | {"hostnames": [host]})
    assert answer.accepted, answer.message


@pytest.mark.parametrize(
    "host",
    [
        *("CRM.example.com", "*", "*.", "a.*.com", "*a.com", "-a.com", "a-.com", "a..com", ".com", "a.com."),
        *("a_b.com", "a.com:80", "https://a.com", "a.com/x", "a b.com", "a.com\n", "aXcom", "\\*.a.com"),
    ],
)
def test_what_is_no_host_name_is_refused(server: ApiServer, host: str) -> None:
    """A port, a scheme, a path, capital letters, or a star elsewhere would never match a request's host."""
    answer = _answer(server, traffic=_TRAFFIC | {"hostnames": ["crm.example.com", host]})
    assert "spec.traffic.hostnames[1]: " in answer.message
    assert "must be a host name in small letters" in answer.message


@pytest.mark.parametrize("path", ["/", "/crm", "/crm/lead-scoring/v1.2", "/~team/a_b", "/.well-known/a..b"])
def test_a_path_is_accepted(server: ApiServer, path: str) -> None:
    """The root, and segments of the characters that no client escapes."""
    answer = _answer(server, traffic=_TRAFFIC | {"pathPrefix": path})
    assert answer.accepted, answer.message


@pytest.mark.parametrize(
    "path",
    [
        *("crm", "//", "/crm/", "/crm//a", "/a b", "/a?b", "/a#b", "/%41", "/a*", "/ü", "/a\n"),
        *("/.", "/..", "/./a", "/a/../b", "/a/.."),
    ],
)
def test_what_is_no_path_is_refused(server: ApiServer, path: str) -> None:
    """A query, an escape, an empty segment or a dotted one would match other requests than it seems to."""
    answer = _answer(server, traffic=_TRAFFIC | {"pathPrefix": path})
    assert "spec.traffic.pathPrefix: " in answer.message
    assert "must be / or a path as /crm/churn" in answer.message


@pytest.mark.parametrize("holdout", [0, 1, 2, 5, 10, 15, 20, 48, 50])
def test_a_weight_is_accepted_where_it_is_a_whole_number_of_buckets(server: ApiServer, holdout: int) -> None:
    """Of each holdout's 1000 - 10 * holdout buckets a canary takes whole ones: the server decides as integers do."""
    traffic = _TRAFFIC | {"assignment": {"holdoutPercent": holdout}}
    for weight in (1, 2, 4, 5, 10, 25, 33, 50, 99):
        answer = _answer(server, traffic=traffic, rollout={"steps": [{"weight": weight}]})
        buckets_in_hundredths = weight * (1000 - 10 * holdout)
        assert answer.accepted == (buckets_in_hundredths % 100 == 0), f"{weight} %: {answer.message}"
        assert answer.accepted or "weight times (100 - holdoutPercent) must be a multiple of 10" in answer.message


@pytest.mark.parametrize(
    ("weights", "accepted"),
    [
        ([1], True),
        ([1, 2, 3, 99], True),
        (list(range(1, 17)), True),
        ([2, 1], False),
        ([1, 1], False),
        ([1, 3, 2, 4], False),
        ([1, 2, 2, 3], False),
        ([99, 9], False),
    ],
)
def test_weights_rise_as_numbers(server: ApiServer, weights: list[int], accepted: bool) -> None:
    """Each step has more weight than the one before: not the same, not less, and 9 is less than 10."""
    steps = [{"weight": weight} for weight in weights]
    answer = _answer(server, traffic=_TRAFFIC, rollout={"steps": steps})
    assert answer.accepted == accepted, answer.message
    assert accepted or "the weights of the steps must rise" in answer.message


def test_no_steps_ask_for_nothing(server: ApiServer) -> None:
    """An empty list of steps is no ramp: it needs no gateway, and an analysis of it is refused as one without any."""
    assert _answer(server, rollout={"steps": []}).accepted
    refused = _answer(server, traffic=_TRAFFIC, rollout={"steps": [], "analysis": {"primary": _PRIMARY}})
    assert "an analysis needs steps: without a ramp nothing is compared" in refused.message


def test_guardrails_may_be_left_out(server: ApiServer) -> None:
    """An analysis of the primary outcome alone is accepted, with an empty list and with none."""
    without = {"steps": _STEPS, "analysis": {"primary": _PRIMARY}}
    for rollout in (without, _judged_by()):
        answer = _answer(server, traffic=_TRAFFIC, rollout=rollout)
        assert answer.accepted, answer.message
        assert answer.body["spec"]["rollout"]["analysis"]["guardrails"] == []


@pytest.mark.parametrize(
    ("weights", "traffic", "accepted"),
    [
        ([1], None, True),
        ([1, 25, 50], None, True),
        ([51], None, False),
        ([10, 99], None, False),
        ([99], _TRAFFIC, True),
    ],
)
def test_without_a_gateway_a_canary_gets_half_at_most(
    server: ApiServer, weights: list[int], traffic: dict[str, Any] | None, accepted: bool
) -> None:
    """More would take pods from stable, which must be able to take everybody back."""
    spec = {"traffic": traffic} if traffic else {}
    answer = _answer(server, rollout={"steps": [{"weight": weight} for weight in weights]}, **spec)
    assert answer.accepted == accepted, answer.message
    assert accepted or "spec.rollout.steps: " in answer.message


@pytest.mark.parametrize(
    ("scaling", "accepted"),
    [
        ({"minReplicas": 4}, True),
        ({"class": "None"}, True),
        ({"class": "External"}, False),
        ({"class": "HPA", "maxReplicas": 4}, False),
    ],
)
def test_without_a_gateway_nobody_else_scales(server: ApiServer, scaling: dict[str, Any], accepted: bool) -> None:
    """With a gateway, or without steps, any class will do."""
    answer = _answer(server, rollout={"steps": _STEPS}, scaling=scaling)
    assert answer.accepted == accepted, answer.message
    assert accepted or "steps without traffic.gateway need scaling class None" in answer.message
    others: list[dict[str, Any]] = [{"traffic": _TRAFFIC, "rollout": {"steps": _STEPS}}, {"rollout": {"steps": []}}]
    for spec in others:
        assert _answer(server, scaling=scaling, **spec).accepted


def test_a_gateway_is_not_taken_away_from_a_steep_ramp(server: ApiServer, namespace: str) -> None:
    """The rules hold for updates too: a model with such steps can lose its traffic block only together with them."""
    collection = collection_of("MarketingModel", namespace)
    steps = [{"weight": 60}]
    body = model("churn", revision="churn-1", namespace=namespace, traffic=_TRAFFIC, rollout={"steps": steps})
    created = server.create(collection, body)
    assert created.accepted, created.message

    def patch(spec: dict[str, Any]) -> Answer:
        body = {"spec": spec}
        return server.send("PATCH", f"{collection}/churn", body, content_type="application/merge-patch+json")

    assert "spec.rollout.steps: " in patch({"traffic": None}).message
    both = patch({"traffic": None, "rollout": None})
    assert both.accepted, both.message
    assert both.body["spec"]["rollout"]["steps"] == []


def test_slow_requests_are_known_only_with_an_slo(server: ApiServer) -> None:
    """Whichever guardrail of the list it is."""
    rollout = _judged_by({"metric": "Errors"}, {"metric": "SlowRequests"})
    refused = _answer(server, traffic=_TRAFFIC, rollout=rollout)
    assert "the guardrail SlowRequests needs slo.latencyMilliseconds" in refused.message
    answer = _answer(server, traffic=_TRAFFIC, rollout=rollout, slo={"latencyMilliseconds": 200})
    assert answer.accepted, answer.message


def test_an_object_that_breaks_many_rules_hears_of_each(server: ApiServer) -> None:
    """One refusal names everything that is to be mended, so that a person needs no second attempt."""
    answer = _answer(
        server,
        traffic=_TRAFFIC | {"pathPrefix": "crm", "assignment": {"unit": "Request", "holdoutPercent": 5}},
        rollout={"steps": [{"weight": 25}, {"weight": 5}], "analysis": {"primary": {"outcome": "Purchase"}}},
    )
    for where in (
        "spec.traffic.pathPrefix: ",
        "spec.traffic.assignment.holdoutPercent: ",
        "spec.rollout.steps: ",
        "spec.rollout.analysis.primary.outcome: ",
    ):
        assert where in answer.message


def test_the_largest_object_is_within_the_servers_budget(server: ApiServer) -> None:
    """With every list at its bound and every text at its length the rules cost less than the server allows."""
    outcomes = [f"o{index}".ljust(63, "x") for index in range(6)]
    answer = _answer(
        server,
        traffic={
            "gateway": {"name": "g" * 63, "namespace": "n" * 63, "sectionName": "s" * 63},
            "hostnames": [f"h{index}".ljust(253, "x") for index in range(16)],
            "pathPrefix": "/" + "p" * 199,
            "assignment": {"unit": "User", "holdoutPercent": 50},
        },
        rollout={
            "steps": [{"weight": weight, "maxDurationSeconds": 1} for weight in range(84, 100)],
            "analysis": {
                "primary": {"outcome": "p" * 63},
                "guardrails": [{"metric": "Outcome", "outcome": outcome} for outcome in outcomes],
            },
        },
        slo={"latencyMilliseconds": 1},
    )
    assert answer.accepted, answer.message

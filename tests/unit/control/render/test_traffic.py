"""The route and what it does to requests."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from marquee.api.marketing_model import MarketingModel
from marquee.contract.assignment import BUCKETS
from marquee.contract.cohort import Arm, Cohort, CohortError
from marquee.control.decide.syncing import is_in_sync
from marquee.control.render import names
from marquee.control.render.buckets import canary_buckets
from marquee.control.render.traffic import Split, arm_service, http_route
from tests.unit.control.builders import a_model
from tests.unit.control.render.gateway_model import arrivals, rules_met

GATEWAY = {"name": "public"}
SPLIT = Split(rollout="churn-2.1", step=3, weight=20, canary="churn-2")
STABLE, CANARY = "churn-2.1/3/stable", "churn-2.1/3/canary"
SMUGGLED = {"marquee-cohort": "churn-2.1/3/canary"}


def model_with(**traffic: Any) -> MarketingModel:
    return a_model(revision={"name": "churn-1"}, traffic={"gateway": GATEWAY} | traffic)


def route_of(split: Split | None = SPLIT, **traffic: Any) -> dict[str, Any]:
    return http_route(model_with(**traffic), stable="churn-1", split=split)


def every_bucket(**more: str) -> list[dict[str, str]]:
    return [{"marquee-bucket": f"{bucket:03d}"} | more for bucket in range(BUCKETS)]


@pytest.mark.parametrize("holdout_percent", [0, 10, 50])
@pytest.mark.parametrize("headers", [{}, SMUGGLED], ids=["honest", "smuggling"])
def test_each_bucket_finds_its_arm(holdout_percent: int, headers: dict[str, str]) -> None:
    """Of the buckets outside of the holdout the weight goes to the canary; whoever counts is stamped, nobody else."""
    route = route_of(assignment={"holdoutPercent": holdout_percent})
    remaining = BUCKETS - 10 * holdout_percent
    met = rules_met(route, every_bucket(**headers))
    assert met["churn-2", CANARY] == remaining * 20 // 100
    assert met["churn-1", STABLE] == remaining * 80 // 100
    assert met["churn-1", ""] == 10 * holdout_percent
    assert met.total() == BUCKETS


def test_the_route_follows_the_arithmetic() -> None:
    """Bucket by bucket, as the ledger's reader would compute it."""
    route = route_of(assignment={"holdoutPercent": 10})
    canary = canary_buckets("churn-2.1", 20, 10)
    for bucket in range(BUCKETS):
        (arrival,) = arrivals(route, {"marquee-bucket": f"{bucket:03d}"})
        assert (arrival.service == "churn-2") == (bucket in canary)


@pytest.mark.parametrize("bucket", [None, "", "7", "0007", "abc", "12 ", "٣٣٣"])
@pytest.mark.parametrize("holdout_percent", [0, 10])
def test_without_a_bucket_the_gateway_draws(bucket: str | None, holdout_percent: int) -> None:
    """No bucket, or what is none: each backend has its share and stamps what it gets, over any stamp sent along."""
    headers = SMUGGLED | ({} if bucket is None else {"marquee-bucket": bucket})
    canary, stable = arrivals(route_of(assignment={"holdoutPercent": holdout_percent}), headers)
    assert (canary.service, canary.weight, canary.headers["marquee-cohort"]) == ("churn-2", 20, CANARY)
    assert (stable.service, stable.weight, stable.headers["marquee-cohort"]) == ("churn-1", 80, STABLE)


def test_requests_as_units_are_all_drawn() -> None:
    """With unit Request a bucket decides nothing, whoever sends it."""
    route = route_of(assignment={"unit": "Request"})
    for headers in every_bucket()[::97]:
        assert [(a.service, a.weight) for a in arrivals(route, headers)] == [("churn-2", 20), ("churn-1", 80)]


@pytest.mark.parametrize(("arm", "service"), [("canary", "churn-2"), ("stable", "churn-1")])
@pytest.mark.parametrize("assignment", [{}, {"holdoutPercent": 10}, {"unit": "Request"}], ids=str)
def test_a_tester_chooses_an_arm_and_counts_in_none(arm: str, service: str, assignment: dict[str, Any]) -> None:
    """The header goes before every bucket, the holdout's too, and no cohort arrives."""
    route = route_of(assignment=assignment)
    for headers in ({}, {"marquee-bucket": "005"}, {"marquee-bucket": "500"}):
        (arrival,) = arrivals(route, headers | SMUGGLED | {"marquee-arm": arm})
        assert arrival.service == service
        assert "marquee-cohort" not in arrival.headers


def test_another_arm_is_no_choice() -> None:
    """What names no arm counts like everybody."""
    (arrival,) = arrivals(route_of(), {"marquee-arm": "Canary", "marquee-bucket": "005"})
    assert arrival.headers["marquee-cohort"] in {STABLE, CANARY}


@pytest.mark.parametrize("assignment", [{}, {"holdoutPercent": 10}, {"unit": "Request"}], ids=str)
def test_without_a_rollout_stable_answers_everybody(assignment: dict[str, Any]) -> None:
    """Nobody is in a cohort then, whatever is sent."""
    route = route_of(split=None, assignment=assignment)
    for headers in ({}, SMUGGLED, SMUGGLED | {"marquee-bucket": "123"}, SMUGGLED | {"marquee-arm": "canary"}):
        arrived = arrivals(route, headers)
        assert arrived
        assert {arrival.service for arrival in arrived} == {"churn-1"}
        assert not any("marquee-cohort" in arrival.headers for arrival in arrived)


@pytest.mark.parametrize("assignment", [{}, {"holdoutPercent": 10}, {"unit": "Request"}], ids=str)
def test_a_rollout_changes_where_rules_lead_and_never_their_places(assignment: dict[str, Any]) -> None:
    """A gateway that names clusters by the places of rules and backends must not take one away under a request."""
    shapes = {
        tuple(len(rule["backendRefs"]) for rule in route_of(split=split, assignment=assignment)["spec"]["rules"])
        for split in (None, SPLIT, Split(SPLIT.rollout, 1, 50, SPLIT.canary))
    }
    assert len(shapes) == 1
    for split in (None, SPLIT):
        rules = route_of(split=split, assignment=assignment)["spec"]["rules"]
        assert all(backend["weight"] > 0 for rule in rules for backend in rule["backendRefs"])


@pytest.mark.parametrize("split", [SPLIT, None], ids=["split", "whole"])
@pytest.mark.parametrize(("path", "seen"), [("/crm/churn/v2/models", "/v2/models"), ("/crm/churn", "/")])
def test_pods_see_the_rest_of_the_path(split: Split | None, path: str, seen: str) -> None:
    """The prefix is the model's address, in each rule, and other paths are not the model's."""
    route = route_of(split, path_prefix="/crm/churn", assignment={"holdoutPercent": 10})
    for headers in ({}, {"marquee-arm": "canary"}, *every_bucket()[::50]):
        assert {arrival.path for arrival in arrivals(route, headers, path)} == {seen}
        assert arrivals(route, headers, "/crm/churning") == []


def test_without_a_prefix_the_path_stays() -> None:
    """No rewriting where there is nothing to rewrite."""
    assert {arrival.path for arrival in arrivals(route_of(), {}, "/v2/models")} == {"/v2/models"}
    assert "URLRewrite" not in str(route_of())


def test_the_parent_is_the_gateway_of_the_spec() -> None:
    """Its namespace and listener only when the model names them: they have no default to write out."""
    group = {"group": "gateway.networking.k8s.io", "kind": "Gateway"}
    assert route_of()["spec"]["parentRefs"] == [group | {"name": "public"}]
    far = {"name": "public", "namespace": "edge", "sectionName": "https"}
    assert route_of(gateway=far)["spec"]["parentRefs"] == [group | far]


def test_hosts_are_those_of_the_spec() -> None:
    """Without any the field is left out: every host of the listener."""
    assert route_of(hostnames=["a.example.com", "*.b.org"])["spec"]["hostnames"] == ["a.example.com", "*.b.org"]
    assert "hostnames" not in route_of()["spec"]


@pytest.mark.parametrize("assignment", [{}, {"holdoutPercent": 10}, {"unit": "Request"}], ids=str)
def test_a_route_keeps_the_gateways_bounds(assignment: dict[str, Any]) -> None:
    """16 rules, 4,096 characters a header value, and one match a rule, which rewriting needs."""
    rules = route_of(path_prefix="/p", assignment=assignment)["spec"]["rules"]
    assert len(rules) <= 16
    for rule in rules:
        assert len(rule["matches"]) == 1
        assert all(len(header["value"]) < 200 for header in rule["matches"][0].get("headers", ()))


def test_the_next_step_changes_weight_and_stamp_only() -> None:
    """The order and the number of rules stay, so that a gateway changes its table in place."""
    now, then = route_of(), route_of(Split("churn-2.1", 4, 50, "churn-2"))
    assert [rule["matches"][0]["path"] for rule in now["spec"]["rules"]] == [
        rule["matches"][0]["path"] for rule in then["spec"]["rules"]
    ]
    assert "churn-2.1/4/canary" in str(then)
    assert "churn-2.1/3/" not in str(then)


def test_a_model_without_a_gateway_has_no_route() -> None:
    """Asking for one is a mistake of the caller."""
    with pytest.raises(ValueError, match=r"'churn' has no spec\.traffic"):
        http_route(a_model(revision={"name": "churn-1"}), stable="churn-1", split=None)


def test_a_split_that_cannot_be_kept_is_refused() -> None:
    """A weight that is no number of buckets, or a rollout that no header can carry, is not rendered."""
    with pytest.raises(ValueError, match="no whole number of buckets"):
        route_of(Split("churn-2.1", 0, 5, "churn-2"), assignment={"holdoutPercent": 1})
    with pytest.raises(CohortError, match="no name of a rollout"):
        route_of(Split("churn 2", 0, 5, "churn-2"))


def test_a_split_names_its_cohorts() -> None:
    """What the ledger is asked for is what the route stamps."""
    assert SPLIT.cohort(Arm.CANARY) == Cohort.parse(CANARY)
    assert SPLIT.cohort(Arm.STABLE) == Cohort.parse(STABLE)


def test_an_arms_service_selects_one_revision() -> None:
    """Headless, on the port of the model's own Service, and known by the revision's label."""
    model = model_with()
    manifest = arm_service(model, "churn-2")
    assert manifest["metadata"]["name"] == "churn-2" != model.metadata.name
    assert manifest["metadata"]["labels"][names.LABEL_REVISION] == "churn-2"
    assert manifest["spec"] == {
        "type": "ClusterIP",
        "clusterIP": "None",
        "selector": names.pod_selector(model, "churn-2"),
        "ports": [{"name": "http", "port": 80, "protocol": "TCP", "targetPort": "http"}],
    }


def test_backends_are_the_arms_services() -> None:
    """By name, kind and port."""
    model = model_with()
    services = {
        (manifest["metadata"]["name"], manifest["kind"], manifest["spec"]["ports"][0]["port"])
        for manifest in (arm_service(model, revision) for revision in ("churn-1", "churn-2"))
    }
    backends = [backend for rule in route_of()["spec"]["rules"] for backend in rule["backendRefs"]]
    assert {(backend["name"], backend["kind"], backend["port"]) for backend in backends} == services


def _weight(route: dict[str, Any]) -> None:
    route["spec"]["rules"][-1]["backendRefs"][0]["weight"] = 21


def _pattern(route: dict[str, Any]) -> None:
    route["spec"]["rules"][2]["matches"][0]["headers"][0]["value"] = "^[0-9]{3}$"


def _stamp(route: dict[str, Any]) -> None:
    route["spec"]["rules"][3]["filters"][0]["requestHeaderModifier"]["set"][0]["value"] = "other/1/stable"


def _rule(route: dict[str, Any]) -> None:
    route["spec"]["rules"].insert(0, copy.deepcopy(route["spec"]["rules"][-1]))


def _order(route: dict[str, Any]) -> None:
    route["spec"]["rules"].reverse()


def _parent(route: dict[str, Any]) -> None:
    route["spec"]["parentRefs"][0]["name"] = "other"


@pytest.mark.parametrize("edit", [_weight, _pattern, _stamp, _rule, _order, _parent])
def test_an_edited_route_is_noticed(edit: Any) -> None:
    """Every part that moves users is compared with what is stored."""
    wanted = route_of(assignment={"holdoutPercent": 10})
    stored = copy.deepcopy(wanted)
    assert is_in_sync(wanted, stored)
    edit(stored)
    assert not is_in_sync(wanted, stored)

"""What the answers of gateway controllers come to."""

from __future__ import annotations

from typing import Any

import pytest

from marquee.control.render.acceptance import is_behind, why_not_accepted
from marquee.control.render.traffic import http_route
from tests.unit.control.builders import a_model

Condition = dict[str, Any]


def condition(kind: str, status: str, reason: str = "", message: str = "", *, generation: int = 4) -> Condition:
    return {
        "type": kind,
        "status": status,
        "reason": reason or kind,
        "message": message,
        "observedGeneration": generation,
        "lastTransitionTime": "2024-11-22T12:00:00Z",
    }


ACCEPTED = condition("Accepted", "True")
RESOLVED = condition("ResolvedRefs", "True")


def answer(*conditions: Condition, **parent: str) -> dict[str, Any]:
    reference = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "public"} | parent
    return {"parentRef": reference, "controllerName": "example.com/gateway", "conditions": list(conditions)}


def route(*answers: dict[str, Any], **gateway: str) -> dict[str, Any]:
    """A stored route of generation 4 that names the Gateway ``public``."""
    model = a_model(revision={"name": "churn-1"}, traffic={"gateway": {"name": "public"} | gateway})
    body = http_route(model, stable="churn-1", split=None)
    body["metadata"]["generation"] = 4
    if answers:
        body["status"] = {"parents": list(answers)}
    return body


def test_an_accepted_route_has_no_problem() -> None:
    """One parent that takes it, with backends it can use."""
    assert why_not_accepted(route(answer(ACCEPTED, RESOLVED))) == ""


def test_a_controller_need_not_resolve() -> None:
    """Only a refusal counts: a controller that says nothing of backends has not refused them."""
    assert why_not_accepted(route(answer(ACCEPTED))) == ""


@pytest.mark.parametrize("status", [None, {}, {"parents": []}, {"parents": None}])
def test_silence_asks_for_the_controller(status: Any) -> None:
    """Nobody has answered: most likely there is no controller or no such Gateway."""
    body = route()
    if status is not None:
        body["status"] = status
    assert why_not_accepted(body) == (
        "nobody has answered for Gateway crm/public: is a gateway controller installed, and does that Gateway exist?"
    )


def test_a_gateway_elsewhere_is_named_in_full() -> None:
    """Namespace and listener, as the model names them."""
    said = why_not_accepted(route(namespace="edge", sectionName="https"))
    assert "Gateway edge/public (listener https)" in said


@pytest.mark.parametrize("parent", [{"name": "other"}, {"namespace": "edge"}, {"kind": "Service"}, {"group": ""}])
def test_answers_for_other_parents_count_for_nothing(parent: dict[str, str]) -> None:
    """Only parents that the route names, now."""
    assert "nobody has answered" in why_not_accepted(route(answer(ACCEPTED, RESOLVED, **parent)))


def test_an_answer_for_one_listener_is_for_that_one() -> None:
    """A route through the listener `https` is not helped by `http`."""
    other, named = (answer(ACCEPTED, sectionName=name) for name in ("http", "https"))
    assert "nobody has answered" in why_not_accepted(route(other, sectionName="https"))
    assert why_not_accepted(route(other, named, sectionName="https")) == ""


def test_defaults_may_be_written_out_or_left_out() -> None:
    """A controller that copies the parent with or without the namespace means the same one."""
    bare = answer(ACCEPTED)
    bare["parentRef"] = {"name": "public"}
    assert why_not_accepted(route(bare)) == ""
    assert why_not_accepted(route(answer(ACCEPTED, namespace="crm"))) == ""


def test_an_answer_for_an_earlier_route_is_none() -> None:
    """Accepted or refused before the last write says nothing of what is stored now."""
    for status in ("True", "False"):
        said = why_not_accepted(route(answer(condition("Accepted", status, generation=3))))
        assert said.startswith("Gateway crm/public has not answered for the newest route yet")


def test_a_stale_refusal_of_backends_does_not_count() -> None:
    """The route is accepted as it is now; its backends were judged before."""
    stale = condition("ResolvedRefs", "False", "BackendNotFound", generation=3)
    assert why_not_accepted(route(answer(ACCEPTED, stale))) == ""


def test_a_condition_without_generation_is_believed() -> None:
    """The field is optional; a controller that leaves it out can't be found stale."""
    accepted = {key: value for key, value in ACCEPTED.items() if key != "observedGeneration"}
    assert why_not_accepted(route(answer(accepted))) == ""


@pytest.mark.parametrize("conditions", [(), (condition("Accepted", "Unknown", "Pending"),), (RESOLVED,)])
def test_a_pending_answer_is_none(conditions: tuple[Condition, ...]) -> None:
    """Neither yes nor no."""
    assert "has not answered for the newest route yet" in why_not_accepted(route(answer(*conditions)))


@pytest.mark.parametrize(
    ("reason", "advice"),
    [
        ("NotAllowedByListeners", "allowedRoutes"),
        ("NoMatchingListenerHostname", "spec.traffic.hostnames"),
        ("NoMatchingParent", "spec.traffic.gateway.sectionName"),
        ("UnsupportedValue", "regular expression"),
        ("SomethingNew", "its controller's log"),
    ],
)
def test_a_refusal_tells_reason_and_remedy(reason: str, advice: str) -> None:
    """The controller's own words in one line, and what to do."""
    refused = condition("Accepted", "False", reason, "no, since\nsomething is wrong.")
    said = why_not_accepted(route(answer(refused, RESOLVED)))
    assert said.startswith(f"Gateway crm/public does not accept the route: {reason}: no, since something is wrong; ")
    assert advice in said
    assert "\n" not in said


def test_backends_that_cannot_be_used_are_told() -> None:
    """Accepted, and yet of no use."""
    unresolved = condition("ResolvedRefs", "False", "BackendNotFound", "Service crm/churn-1 not found")
    said = why_not_accepted(route(answer(ACCEPTED, unresolved)))
    assert said.startswith("Gateway crm/public accepts the route, but can't use its backends: BackendNotFound: ")
    assert "arms' Services" in said


def test_a_refusal_without_words_is_still_a_sentence() -> None:
    """A reason alone."""
    said = why_not_accepted(route(answer(condition("Accepted", "False", "NotAllowedByListeners"))))
    assert "route: NotAllowedByListeners; let a listener's" in said


def test_one_controller_that_takes_it_is_enough() -> None:
    """Several controllers may answer for the same parent."""
    refused = answer(condition("Accepted", "False", "NotAllowedByListeners"))
    assert why_not_accepted(route(refused, answer(ACCEPTED, RESOLVED))) == ""
    assert "NotAllowedByListeners" in why_not_accepted(route(refused, answer(condition("Accepted", "Unknown"))))


EARLIER = condition("Accepted", "True", generation=3)


@pytest.mark.parametrize(
    ("answers", "behind"),
    [
        ([], False),
        ([answer(ACCEPTED, RESOLVED)], False),
        ([answer(EARLIER, condition("ResolvedRefs", "True", generation=3))], True),
        ([answer(condition("Accepted", "False", generation=3))], False),
        ([answer(condition("Accepted", "False"))], False),
        ([answer(condition("ResolvedRefs", "True", generation=3))], False),
        ([answer(EARLIER, name="another")], False),
        ([answer(ACCEPTED, sectionName="http"), answer(EARLIER)], True),
        ([answer({"type": "Accepted", "status": "True"})], False),
    ],
)
def test_a_gateway_is_behind_while_it_goes_by_an_earlier_route(answers: list[dict[str, Any]], *, behind: bool) -> None:
    """It had accepted one, and has not answered for the newest; a refusal is no such case."""
    assert is_behind(route(*answers)) is behind

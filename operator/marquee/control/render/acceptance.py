"""Whether a gateway has taken an HTTPRoute, and if not, why and what to do.

A gateway controller answers in ``status.parents``, one entry for each parent and controller, with conditions of the
Gateway API (``Accepted``: the parent takes the route; ``ResolvedRefs``: its backends can be used).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from marquee.control.kinds import GATEWAY

_ADVICE: Final = {
    "NotAllowedByListeners": "let a listener's allowedRoutes admit HTTPRoutes of this namespace",
    "NoMatchingListenerHostname": "name hosts in spec.traffic.hostnames that a listener serves",
    "NoMatchingParent": "name an existing listener in spec.traffic.gateway.sectionName, or none",
    "RefNotPermitted": "permit the reference with a ReferenceGrant",
    "BackendNotFound": "this passes once the arms' Services exist; if not, look whether something deletes them",
    "UnsupportedValue": "use a gateway that supports header matches by regular expression and header filters",
}
_NO_ADVICE: Final = "see the Gateway and its controller's log"

_Json = Mapping[str, Any]


def why_not_accepted(route: _Json) -> str:
    """One sentence on why no parent of an HTTPRoute sends it traffic; empty when one does.

    Only what parents say of the route's current generation counts, and only parents that the route names.
    """
    named = [_identity(route, parent) for parent in route["spec"].get("parentRefs") or ()]
    told = " and ".join(_title(identity) for identity in named)
    answers = [
        answer
        for answer in (route.get("status") or {}).get("parents") or ()
        if _identity(route, answer["parentRef"]) in named
    ]
    if not answers:
        return f"nobody has answered for {told}: is a gateway controller installed, and does that Gateway exist?"
    problems = [_problem(_title(_identity(route, answer["parentRef"])), _current(route, answer)) for answer in answers]
    return "" if "" in problems else problems[0]


def is_behind(route: _Json) -> bool:
    """Whether a parent that the route names has accepted an earlier generation of it, and not answered for this one.

    It sends traffic as it was told then, for as long as its controller is away.
    """
    generation = route["metadata"].get("generation", 0)
    named = [_identity(route, parent) for parent in route["spec"].get("parentRefs") or ()]
    return any(
        condition["type"] == "Accepted"
        and condition.get("status") == "True"
        and condition.get("observedGeneration", generation) < generation
        for answer in (route.get("status") or {}).get("parents") or ()
        if _identity(route, answer["parentRef"]) in named
        for condition in answer.get("conditions") or ()
    )


def _problem(parent: str, conditions: Mapping[str, _Json]) -> str:
    accepted, resolved = conditions.get("Accepted", {}), conditions.get("ResolvedRefs", {})
    if accepted.get("status") == "False":
        return f"{parent} does not accept the route: {_reason(accepted)}"
    if accepted.get("status") != "True":
        return f"{parent} has not answered for the newest route yet: if this lasts, does its gateway controller run?"
    if resolved.get("status") == "False":
        return f"{parent} accepts the route, but can't use its backends: {_reason(resolved)}"
    return ""


def _reason(condition: _Json) -> str:
    reason, message = condition.get("reason", ""), (condition.get("message") or "").strip().rstrip(".")
    words = " ".join(f"{reason}: {message}".split()) if message else reason
    return f"{words}; {_ADVICE.get(reason, _NO_ADVICE)}"


def _current(route: _Json, answer: _Json) -> dict[str, _Json]:
    """The conditions by type, without those that tell of an earlier generation."""
    generation = route["metadata"].get("generation", 0)
    conditions: Sequence[_Json] = answer.get("conditions") or ()
    return {
        condition["type"]: condition
        for condition in conditions
        if condition.get("observedGeneration", generation) >= generation
    }


_Identity = tuple[str, str, str, str, str]


def _identity(route: _Json, parent: _Json) -> _Identity:
    """Group, kind, namespace, name and section: controllers may write out what the route leaves to defaults."""
    return (
        parent.get("group", GATEWAY.group),
        parent.get("kind", GATEWAY.kind),
        parent.get("namespace", route["metadata"]["namespace"]),
        parent["name"],
        parent.get("sectionName", ""),
    )


def _title(identity: _Identity) -> str:
    _, kind, namespace, name, section = identity
    return f"{kind} {namespace}/{name}" + (f" (listener {section})" if section else "")

"""A small gateway: what the Gateway API says a request meets on an HTTPRoute, for tests of what routes mean."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Arrival:
    """What reaches a Service."""

    service: str
    path: str
    headers: Mapping[str, str]
    weight: int


def arrivals(route: Mapping[str, Any], headers: Mapping[str, str], path: str = "/v2/models") -> list[Arrival]:
    """Where a request may arrive, one for each backend of the rule that it meets; none when the gateway answers 404.

    Source: HTTPRouteRule.matches: the longest path prefix, then the most headers, then the first rule in the list.
    """
    met = [
        (len(match["path"]["value"]), len(match.get("headers", ())), -index, rule)
        for index, rule in enumerate(route["spec"]["rules"])
        for match in rule["matches"]
        if _matches(match, headers, path)
    ]
    if not met:
        return []
    *_, rule = max(met, key=lambda found: found[:3])
    found = []
    for backend in rule["backendRefs"]:
        filters = [*rule.get("filters", ()), *backend.get("filters", ())]
        seen, sent = _filtered(filters, rule, headers, path)
        found.append(Arrival(backend["name"], seen, sent, backend["weight"]))
    return found


def rules_met(route: Mapping[str, Any], requests: Sequence[Mapping[str, str]]) -> Counter[tuple[str, str]]:
    """How many of the requests, which meet rules of one backend each, arrive where and with which cohort."""
    found: Counter[tuple[str, str]] = Counter()
    for headers in requests:
        (arrival,) = arrivals(route, headers)
        found[arrival.service, arrival.headers.get("marquee-cohort", "")] += 1
    return found


def _matches(match: Mapping[str, Any], headers: Mapping[str, str], path: str) -> bool:
    prefix = match["path"]["value"].rstrip("/")
    assert match["path"]["type"] == "PathPrefix"
    if path != prefix and not path.startswith(f"{prefix}/"):
        return False
    return all(_header_matches(wanted, headers.get(wanted["name"])) for wanted in match.get("headers", ()))


def _header_matches(wanted: Mapping[str, str], value: str | None) -> bool:
    if value is None:
        return False
    if wanted["type"] == "Exact":
        return value == wanted["value"]
    assert wanted["type"] == "RegularExpression"
    return re.fullmatch(wanted["value"], value) is not None


def _filtered(
    filters: list[Mapping[str, Any]], rule: Mapping[str, Any], headers: Mapping[str, str], path: str
) -> tuple[str, dict[str, str]]:
    sent = dict(headers)
    for each in filters:
        if each["type"] == "RequestHeaderModifier":
            change = each["requestHeaderModifier"]
            sent |= {header["name"]: header["value"] for header in change.get("set", ())}
            sent = {name: value for name, value in sent.items() if name not in change.get("remove", ())}
        else:
            assert each["type"] == "URLRewrite"
            (match,) = rule["matches"]  # the Gateway API's rule for a prefix to be replaced
            rest = path.removeprefix(match["path"]["value"].rstrip("/"))
            path = each["urlRewrite"]["path"]["replacePrefixMatch"].rstrip("/") + rest or "/"
    return path, sent

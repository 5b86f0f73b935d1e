"""The HTTPRoute that splits a model's traffic between the arms of a rollout, and the Services that it splits to.

Every match has one header at most, and the Gateway API lets more headers go before fewer and then the order of
the rules decide: the first rule that matches answers. What the API server would fill in is written out, so that the
route says all that it means, and a stored one that says something else is noticed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from marquee.api.marketing_model import MarketingModel
from marquee.api.traffic import AssignmentUnit, Traffic
from marquee.contract.cohort import Arm, Cohort
from marquee.contract.pod import HEADER_ARM, HEADER_BUCKET, HEADER_COHORT
from marquee.control.kinds import GATEWAY, HTTP_ROUTE
from marquee.control.render import names
from marquee.control.render.buckets import EVERY_BUCKET, Interval, canary_buckets, holdout_buckets, pattern
from marquee.control.render.children import SERVICE_PORT

Body = dict[str, Any]

_WHOLE: Final = 100
_UNSTAMPED: Final[Body] = {
    "type": "RequestHeaderModifier",
    "requestHeaderModifier": {"remove": [HEADER_COHORT]},
}
"""Nobody smuggles in a cohort."""


@dataclass(frozen=True, slots=True)
class Split:
    """One step of a rollout, as traffic sees it."""

    rollout: str
    """Name in cohorts and in the ledger."""

    step: int
    """From 0."""

    weight: int
    """Percent of the units that the canary answers, 1 to 99."""

    canary: str
    """Name of the canary's revision."""

    def cohort(self, arm: Arm) -> Cohort:
        """What the requests of an arm are stamped with."""
        return Cohort(self.rollout, self.step, arm)


def arm_service(model: MarketingModel, revision: str) -> dict[str, Any]:
    """The address of one revision's pods, for the gateway: headless, since it reads the endpoints itself and a
    cluster address is the slowest thing that an API server allocates.
    """
    content = {
        "spec": {
            "type": "ClusterIP",
            "clusterIP": "None",
            "selector": names.pod_selector(model, revision),
            "ports": [{"name": "http", "port": SERVICE_PORT, "protocol": "TCP", "targetPort": "http"}],
        }
    }
    return names.manifest(model, "v1", "Service", revision, content, labels={names.LABEL_REVISION: revision})


def http_route(model: MarketingModel, *, stable: str, split: Split | None) -> dict[str, Any]:
    """The model's route through its gateway.

    Args:
        model: It has ``spec.traffic``.
        stable: Name of the stable revision.
        split: The rollout's step; None when ``stable`` answers everybody.

    Raises:
        ValueError: the model names no gateway, or the weight is no whole number of buckets.

    """
    traffic = model.spec.traffic
    if traffic is None:
        raise ValueError(f"model {model.metadata.name!r} has no spec.traffic to make a route from")
    spec: Body = {"parentRefs": [_parent(traffic)], "rules": _rules(traffic, stable, split)}
    if traffic.hostnames:
        spec["hostnames"] = list(traffic.hostnames)
    return names.manifest(model, HTTP_ROUTE.api_version, HTTP_ROUTE.kind, model.metadata.name, {"spec": spec})


def _parent(traffic: Traffic) -> Body:
    gateway = traffic.gateway
    parent = {"group": GATEWAY.group, "kind": GATEWAY.kind, "name": gateway.name}
    optional = {"namespace": gateway.namespace, "sectionName": gateway.section_name}
    return parent | {key: value for key, value in optional.items() if value is not None}


def _rules(traffic: Traffic, stable: str, split: Split | None) -> list[Body]:
    """The same rules with the same number of backends at all times, and none of weight 0.

    A gateway that names what it sends to by the places of rules and backends (Envoy Gateway does) then changes where
    they lead, and never takes one away that a request is on its way to.
    """
    arms = _Arms(stable, split)
    rules = [
        _rule(traffic, [_backend(arms.revision(arm))], [_UNSTAMPED], _header(HEADER_ARM, "Exact", arm.label))
        for arm in (Arm.CANARY, Arm.STABLE)  # testers choose their arm, and count in none
    ]
    if traffic.assignment.unit is AssignmentUnit.USER:
        rules += _assigned_buckets(traffic, arms)
    return [*rules, _weighted(traffic, arms)]


@dataclass(frozen=True, slots=True)
class _Arms:
    """Which revision answers for an arm, and what its requests are stamped with; without a split stable is both."""

    stable: str
    split: Split | None

    def revision(self, arm: Arm) -> str:
        return self.split.canary if self.split is not None and arm is Arm.CANARY else self.stable

    def filter(self, arm: Arm) -> Body:
        return _stamped(self.split.cohort(arm)) if self.split is not None else _UNSTAMPED

    @property
    def weight(self) -> int:
        """Percent of the canary; without a split nobody can tell, since both arms are the same."""
        return self.split.weight if self.split is not None else 1


def _assigned_buckets(traffic: Traffic, arms: _Arms) -> list[Body]:
    """A unit's bucket decides: the holdout stays with stable and is not counted, the interval goes to the canary."""
    holdout_percent, split = traffic.assignment.holdout_percent, arms.split
    holdout = holdout_buckets(holdout_percent)
    canary = canary_buckets(split.rollout, split.weight, holdout_percent) if split is not None else EVERY_BUCKET
    rules = [_rule(traffic, [_backend(arms.stable)], [_UNSTAMPED], _bucket_in(holdout))] if holdout else []
    for buckets, arm in ((canary, Arm.CANARY), (EVERY_BUCKET, Arm.STABLE)):
        rules.append(_rule(traffic, [_backend(arms.revision(arm))], [arms.filter(arm)], _bucket_in(buckets)))
    return rules


def _weighted(traffic: Traffic, arms: _Arms) -> Body:
    """Requests without a bucket: each is drawn anew, and stamped by the backend that it was drawn for."""
    backends = [
        _backend(arms.revision(arm), weight=weight) | {"filters": [arms.filter(arm)]}
        for arm, weight in ((Arm.CANARY, arms.weight), (Arm.STABLE, _WHOLE - arms.weight))
    ]
    return _rule(traffic, backends, [])


def _rule(traffic: Traffic, backends: list[Body], filters: list[Body], header: Body | None = None) -> Body:
    """One rule with one match, as the Gateway API demands where the path is rewritten."""
    match: Body = {"path": {"type": "PathPrefix", "value": traffic.path_prefix}}
    if header is not None:
        match["headers"] = [header]
    if traffic.path_prefix != "/":
        path = {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}
        filters = [*filters, {"type": "URLRewrite", "urlRewrite": {"path": path}}]
    return {"matches": [match], "backendRefs": backends} | ({"filters": filters} if filters else {})


def _bucket_in(buckets: Interval) -> Body:
    return _header(HEADER_BUCKET, "RegularExpression", pattern(buckets))


def _header(name: str, kind: str, value: str) -> Body:
    return {"name": name, "type": kind, "value": value}


def _backend(revision: str, *, weight: int = 1) -> Body:
    return {"group": "", "kind": "Service", "name": revision, "port": SERVICE_PORT, "weight": weight}


def _stamped(cohort: Cohort) -> Body:
    """Replaces whatever cohort a client has sent."""
    header = {"name": HEADER_COHORT, "value": str(cohort)}
    return {"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": [header]}}

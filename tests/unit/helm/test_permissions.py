"""RBAC of the chart: narrow rules for the operator, and roles for people."""

from __future__ import annotations

from typing import Any, Final

import pytest

from marquee.control import kinds
from tests.support import chart

RBAC: Final = ("Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding")
NAMESPACED: Final = {"watchNamespaces": ["growth", "retention"]}
OWN: Final = {
    kinds.MARKETING_MODEL.plural,
    kinds.MODEL_REVISION.plural,
    kinds.MODEL_APPROVAL.plural,
    kinds.PROMOTION_FREEZE.plural,
}


@pytest.mark.parametrize("values", [{}, NAMESPACED], ids=["cluster-wide", "namespaced"])
def test_no_rule_has_a_wildcard(values: dict[str, Any]) -> None:
    """Every group, resource and verb is named."""
    rules = [rule for role in chart.of_kind(chart.render(values), "Role", "ClusterRole") for rule in role["rules"]]
    words = [word for rule in rules for part in rule.values() for word in part]
    assert len(words) > 50
    assert not [word for word in words if "*" in word]


@pytest.mark.parametrize("values", [{}, NAMESPACED], ids=["cluster-wide", "namespaced"])
def test_operator_reaches_no_secrets_and_no_permissions(values: dict[str, Any]) -> None:
    """Secrets, tokens, RBAC itself and code execution in pods stay out of reach."""
    roles = [role for role in chart.of_kind(chart.render(values), *RBAC[:2]) if not is_for_people(role)]
    rules = [rule for role in roles for rule in role["rules"]]
    resources = {resource for rule in rules for resource in rule["resources"]}
    groups = {group for rule in rules for group in rule["apiGroups"]}
    verbs = {verb for rule in rules for verb in rule["verbs"]}
    assert "deployments" in resources
    assert not resources & {"secrets", "serviceaccounts/token", "pods/exec", "pods/attach", "nodes/proxy"}
    assert "rbac.authorization.k8s.io" not in groups
    assert not verbs & {"escalate", "bind", "impersonate"}


def test_operator_never_writes_what_people_write() -> None:
    """The spec of a MarketingModel is read only, and so is every revision once it is there."""
    rules = [rule for rule in operator_role()["rules"] if OWN & set(rule["resources"])]
    assert [(rule["resources"], rule["verbs"]) for rule in rules] == [
        (["marketingmodels", "modelapprovals", "promotionfreezes"], ["list", "watch"]),
        (["modelrevisions"], ["list", "watch", "create"]),
    ]


def test_cluster_wide_operator_has_one_cluster_role() -> None:
    """Without watchNamespaces the rules hold everywhere, by one binding."""
    rendered = chart.render()
    binding = chart.the(rendered, "ClusterRoleBinding")
    assert binding["roleRef"]["name"] == operator_role()["metadata"]["name"]
    (role,) = [role for role in chart.of_kind(rendered, "Role") if not is_for_people(role)]
    assert role["metadata"]["namespace"] == chart.NAMESPACE
    assert {resource for rule in role["rules"] for resource in rule["resources"]} == {"leases"}


def test_namespaced_operator_has_the_same_rules_in_each_namespace() -> None:
    """With watchNamespaces there is no ClusterRole for it, but a Role with the same rules in each of them."""
    rendered = chart.of_part(chart.render(NAMESPACED), "operator")
    assert chart.of_kind(rendered, "ClusterRoleBinding") == []
    assert all(is_for_people(role) for role in chart.of_kind(rendered, "ClusterRole"))
    roles = {role["metadata"]["namespace"]: role for role in chart.of_kind(rendered, "Role") if not is_for_people(role)}
    assert set(roles) == {"growth", "retention", chart.NAMESPACE}
    assert roles["growth"]["rules"] == roles["retention"]["rules"] == operator_role()["rules"]
    assert [rule["verbs"] for rule in roles[chart.NAMESPACE]["rules"] if rule["resources"] == ["promotionfreezes"]] == [
        ["list", "watch"]
    ]


@pytest.mark.parametrize("values", [{}, NAMESPACED], ids=["cluster-wide", "namespaced"])
def test_bindings_mean_the_operators_account(values: dict[str, Any]) -> None:
    """Every binding gives to the release's ServiceAccount and to nobody else."""
    rendered = chart.render(values | {"serviceAccount": {"create": True, "name": "mine"}})
    pod = chart.the(rendered, "Deployment")["spec"]["template"]["spec"]
    bindings = chart.of_kind(chart.of_part(rendered, "operator"), *RBAC[2:])
    assert len(bindings) >= 2
    for binding in bindings:
        assert binding["subjects"] == [
            {"kind": "ServiceAccount", "name": pod["serviceAccountName"], "namespace": chart.NAMESPACE}
        ]
    assert chart.the(rendered, "ServiceAccount")["metadata"]["name"] == "mine"


def test_existing_account_is_used() -> None:
    """An account that somebody else made is named and not made again."""
    rendered = chart.render({"serviceAccount": {"create": False, "name": "theirs"}})
    assert chart.of_kind(chart.of_part(rendered, "operator"), "ServiceAccount") == []
    assert chart.the(rendered, "Deployment")["spec"]["template"]["spec"]["serviceAccountName"] == "theirs"


def test_permissions_may_be_left_to_others() -> None:
    """With both switches off the chart has no RBAC objects at all."""
    assert chart.of_kind(chart.render({"rbac": {"create": False, "userRoles": False}}), *RBAC) == []


def test_people_get_marquees_kinds_with_the_clusters_own_roles() -> None:
    """Viewers may read, editors may also write specs; the status and the permissions stay the operator's."""
    roles = {role["metadata"]["name"]: role for role in chart.of_kind(chart.render(), "ClusterRole")}
    view, edit = roles["marquee-view"], roles["marquee-edit"]
    assert aggregated_to(view) == {"view", "edit", "admin"}
    assert aggregated_to(edit) == {"edit", "admin"}
    assert {verb for rule in view["rules"] for verb in rule["verbs"]} == {"get", "list", "watch"}
    written = {resource for rule in edit["rules"] for resource in rule["resources"]}
    assert written == OWN | {f"{kinds.MARKETING_MODEL.plural}/scale"}
    assert all(rule["apiGroups"] == [kinds.MARKETING_MODEL.group] for role in (view, edit) for rule in role["rules"])


@pytest.mark.parametrize(
    ("values", "service"), [({}, "marquee-ledger"), ({"ledger": {"database": {"urlSecret": "db"}}}, "marquee-audit")]
)
def test_auditors_reach_the_log_and_nothing_else(values: dict[str, Any], service: str) -> None:
    """Through the API server's proxy; nobody is one until somebody says so."""
    (role,) = [
        body for body in chart.of_kind(chart.render(values), "Role") if body["metadata"]["name"].endswith("-auditor")
    ]
    assert role["rules"] == [
        {"apiGroups": [""], "resources": ["services/proxy"], "resourceNames": [f"{service}:8090"], "verbs": ["get"]}
    ]
    bindings = chart.of_kind(chart.render(values), "RoleBinding")
    assert role["metadata"]["name"] not in {body["roleRef"]["name"] for body in bindings}


@pytest.mark.parametrize(
    ("values", "pod"), [({}, "marquee-ledger-0"), ({"ledger": {"database": {"urlSecret": "db"}}}, "marquee-audit-0")]
)
def test_privacy_officers_reach_the_ledger_and_nothing_else(values: dict[str, Any], pod: str) -> None:
    """By a token of one service account and the pod that keeps the log; nobody is one until somebody says so."""
    manifests = chart.render(values)
    (role,) = [body for body in chart.of_kind(manifests, "Role") if body["metadata"]["name"].endswith("-officer")]
    name = role["metadata"]["name"]
    assert [(rule["resources"], rule["resourceNames"], rule["verbs"]) for rule in role["rules"]] == [
        (["serviceaccounts/token"], [name], ["create"]),
        (["pods"], [pod], ["get"]),
        (["pods/portforward"], [pod], ["create"]),
    ]
    assert name in {body["metadata"]["name"] for body in chart.of_kind(manifests, "ServiceAccount")}
    assert name not in {body["roleRef"]["name"] for body in chart.of_kind(manifests, "RoleBinding")}
    without = chart.render(values | {"rbac": {"userRoles": False}})
    assert name not in {body["metadata"]["name"] for body in without}


def test_people_are_who_the_api_server_says() -> None:
    """Three policies, each in force; off where somebody else sees to that."""
    kinds = ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")
    policies, bindings = (chart.of_kind(chart.render(), kind) for kind in kinds)
    assert len(policies) == 3
    assert {body["metadata"]["name"] for body in policies} == {body["spec"]["policyName"] for body in bindings}
    assert all(body["spec"]["failurePolicy"] == "Fail" for body in policies)
    assert all(body["spec"]["validationActions"] == ["Deny"] for body in bindings)
    assert chart.of_kind(chart.render({"governance": {"admissionPolicies": False}}), *kinds) == []


def operator_role() -> chart.Manifest:
    """The operator's ClusterRole of an installation for all namespaces."""
    roles = chart.of_kind(chart.of_part(chart.render(), "operator"), "ClusterRole")
    (role,) = [role for role in roles if not is_for_people(role)]
    return role


def is_for_people(role: chart.Manifest) -> bool:
    """Whether a role is aggregated into the cluster's own, or is there to be bound."""
    return bool(aggregated_to(role)) or role["metadata"]["name"].endswith(("-auditor", "-privacy-officer"))


def aggregated_to(role: chart.Manifest) -> set[str]:
    """Names of the cluster's own roles that a role is added to."""
    prefix = "rbac.authorization.k8s.io/aggregate-to-"
    return {key.removeprefix(prefix) for key in role["metadata"]["labels"] if key.startswith(prefix)}

"""The operator's permissions are exactly what it needs, by the audit log of a real API server."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

import pytest

from localcluster import keda, trainer
from localcluster.errors import CommandFailed
from localcluster.gateway import crds
from tests.api.helm.installation import install, operator_process
from tests.api.helm.life import Life
from tests.api.helm.permissions import Access, Request, granted, requests_of
from tests.api.operator.team import Team
from tests.support import chart
from tests.support.crds.installing import kinds_of
from tests.support.simulation import SimulatedCluster, simulated_cluster

UNUSED_ON_PURPOSE: Final = {
    Access("update", "marquee.dev", "marketingmodels/finalizers"): (
        "never requested: the admission plugin OwnerReferencesPermissionEnforcement, which some distributions switch "
        "on, asks for it when a child is created with blockOwnerDeletion"
    ),
}
_LOG_TAIL_CHARACTERS: Final = 2000
DISCOVERY: Final = ("/api", "/version", "/healthz", "/livez", "/readyz")


@dataclass(frozen=True)
class Mode:
    """One way to install the operator."""

    name: str
    namespace: str
    watched: tuple[str, ...]
    """Where models live; the first of them is used."""
    values: dict[str, Any]


@dataclass(frozen=True)
class Record:
    """What the chart gave and what the operator then asked for."""

    mode: Mode
    granted: set[Access]
    requests: list[Request]


MODES: Final = (
    Mode("cluster-wide", "marquee-system", ("everywhere",), {}),
    Mode("namespaced", "marquee-teams", ("growth", "retention"), {"watchNamespaces": ["growth", "retention"]}),
)


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatedCluster]:
    """A cluster with simulated nodes, an audit log, and kinds: ours, the Gateway API's, KEDA's, Kubeflow Trainer's."""
    with simulated_cluster(tmp_path_factory.mktemp("rbac"), kinds_of(crds, keda.crds, trainer.crds)) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def recorded(simulated: SimulatedCluster, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Record]:
    """Each mode's record, made once, in whatever order tests ask for them."""
    return functools.cache(lambda name: recording(name, simulated, tmp_path_factory))


@pytest.fixture(params=MODES, ids=lambda mode: mode.name)
def record(request: pytest.FixtureRequest, recorded: Callable[[str], Record]) -> Record:
    """Of one mode."""
    return recorded(request.param.name)


def recording(name: str, simulated: SimulatedCluster, tmp_path_factory: pytest.TempPathFactory) -> Record:
    """A leader and a standby run through a model's life as the chart's ServiceAccount."""
    mode = next(mode for mode in MODES if mode.name == name)
    plane, workdir = simulated.plane, tmp_path_factory.mktemp(mode.name)
    for namespace in mode.watched:
        plane.kubectl("create", "namespace", namespace)
    # the replicas run outside of the simulated cluster, where their log can be read
    shared = {"crds": {"install": False}, "rbac": {"userRoles": False}, "governance": {"admissionPolicies": False}}
    values = shared | {"replicas": 0} | mode.values
    install(plane, values, namespace=mode.namespace)
    leader, standby = (operator_process(plane, workdir, name, namespace=mode.namespace) for name in ("one", "other"))
    try:
        with leader, standby:
            live(Life(Team(simulated, mode.watched[0])))
    except AssertionError as error:
        for replica in (leader, standby):
            error.add_note(replica.log.read_text()[-_LOG_TAIL_CHARACTERS:])
        raise
    user = f"system:serviceaccount:{mode.namespace}:{chart.RELEASE}"
    rendered = chart.render(values, namespace=mode.namespace)
    return Record(mode, granted(rendered, chart.RELEASE), requests_of(plane.audit_log, user))


def live(life: Life) -> None:
    """Everything that happens to a model."""
    life.begin()
    life.change_revision()
    life.change_owner()
    life.stop_scaling()
    life.scale_by_keda()
    life.name_missing_revision_twice()
    life.replace_deployment()
    life.go_through_a_gateway()
    life.train_again()
    life.train_on_many_nodes()
    life.end()


def test_no_request_of_the_operator_is_forbidden(record: Record) -> None:
    """The chart's rules permit everything that the operator does in a model's life and at a change of leader."""
    forbidden = sorted({request.text for request in record.requests if request.status == 403})
    assert forbidden == []
    assert {"leases", "marketingmodels/status"} <= {r.access.resource for r in record.requests if r.access}


def test_every_permission_of_the_operator_is_used(record: Record) -> None:
    """A rule or verb that a model's life does not need would be one too many."""
    unused = {access for access in record.granted if not is_used(access, record)}
    assert {replace(access, namespace="") for access in unused} == set(UNUSED_ON_PURPOSE)


def test_operator_reads_no_path_but_discovery(record: Record) -> None:
    """Beside resources, the operator asks only for what every authenticated user may see."""
    others = {request.text.split()[1].partition("?")[0] for request in record.requests if request.access is None}
    assert all(path.startswith(DISCOVERY) for path in others), others


def test_namespaced_operator_never_leaves_its_namespaces(record: Record) -> None:
    """With watchNamespaces no request goes to another namespace or to the whole cluster."""
    if not record.mode.values:
        assert any(request.access and not request.access.namespace for request in record.requests)
        return
    visited = {request.access.namespace for request in record.requests if request.access}
    assert visited == {*record.mode.watched, record.mode.namespace}


def test_auditors_may_ask_the_log_and_no_other_service(simulated: SimulatedCluster) -> None:
    """As docs/audit.md says to make one; by the API server's own answer."""
    plane, namespace = simulated.plane, "auditors"
    plane.kubectl("create", "namespace", namespace)
    (role,) = [
        body
        for body in chart.of_kind(chart.render(namespace=namespace), "Role")
        if body["metadata"]["name"] == "marquee-auditor"
    ]
    plane.kubectl("create", "-f", "-", input=json.dumps(role))
    plane.kubectl("create", "rolebinding", "anna", "--role=marquee-auditor", "--user=anna", "-n", namespace)

    def may(verb: str, service: str) -> bool:
        asked = {"namespace": namespace, "verb": verb, "resource": "services", "subresource": "proxy", "name": service}
        review = {
            "apiVersion": "authorization.k8s.io/v1",
            "kind": "SubjectAccessReview",
            "spec": {"user": "anna", "resourceAttributes": asked},
        }
        answer = json.loads(plane.kubectl("create", "-f", "-", "-o", "json", input=json.dumps(review)))
        return bool(answer["status"]["allowed"])

    assert may("get", "marquee-ledger:8090")
    assert not may("create", "marquee-ledger:8090")
    assert not may("get", "marquee-metrics:8081")


def test_privacy_officers_get_a_token_that_the_ledger_knows(simulated: SimulatedCluster) -> None:
    """As docs/privacy.md says: of one service account, for the ledger; by the API server's own answers."""
    plane, namespace = simulated.plane, "officers"
    plane.kubectl("create", "namespace", namespace)
    bodies = [body for body in chart.render(namespace=namespace) if body["metadata"]["name"].endswith("-officer")]
    assert {body["kind"] for body in bodies} == {"ServiceAccount", "Role"}
    for body in bodies:
        plane.kubectl("create", "-f", "-", input=json.dumps(body))
    plane.kubectl("create", "rolebinding", "dora", "--role=marquee-privacy-officer", "--user=dora", "-n", namespace)
    as_dora = ("-n", namespace, "--as=dora")
    token = plane.kubectl("create", "token", "marquee-privacy-officer", "--audience", "marquee-ledger", *as_dora)
    review = {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenReview",
        "spec": {"token": token.strip(), "audiences": ["marquee-ledger"]},
    }
    answer = json.loads(plane.kubectl("create", "-f", "-", "-o", "json", input=json.dumps(review)))
    assert answer["status"]["user"]["username"] == f"system:serviceaccount:{namespace}:marquee-privacy-officer"
    for verb, what in (("get", "pods/marquee-ledger-0"), ("create", "pods/marquee-ledger-0/portforward")):
        resource, name, *subresource = what.split("/")
        more = [f"--subresource={subresource[0]}"] if subresource else []
        asked = plane.kubectl("auth", "can-i", verb, f"{resource}/{name}", *more, *as_dora)
        assert asked.strip() == "yes", what
    with pytest.raises(CommandFailed):
        plane.kubectl("create", "token", "default", "--audience", "marquee-ledger", *as_dora)


def is_used(access: Access, record: Record) -> bool:
    """Whether some request needed it; the watched namespaces have the same rules and count as one."""
    namespaces = record.mode.watched if access.namespace in record.mode.watched else (access.namespace,)
    alike = [replace(access, namespace=namespace) for namespace in namespaces]
    return any(one.permits(request.access) for one in alike for request in record.requests if request.access)

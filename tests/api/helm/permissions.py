"""What RBAC rules permit, what an audit log shows was requested, and how the two compare."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.chart import Manifest

_APPLY_CREATED = 201


@dataclass(frozen=True, order=True)
class Access:
    """One verb on one kind; `namespace` is empty for the whole cluster, `name` for any object."""

    verb: str
    group: str
    resource: str
    """With the subresource: `deployments/scale`."""
    namespace: str = ""
    name: str = ""

    def __str__(self) -> str:
        what = f"{self.resource}.{self.group}" if self.group else self.resource
        return f"{self.verb} {what} {self.name}".rstrip() + (f" in {self.namespace}" if self.namespace else "")

    def permits(self, wanted: Access) -> bool:
        """Whether `wanted` lies within this."""
        kind = (self.verb, self.group, self.resource) == (wanted.verb, wanted.group, wanted.resource)
        return kind and self.namespace in {"", wanted.namespace} and self.name in {"", wanted.name}


@dataclass(frozen=True)
class Request:
    """One line of the audit log."""

    status: int
    access: Access | None
    """None for paths that are no resource, such as `/version`."""
    text: str


def granted(manifests: Sequence[Manifest], account: str) -> set[Access]:
    """Everything that Roles and ClusterRoles among the manifests give to a ServiceAccount by their bindings."""
    roles = {
        (body["kind"], body["metadata"].get("namespace", ""), body["metadata"]["name"]): body for body in manifests
    }
    accesses: set[Access] = set()
    for binding in manifests:
        if binding["kind"] not in {"RoleBinding", "ClusterRoleBinding"}:
            continue
        if binding["metadata"]["labels"]["app.kubernetes.io/name"] == "marquee-ledger":
            continue
        assert [subject["name"] for subject in binding["subjects"]] == [account]
        namespace = binding["metadata"].get("namespace", "")
        reference = binding["roleRef"]
        role = roles[reference["kind"], namespace if reference["kind"] == "Role" else "", reference["name"]]
        accesses.update(_accesses(role, namespace))
    return accesses


def requests_of(audit_log: Path, user: str) -> list[Request]:
    """What a user asked of the API server; a request that was only begun, as a watch still open is, counts."""
    lines = (json.loads(line) for line in audit_log.read_text().splitlines())
    mine = (line for line in lines if line["user"]["username"] == user and "responseStatus" in line)
    return [request for line in mine for request in _requests(line)]


def _requests(line: Manifest) -> Iterator[Request]:
    status, text = line["responseStatus"]["code"], f"{line['verb']} {line['requestURI']}"
    reference = line.get("objectRef")
    if reference is None:
        yield Request(status, None, text)
        return
    subresource = reference.get("subresource")
    resource = reference["resource"] + (f"/{subresource}" if subresource else "")
    access = Access(
        verb=line["verb"],
        group=reference.get("apiGroup", ""),
        resource=resource,
        namespace=reference.get("namespace", ""),
        name=reference.get("name", ""),
    )
    yield Request(status, access, text)
    if access.verb == "patch" and status == _APPLY_CREATED:
        # a server-side apply of what does not exist is checked for create as well
        yield Request(status, Access("create", access.group, resource, access.namespace, access.name), text)


def _accesses(role: Manifest, namespace: str) -> Iterator[Access]:
    for rule in role["rules"]:
        for verb, group, resource, name in itertools.product(
            rule["verbs"], rule["apiGroups"], rule["resources"], rule.get("resourceNames", [""])
        ):
            yield Access(verb, group, resource, namespace, name)

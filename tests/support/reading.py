"""The local cluster as tests see it: read by its API, since starting kubectl for each look costs 0.1 s of CPU."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

import httpx

from demo.target import Target
from localcluster import Cluster
from localcluster.errors import CommandFailed

_DISCOVERY: Final = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
_SECONDS: Final = 15.0

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Kind:
    """Where the API serves a kind, and what objects of it say they are."""

    root: str
    """``/api/v1``, ``/apis/apps/v1``."""
    plural: str
    name: str
    namespaced: bool

    def path(self, namespace: str) -> str:
        """Of all objects, in a namespace where they have one."""
        return f"{self.root}/namespaces/{namespace}/{self.plural}" if self.namespaced else f"{self.root}/{self.plural}"


@dataclass(slots=True)
class Reader:
    """Reads objects as the administrator, by any of the names that kubectl has for their kinds."""

    http: httpx.Client
    _kinds: dict[str, Kind] = field(default_factory=dict)

    def get(self, kind: str, name: str, namespace: str) -> Object | None:
        """One object, or None.

        Raises:
            CommandFailed: the server said no, or nothing.

        """
        return self._read(f"{self._kind(kind).path(namespace)}/{name}")

    def list(self, kinds: str, namespace: str, selector: str = "") -> list[Object]:
        """The objects of one kind, or of several separated by commas.

        Raises:
            CommandFailed: the server said no, or nothing.

        """
        found: list[Object] = []
        for kind in map(self._kind, kinds.split(",")):
            answer = self._read(kind.path(namespace), labelSelector=selector) or {}
            found += ({"kind": kind.name} | item for item in answer.get("items", ()))
        return found

    def _kind(self, name: str) -> Kind:
        if name not in self._kinds:  # other kinds may have come since they were last asked for
            self._kinds = {name: kind for root in ("/apis", "/api") for name, kind in self._discovered(root)}
        if name not in self._kinds:
            raise CommandFailed(f"the cluster serves no {name}")
        return self._kinds[name]

    def _discovered(self, root: str) -> Iterator[tuple[str, Kind]]:
        for group in (self._read(root, accept=_DISCOVERY) or {}).get("items", ()):
            for version in group["versions"][:1]:  # the preferred one
                where = "/".join(filter(None, (root, group["metadata"].get("name"), version["version"])))
                for found in version.get("resources", ()):
                    kind = Kind(where, found["resource"], found["responseKind"]["kind"], found["scope"] == "Namespaced")
                    for name in (kind.plural, found["singularResource"], *found.get("shortNames", ())):
                        yield name, kind

    def _read(self, path: str, *, accept: str = "application/json", **query: str) -> Object | None:
        try:
            answer = self.http.get(path, params=query, headers={"accept": accept})
        except httpx.TransportError as failure:
            raise CommandFailed(f"GET {path} failed", why=str(failure)) from failure
        if answer.status_code == HTTPStatus.NOT_FOUND:
            return None
        if not answer.is_success:
            raise CommandFailed(f"GET {path} failed: {answer.status_code}", why=answer.text)
        found: Object = answer.json()
        return found


@dataclass(frozen=True, slots=True)
class LocalTarget(Target):
    """The local cluster, read without kubectl."""

    reader: Reader

    def get(self, kind: str, name: str, namespace: str) -> Object | None:
        """One object, or None."""
        return self.reader.get(kind, name, namespace)

    def list(self, kind: str, namespace: str, selector: str = "") -> list[Object]:
        """The objects of a namespace, by label selector."""
        return self.reader.list(kind, namespace, selector)


@contextmanager
def reading(cluster: Cluster) -> Iterator[LocalTarget]:
    """The cluster that is up, as the administrator sees it while the block runs."""
    layout = cluster.layout
    server = json.loads(layout.kubeconfig.read_text())["clusters"][0]["cluster"]["server"]
    tls = ssl.create_default_context(cafile=layout.pki / "ca.crt")
    tls.load_cert_chain(layout.pki / "admin.crt", layout.pki / "admin.key")
    transport = httpx.HTTPTransport(verify=tls, retries=1)
    with httpx.Client(base_url=server, transport=transport, trust_env=False, timeout=_SECONDS) as http:
        yield LocalTarget(cluster.kubeconfig, cluster.program, cluster, Reader(http))

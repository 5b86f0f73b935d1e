"""Reads the API's URLs back: which verb on which resource a request was, as RBAC names them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

_VERBS: Final = {"POST": "create", "PUT": "update", "PATCH": "patch"}


@dataclass(frozen=True, slots=True)
class RequestRecord:
    """One finished request; a watch is recorded when it opens."""

    verb: str
    """As RBAC names it: get, list, watch, create, update, patch, delete, deletecollection."""

    resource: str
    """Plural name, a subresource after a slash; the path itself where that names no resource."""

    status: int
    """HTTP status; 0 when no answer came."""

    seconds: float
    """From the request to the complete answer; of a watch to the answer's head."""


def resource_of(path: str) -> str:
    """Return the resource in `path`: ``deployments``, ``marketingmodels/status``, or the path if it has none."""
    return "/".join(part for at, part in enumerate(_resource_parts(path)) if at != 1) or path


def verb_of(method: str, path: str) -> str:
    """Return the RBAC verb of a request that is no watch."""
    names_object = len(_resource_parts(path)) != 1
    if method == "DELETE":
        return "delete" if names_object else "deletecollection"
    return _VERBS.get(method) or ("get" if names_object else "list")


def _resource_parts(path: str) -> list[str]:
    """Split into resource, name and subresource, without group, version and namespace; empty if no resource."""
    parts = path.split("/")
    if parts[1] == "api":
        parts = parts[3:]
    elif parts[1] == "apis":
        parts = parts[4:]
    else:
        return []
    if len(parts) > 2 and parts[0] == "namespaces" and parts[2] not in {"status", "finalize"}:
        return parts[2:]
    return parts

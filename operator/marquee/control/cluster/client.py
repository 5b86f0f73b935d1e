"""The verbs of the operator: thin functions from a manifest to one request each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

from marquee.control.cluster.connection import LIST_METADATA, OBJECT, OBJECT_METADATA, Connection
from marquee.control.cluster.errors import Conflict, NotFound
from marquee.control.cluster.events import EventRecorder
from marquee.control.kinds import Kind

FIELD_MANAGER: Final = "marquee"
"""Owns what the operator renders."""

STATUS_FIELD_MANAGER: Final = "marquee-status"
"""Owns the status of Marquee's own kinds; apart, so that applying one never drops the other."""

SCALE_FIELD_MANAGER: Final = "marquee-scale"
"""Names our writes of a replica count alone. The API records it as the count's owner where there was one before;
a count that nobody owned stays nobody's, so no apply takes it back."""

PAGE_SIZE: Final = 500
"""Objects per LIST request. With 8 KB an object, a page of 500 decodes within 20 MB."""

Objects = list[dict[str, Any]]

_APPLY: Final = "application/apply-patch+yaml"
_MERGE: Final = "application/merge-patch+json"


class Client:
    """Writes and live reads; what is read often is read from an `Informer` instead.

    Every method raises `marquee.control.cluster.errors.ClusterError`s, the fitting kind of `ApiError` foremost.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.events = EventRecorder(connection)

    async def apply(
        self,
        kind: Kind,
        manifest: Mapping[str, Any],
        *,
        force: bool,
        reply: Literal["object", "metadata"] = "object",
    ) -> dict[str, Any]:
        """Server-side apply `manifest`: create the object or make its listed fields so; return the server's object.

        An unknown field is refused (`fieldValidation=Strict`): we rendered it, so it is our bug.

        Args:
            kind: of the manifest.
            manifest: with apiVersion, kind, metadata.name and, for a namespaced kind, metadata.namespace.
            force: take over fields that another field manager owns, instead of raising `Conflict`.
            reply: "metadata" has the server answer without spec and status, cheaper on both sides.

        Raises:
            Conflict: another manager owns a field; `causes` names field and manager.
            Invalid: the object breaks its schema; `causes` names the fields.

        """
        path = kind.object_path(*_address(manifest))
        return await self._apply(path, manifest, FIELD_MANAGER, force=force, reply=reply)

    async def create(self, kind: Kind, manifest: Mapping[str, Any]) -> dict[str, Any]:
        """Create the object of `manifest`; one of the same name stays as it is, whoever made it.

        Server-side apply cannot do that: without force it still merges into an object that sets none of the fields.
        What this leaves to be desired: the fields count as written by an update, so a later `apply` that does not
        list one of them any more leaves it in place.

        Raises:
            AlreadyExists: there is an object of that name.
            Invalid: the object breaks its schema; `causes` names the fields.

        """
        namespace, _ = _address(manifest)
        return await self.connection.request(
            "POST",
            kind.collection_path(namespace),
            params={"fieldManager": FIELD_MANAGER, "fieldValidation": "Strict"},
            body=manifest,
        )

    async def apply_status(self, kind: Kind, manifest: Mapping[str, Any]) -> dict[str, Any]:
        """Server-side apply the status in `manifest`, taking over its fields; return the server's object."""
        path = f"{kind.object_path(*_address(manifest))}/status"
        return await self._apply(path, manifest, STATUS_FIELD_MANAGER, force=True, reply="object")

    async def scale(self, kind: Kind, namespace: str, name: str, replicas: int) -> None:
        """Set the number of replicas through the scale subresource."""
        await self.connection.request(
            "PATCH",
            f"{kind.object_path(namespace, name)}/scale",
            params={"fieldManager": SCALE_FIELD_MANAGER},
            body={"spec": {"replicas": replicas}},
            content_type=_MERGE,
        )

    async def delete(self, kind: Kind, namespace: str | None, name: str, *, uid: str) -> None:
        """Delete the object with this `uid`, its dependants in the background.

        An object that is absent, or is another of the same name, is done: the one that was meant is gone.
        """
        try:
            await self.connection.request(
                "DELETE",
                kind.object_path(namespace, name),
                body={"preconditions": {"uid": uid}, "propagationPolicy": "Background"},
                accept=OBJECT_METADATA,
            )
        except NotFound:
            return
        except Conflict:
            # The precondition failed, as its wording, which differs between versions, would say too.
            if await self._uid_of(kind, namespace, name) == uid:
                raise

    async def _uid_of(self, kind: Kind, namespace: str | None, name: str) -> str | None:
        try:
            found = await self.get(kind, namespace, name, metadata_only=True)
        except NotFound:
            return None
        return str(found["metadata"]["uid"])

    async def get(self, kind: Kind, namespace: str | None, name: str, *, metadata_only: bool = False) -> dict[str, Any]:
        """Read one object live.

        Raises:
            NotFound: there is none.

        """
        accept = OBJECT_METADATA if metadata_only else OBJECT
        answer = await self.connection.request("GET", kind.object_path(namespace, name), accept=accept)
        return answer | {"kind": kind.kind, "apiVersion": kind.api_version}

    async def list(
        self,
        kind: Kind,
        *,
        namespace: str | None = None,
        label_selector: str | None = None,
        field_selector: str | None = None,
        metadata_only: bool = False,
        limit: int | None = None,
    ) -> Objects:
        """Read live all objects that match, in pages.

        Args:
            kind: of the objects; each gets its apiVersion and kind, which the API leaves out in lists.
            namespace: None for all.
            label_selector: as ``kubectl -l`` takes it.
            field_selector: as ``kubectl --field-selector`` takes it.
            metadata_only: without spec and status.
            limit: at most so many objects, in one request.

        """
        params = {"limit": str(min(limit or PAGE_SIZE, PAGE_SIZE))}
        if label_selector:
            params["labelSelector"] = label_selector
        if field_selector:
            params["fieldSelector"] = field_selector
        found: Objects = []
        while True:
            page = await self.connection.request(
                "GET",
                kind.collection_path(namespace),
                params=params,
                accept=LIST_METADATA if metadata_only else OBJECT,
                timeout_seconds=30.0,
            )
            for item in page.get("items") or ():
                item["kind"], item["apiVersion"] = kind.kind, kind.api_version
                found.append(item)
            params["continue"] = page["metadata"].get("continue") or ""
            if not params["continue"] or (limit is not None and len(found) >= limit):
                return found[:limit]

    async def emit_event(
        self,
        *,
        regarding: Mapping[str, Any],
        type: str,  # noqa: A002 - the field's name in the API
        reason: str,
        note: str,
        action: str,
    ) -> None:
        """Record a Kubernetes Event; see `marquee.control.cluster.events.EventRecorder.emit`."""
        await self.events.emit(regarding=regarding, type=type, reason=reason, note=note, action=action)

    async def _apply(
        self,
        path: str,
        manifest: Mapping[str, Any],
        field_manager: str,
        *,
        force: bool,
        reply: Literal["object", "metadata"],
    ) -> dict[str, Any]:
        return await self.connection.request(
            "PATCH",
            path,
            params={
                "fieldManager": field_manager,
                "force": "true" if force else "false",
                "fieldValidation": "Strict",
            },
            body=manifest,
            content_type=_APPLY,
            accept=OBJECT if reply == "object" else OBJECT_METADATA,
        )


def _address(manifest: Mapping[str, Any]) -> tuple[str | None, str]:
    metadata = manifest["metadata"]
    return metadata.get("namespace"), metadata["name"]

"""Carries out a `Plan`: applies in order, then scales, then the probe; what nobody needs goes last.

A write that the API server refuses for what it says (422, a conflict with a foreign object) is an outcome to
report, not an error to retry at once; everything else is raised, and the queue tries the key again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Protocol

from marquee.api.conditions import Reason
from marquee.control.cluster.client import Client
from marquee.control.cluster.errors import Conflict, Forbidden, Invalid
from marquee.control.decide.plan import Apply, Plan, Probe
from marquee.control.kinds import DEPLOYMENT, Kind
from marquee.control.render import names
from marquee.control.snapshot import ModelKey

REFUSED_AGAIN_SECONDS: Final = 30.0
"""A refused write is tried again this often: a quota may be raised, a foreign object removed."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A write that will not succeed until somebody changes something."""

    reason: Reason
    message: str


class Prober(Protocol):
    """Asks a pod for a prediction and keeps the answer for the next snapshot."""

    async def probe(self, key: ModelKey, probe: Probe) -> None:
        """Ask once; failures are answers too, nothing is raised for them."""
        ...


class Cache(Protocol):
    """Takes the server's reply to our own write, so that the next snapshot is not older than it."""

    def write_back(self, kind: Kind, body: dict[str, Any]) -> None:
        """Keep the object unless a newer one is known."""
        ...


@dataclass(frozen=True, slots=True)
class Actor:
    """The only part of the operator that changes children."""

    client: Client
    cache: Cache
    prober: Prober

    async def act(self, key: ModelKey, plan: Plan) -> Refusal | None:
        """Do what the plan says; returns the first refusal, after which nothing further is written."""
        for apply in plan.applies:
            if (refusal := await self._apply(apply)) is not None:
                return refusal
        for scale in plan.scales:
            await self.client.scale(DEPLOYMENT, scale.namespace, scale.name, scale.replicas)
        if plan.probe is not None:
            await self.prober.probe(key, plan.probe)
        for delete in plan.deletes:
            await self.client.delete(delete.kind, delete.namespace, delete.name, uid=delete.uid)
        return None

    async def _apply(self, apply: Apply) -> Refusal | None:
        name = apply.manifest["metadata"]["name"]
        try:
            stored = await (self._create(apply) if apply.create else self._force(apply))
        except _NameTaken as error:
            return Refusal(
                Reason.NAME_CONFLICT,
                f"{apply.kind.kind} {name!r} exists and is not Marquee's{error}: "
                "remove or rename it, or give the model another name",
            )
        except (Invalid, Forbidden) as error:
            again = f"tried again every {REFUSED_AGAIN_SECONDS:g} s"
            return Refusal(Reason.APPLY_REJECTED, f"{apply.kind.kind} {name!r}: {_one_line(error.message)}; {again}")
        self.cache.write_back(apply.kind, stored)
        return None

    async def _force(self, apply: Apply) -> dict[str, Any]:
        return await self.client.apply(apply.kind, apply.manifest, force=True)

    async def _create(self, apply: Apply) -> dict[str, Any]:
        """Make what the caches do not hold, without touching what somebody else has made.

        A Deployment is applied, because later manifests of it drop fields; its selector is bound to conflict with a
        foreign one's. All other children list the same fields for good, and are created.
        """
        try:
            if apply.kind == DEPLOYMENT:
                return await self.client.apply(apply.kind, apply.manifest, force=False)
            return await self.client.create(apply.kind, apply.manifest)
        except Conflict:
            if not await self._is_ours(apply):
                raise
            return await self._force(apply)

    async def _is_ours(self, apply: Apply) -> bool:
        """Whether the object in the way is this model's all the same: our own write whose answer was lost, or one
        that was orphaned.

        Raises:
            _NameTaken: it is not.

        """
        wanted = apply.manifest["metadata"]
        found = await self.client.list(
            apply.kind,
            namespace=wanted["namespace"],
            field_selector=f"metadata.name={wanted['name']}",
            metadata_only=True,
        )
        if not found:
            return False  # it is on its way out; the caller's conflict has the key tried again
        metadata = found[0]["metadata"]
        labels = metadata.get("labels") or {}
        if any(labels.get(key) != wanted["labels"][key] for key in (names.LABEL_MODEL, names.LABEL_MANAGED_BY)):
            managers = dict.fromkeys(entry["manager"] for entry in metadata.get("managedFields") or ())
            raise _NameTaken(f" (written by {', '.join(managers)})" if managers else "")
        # A former model of the same name: its children are being collected, which ends with an event.
        uids = {owner["uid"] for owner in metadata.get("ownerReferences") or () if owner.get("controller")}
        return uids <= {owner["uid"] for owner in wanted["ownerReferences"]}


class _NameTaken(Exception):  # noqa: N818 - what is the case
    """An object of that name is somebody else's; the text says whose, if it is known."""


def _one_line(text: str) -> str:
    return " ".join(text.split())

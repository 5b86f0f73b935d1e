"""Carries out a `Plan`: applies in order, then scales, then the probe; what nobody needs goes last.

A write that the API server refuses for what it says (422, a conflict with a foreign object) is an outcome to
report, not an error to retry at once; everything else is raised, and the queue tries the key again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from marquee.api.conditions import Reason
from marquee.control.cluster.client import Client
from marquee.control.cluster.errors import Conflict, Forbidden, Invalid
from marquee.control.cluster.kinds import DEPLOYMENT, Kind
from marquee.control.decide.plan import Apply, Plan, Probe
from marquee.control.snapshot import ModelKey


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
            stored = await self.client.apply(apply.kind, apply.manifest, force=not apply.create)
        except Conflict as error:
            return Refusal(
                Reason.NAME_CONFLICT,
                f"{apply.kind.kind} {name!r} exists and belongs to somebody else: {error.message}; "
                "rename or remove it, or rename the model",
            )
        except (Invalid, Forbidden) as error:
            return Refusal(Reason.APPLY_REJECTED, f"{apply.kind.kind} {name!r}: {error.message}")
        self.cache.write_back(apply.kind, stored)
        return None

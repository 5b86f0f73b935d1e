"""Carries out a `Plan`: what the ledger must know, the audit log's entries, applies in order, scales, the probe; what
nobody needs goes last.

A write that the API server refuses for what it says (422, a conflict with a foreign object) is an outcome to
report, not an error to retry at once; everything else is raised, and the queue tries the key again.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, Protocol

from marquee.api.conditions import Reason
from marquee.contract.ledger import RolloutDeclaration
from marquee.contract.stamping import Stamping
from marquee.control.cluster.client import Client
from marquee.control.cluster.errors import Conflict, Forbidden, Invalid, NotFound
from marquee.control.decide.plan import Apply, Declare, Entry, Plan, Probe
from marquee.control.kinds import DEPLOYMENT, HTTP_ROUTE, Kind
from marquee.control.ledger.errors import LedgerError, RolloutUnknownError
from marquee.control.render import names
from marquee.control.snapshot import ModelKey

REFUSED_AGAIN_SECONDS: Final = 30.0
"""A refused write is tried again this often: a quota may be raised, a foreign object removed."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A write that will not succeed until somebody changes something."""

    reason: Reason
    message: str
    at_once: bool = False
    """What was learned changes the decision: it is made again before anybody is told."""


class Prober(Protocol):
    """Asks a pod for a prediction and keeps the answer for the next snapshot."""

    async def probe(self, key: ModelKey, probe: Probe) -> None:
        """Ask once; failures are answers too, nothing is raised for them."""
        ...


class Declarer(Protocol):
    """Tells the ledger what a rollout is judged by."""

    async def declare(self, model: str, rollout: str, declaration: RolloutDeclaration) -> None:
        """Say it; saying it again changes nothing.

        Raises:
            LedgerError: the ledger is away, or refuses.

        """
        ...

    async def stamp(self, model: str, rollout: str, stamping: Stamping) -> None:
        """Let a step of a rollout begin that pods stamp themselves. Raises like `declare`."""
        ...

    async def end_stamping(self, model: str, rollout: str) -> None:
        """Let no pod stamp for it any more. Raises like `declare`."""
        ...

    async def close(self, model: str, rollout: str) -> None:
        """End a rollout. Raises like `declare`."""
        ...


class DecisionLog(Protocol):
    """Enters decisions in the audit log, and remembers for the next snapshot what came of it."""

    async def enter(self, key: ModelKey, entries: Sequence[Entry]) -> None:
        """Enter those that are not there yet; returns when all of them are durable.

        Raises:
            LedgerError: the log is not to be had, or refuses; some of them may have been entered.

        """
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
    declarer: Declarer | None = None
    """None: the operator has no ledger, and no plan declares anything."""
    log: DecisionLog | None = None
    """None: there is no audit log, and no plan has entries."""

    async def act(self, key: ModelKey, plan: Plan) -> Refusal | None:
        """Do what the plan says; returns the first refusal, after which nothing further is written."""
        if (refusal := await self._tell(key, plan)) is not None:
            return refusal
        if (refusal := await self._enter(key, plan)) is not None:
            return refusal
        for apply in plan.applies:
            if (refusal := await self._apply(apply)) is not None:
                return refusal
        for scale in plan.scales:
            await self.client.scale(DEPLOYMENT, scale.namespace, scale.name, scale.replicas)
        if plan.probe is not None:
            await self.prober.probe(key, plan.probe)
        for delete in plan.deletes:
            await self.client.delete(delete.kind, delete.namespace, delete.name, uid=delete.uid)
        if plan.end_stamping is not None and self.declarer is not None:
            with suppress(LedgerError):  # it is said again
                await self.declarer.end_stamping("/".join(key), plan.end_stamping)
        return None

    async def _tell(self, key: ModelKey, plan: Plan) -> Refusal | None:
        """What the ledger must know before users are moved."""
        if self.declarer is None:
            return None
        model = "/".join(key)
        try:
            if plan.declare is not None:
                await self._declare(self.declarer, model, plan.declare)
            if plan.stamp is not None:
                await self.declarer.stamp(model, plan.stamp.rollout, plan.stamp.stamping)
        except LedgerError as error:
            what = "begin" if plan.declare is not None else "go on"
            again = f"tried again every {REFUSED_AGAIN_SECONDS:g} s"
            return Refusal(Reason.LEDGER_UNAVAILABLE, f"the rollout can't {what}: {_one_line(str(error))}; {again}")
        return None

    async def _enter(self, key: ModelKey, plan: Plan) -> Refusal | None:
        """Log before act: what follows depends on it. Late entries alone hold nothing up."""
        if self.log is None or not plan.entries:
            return None
        try:
            await self.log.enter(key, plan.entries)
        except LedgerError as error:
            entry = plan.entries[-1]
            if entry.decision.acted:
                return None
            why = f"the audit log is not to be had, and nothing is done that is not in it: {_one_line(str(error))}"
            again = f"tried again every {REFUSED_AGAIN_SECONDS:g} s"
            return Refusal(Reason.AUDIT_UNAVAILABLE, f"{why}; {again}", at_once=not entry.must_wait)
        return None

    @staticmethod
    async def _declare(declarer: Declarer, model: str, declare: Declare) -> None:
        if declare.closes is not None:
            with suppress(RolloutUnknownError):  # another ledger than then
                await declarer.close(model, declare.closes)
        await declarer.declare(model, declare.rollout, declare.declaration)

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
        except NotFound:
            if apply.kind != HTTP_ROUTE:
                raise  # the namespace is on its way out
            what = "this cluster does not serve HTTPRoutes: install the Gateway API, or remove spec.traffic"
            return Refusal(Reason.GATEWAY_UNAVAILABLE, what)
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

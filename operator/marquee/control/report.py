"""Writes the status, when it differs from the stored one, and tells people what changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from marquee.api.conditions import ConditionDraft, ConditionType, merge
from marquee.api.marketing_model import MarketingModel, MarketingModelStatus, Phase
from marquee.api.rollout_status import RolloutStatus
from marquee.api.types import API_VERSION, timestamp
from marquee.control.act import Refusal
from marquee.control.cluster.client import Client
from marquee.control.cluster.errors import ApiError, Conflict, NotFound
from marquee.control.decide.plan import Notice, Plan
from marquee.control.decide.rollouts import remembered
from marquee.control.kinds import MARKETING_MODEL, SERVICE
from marquee.control.snapshot import Snapshot


class ModelCache(Protocol):
    """Takes the server's reply to a status write."""

    def put_model(self, body: dict[str, Any]) -> bool:
        """Keep the object unless a newer one is known; returns whether it tells anything new."""
        ...


@dataclass(frozen=True, slots=True)
class Reporter:
    """The only part of the operator that writes a status."""

    client: Client
    cache: ModelCache

    async def report(self, snapshot: Snapshot, plan: Plan, refusal: Refusal | None) -> None:
        """Status first, then events: an event about a change that is not yet visible only confuses.

        The model's resourceVersion is the fence: what was found out about one version of it, or about a former model
        of the same name, is not written to another. The watch tells of the other, and it is decided upon anew.
        """
        model = snapshot.model
        status = plan.status if refusal is None else _refused(snapshot, plan.status, refusal)
        notices = plan.notices if refusal is None else _refusal_notices(model, refusal)
        if status != model.status:
            try:
                stored = await self.client.apply_status(MARKETING_MODEL, _manifest(model, status))
            except (NotFound, Conflict):
                return
            self.cache.put_model(stored)
        for notice in notices:
            await self._emit(model, notice)

    async def _emit(self, model: MarketingModel, notice: Notice) -> None:
        try:
            await self.client.emit_event(
                regarding={
                    "apiVersion": API_VERSION,
                    "kind": MarketingModel.KIND,
                    "namespace": model.metadata.namespace,
                    "name": model.metadata.name,
                    "uid": model.metadata.uid,
                },
                type="Warning" if notice.warning else "Normal",
                reason=notice.reason.value,
                note=notice.note,
                action="Reconcile",
            )
        except ApiError:
            return  # events are a courtesy: a namespace on its way out refuses them


def _manifest(model: MarketingModel, status: MarketingModelStatus) -> dict[str, Any]:
    return {
        "apiVersion": API_VERSION,
        "kind": MarketingModel.KIND,
        "metadata": {
            "name": model.metadata.name,
            "namespace": model.metadata.namespace,
            "resourceVersion": model.metadata.resource_version,
        },
        "status": status.model_dump(mode="json", by_alias=True, exclude_none=True),
    }


def _refused(snapshot: Snapshot, status: MarketingModelStatus, refusal: Refusal) -> MarketingModelStatus:
    drafts = [
        ConditionDraft(type=kind, status=value, reason=refusal.reason, message=refusal.message[:1024])
        for kind, value in ((ConditionType.READY, False), (ConditionType.STALLED, True))
    ]
    model = snapshot.model
    conditions = merge(
        model.status.conditions, drafts, generation=model.metadata.generation, now=timestamp(snapshot.now)
    )
    rollout = _as_it_is(snapshot, status.rollout)
    return status.model_copy(update={"phase": Phase.FAILED, "conditions": conditions, "rollout": rollout})


def _as_it_is(snapshot: Snapshot, planned: RolloutStatus | None) -> RolloutStatus | None:
    """The newest rollout where it stands: what was refused may have been its next step, or another's beginning.

    The name of a rollout follows from that of the one before it. If the status told of one that no write has made, each
    try would have another name, and so would its entry in the audit log.
    """
    told, service = snapshot.model.status.rollout, snapshot.child(SERVICE, snapshot.model.metadata.name)
    record = remembered(service)
    if planned is None or (told is not None and record is None and planned.name == told.name):
        return planned
    place = (record.name, record.step, record.result) if record is not None else None
    return planned if (planned.name, planned.step, planned.result) == place else told


def _refusal_notices(model: MarketingModel, refusal: Refusal) -> tuple[Notice, ...]:
    known = any(condition.reason == refusal.reason.value for condition in model.status.conditions)
    return () if known else (Notice(warning=True, reason=refusal.reason, note=refusal.message),)

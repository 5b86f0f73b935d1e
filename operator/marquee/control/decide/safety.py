"""The kill switch: whether it is engaged, which revision is safe, and which one stands by for that."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from marquee.api.conditions import Reason
from marquee.api.marketing_model import MarketingModel, ServingClass
from marquee.api.rollout_status import RolloutResult
from marquee.contract.holding import ANNOTATION_KILL, read_hold
from marquee.control.decide.resolving import Resolution
from marquee.control.render.record import RolloutRecord
from marquee.control.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Kill:
    """An engaged kill switch."""

    by: str
    reason: str
    at: datetime | None
    """When it was said; None where the spec says it, which has no time."""

    @property
    def words(self) -> str:
        """Who and why, for a sentence's end."""
        by = f" by {self.by}" if self.by else ""
        return f"{by}: {self.reason}" if self.reason else by


def kill_of(model: MarketingModel) -> Kill | None:
    """The switch, when the spec or a person has engaged it: the safer of the two counts."""
    if model.spec.serving.class_ is ServingClass.EXTERNAL:
        return None
    said = read_hold(model.metadata.annotations.get(ANNOTATION_KILL))
    if said is not None and said.on:
        return Kill(said.by, said.reason, said.moment)
    switch = model.spec.kill_switch
    return Kill("spec.killSwitch", "", None) if switch is not None and switch.engaged else None


def fallback_named(snapshot: Snapshot) -> str | None:
    """The revision that the spec names for that case."""
    switch = snapshot.model.spec.kill_switch
    return switch.fallback.revision if switch is not None and switch.fallback is not None else None


def resolve_safe(snapshot: Snapshot, record: RolloutRecord | None, serving: str | None) -> Resolution:
    """What is to answer while the switch is engaged, whatever ``spec.revision`` names."""
    if snapshot.spec_error:
        return Resolution(None, Reason.SPEC_INVALID, snapshot.spec_error)
    name, where = fallback_named(snapshot), "spec.killSwitch.fallback.revision"
    if name is None:
        name, where = _before(record, serving), "the kill switch is engaged"
    if name is None:
        return Resolution(
            None, Reason.KILL_SWITCH, "the kill switch is engaged before any revision has served: none begins to"
        )
    if (revision := snapshot.revision(name)) is not None:
        return Resolution(revision)
    what = f"ModelRevision {name!r}, which is to answer, is none of model {snapshot.model.metadata.name!r}"
    return Resolution(None, Reason.REVISION_NOT_FOUND, f"{where}: {what}; create it, or name another fallback")


def _before(record: RolloutRecord | None, serving: str | None) -> str | None:
    """The revision from before the newest rollout; without a rollout, and after it was taken back, who serves."""
    if record is not None and record.result is RolloutResult.PROMOTED and record.revision == serving:
        return record.stable
    return serving

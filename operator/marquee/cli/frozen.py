"""Which PromotionFreezes held for a model at a time, by the audit log's list of then."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from marquee.cli.logged import Logged, Source, entries_of
from marquee.contract.audit_paths import FREEZES


@dataclass(frozen=True, slots=True)
class Frozen:
    """One PromotionFreeze that held, and the entry that lists it."""

    told: dict[str, Any]
    index: int

    @property
    def words(self) -> str:
        """Which it is, why, its days, who has changed it last."""
        told = self.told
        why = f": {told['reason']}" if told.get("reason") else ""
        first, last = told.get("first"), told.get("last")
        days = f"{first} to {last}" if first and last else f"from {first}" if first else f"until {last}"
        when = f", {days} {told.get('timeZone')}" if first or last else ""
        by = f", by {told['by']}" if told.get("by") else ""
        return f"PromotionFreeze {told['namespace']}/{told['name']}{why}{when}{by} (entry {self.index})"


def freezes_at(source: Source, decision: Logged, model: str, at: datetime) -> list[Frozen]:
    """Those that held for a model at a moment; the operator that entered the decision has entered their list.

    Raises:
        ClusterProblem: the log cannot be asked.

    """
    home = str(decision.predicate.get("actor", "")).removeprefix("operator ").partition("/")[0]
    namespace = model.partition("/")[0]
    entry = next((one for one in entries_of(source, f"{home}/{FREEZES}") if one.time <= at), None)
    if entry is None:
        return []
    return [
        Frozen(told, entry.index)
        for told in _listed(entry)
        if told["namespace"] in (namespace, home) and _holds(told, at)
    ]


def _listed(entry: Logged) -> Iterator[dict[str, Any]]:
    found = entry.predicate.get("freezes")
    yield from (one for one in found if isinstance(one, dict)) if isinstance(found, list) else ()


def _holds(told: dict[str, Any], at: datetime) -> bool:
    """By the operator's own rule: one that cannot be read holds."""
    # these types take longer to import than all else that `why` does; most logs have no freeze
    from pydantic import ValidationError

    from marquee.api.promotion_freeze import PromotionFreezeSpec
    from marquee.control.decide.freezing import standing
    from marquee.control.snapshot import StandingFreeze

    days = {key: told.get(key) or None for key in ("first", "last")}
    try:
        spec = PromotionFreezeSpec.model_validate(days | {"timeZone": told.get("timeZone", "")})
    except ValidationError:
        spec = None
    return standing(StandingFreeze(told["namespace"], told["name"], "", spec), at) is not None

"""Puts a `Snapshot` together from the caches, without asking the API server anything."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from marquee.control.observe.children import Children
from marquee.control.observe.resources import Resources
from marquee.control.snapshot import Defaults, ModelKey, ProbeResult, Snapshot


@dataclass(frozen=True, slots=True)
class Observer:
    """Reads the caches; never blocks."""

    resources: Resources
    children: Children
    probe_result: Callable[[ModelKey], ProbeResult | None]
    defaults: Defaults
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def observe(self, key: ModelKey) -> Snapshot | None:
        """The model's snapshot, or None when it is gone or going: its children go with it, by ownership."""
        namespace, name = key
        stored = self.resources.model(namespace, name)
        if stored is None or stored.model.metadata.deletion_timestamp is not None:
            return None
        model = stored.model
        named = model.spec.revision.name
        other = self.resources.revision(namespace, named) if named is not None else None
        owned = self.children.of(namespace, name, owner_uid=model.metadata.uid)
        return Snapshot(
            model=model,
            revisions=self.resources.revisions_of(namespace, name),
            revisions_of_others=(other,) if other is not None and other.spec.model != name else (),
            deployments=owned.deployments,
            pods=owned.pods,
            children=owned.others,
            probe=self.probe_result(key),
            defaults=self.defaults,
            now=self.now(),
            spec_error=stored.spec_error,
        )

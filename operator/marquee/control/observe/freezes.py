"""The informers of PromotionFreezes, and which models each of them is over."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from pydantic import ValidationError

from marquee.api.promotion_freeze import PromotionFreezeSpec
from marquee.contract.approval import ANNOTATION_EDITOR
from marquee.control.cluster.connection import Connection
from marquee.control.cluster.informer import Informer
from marquee.control.kinds import PROMOTION_FREEZE
from marquee.control.snapshot import StandingFreeze


class Freezes:
    """PromotionFreezes of the watched namespaces and of the operator's own, whose are over all models.

    Not among kopf's kinds: it watches one set of namespaces for all of them, and work must not begin before it is known
    what is frozen. A cluster without the kind has no freezes.

    Args:
        connection: The API server.
        namespaces: Where models are; empty for the whole cluster.
        home: The operator's own namespace.
        on_change: Called with a namespace when what is over its models changes; with None for all of them.

    """

    def __init__(
        self, connection: Connection, namespaces: tuple[str, ...], home: str, on_change: Callable[[str | None], None]
    ) -> None:
        self._home = home
        self._on_change = on_change
        scopes = dict.fromkeys((*namespaces, home)) if namespaces else {None: None}
        self._informers = [
            Informer(
                connection,
                PROMOTION_FREEZE,
                namespace=scope,
                optional=True,
                transform=standing_freeze,
                on_change=self._changed,
            )
            for scope in scopes
        ]

    async def run(self) -> None:
        """Keep the caches current, until cancelled."""
        async with asyncio.TaskGroup() as group:
            for informer in self._informers:
                group.create_task(informer.run())

    async def wait_until_synced(self) -> None:
        """Return when the caches hold what the API server held at the start."""
        for informer in self._informers:
            await informer.synced.wait()

    def informers(self) -> list[Informer[Any]]:
        """All of them, for probes and metrics."""
        return list(self._informers)

    def all(self) -> tuple[StandingFreeze, ...]:
        """Every one, by namespace and name."""
        found = (freeze for informer in self._informers for freeze in informer)
        return tuple(sorted(found, key=lambda one: (one.namespace, one.name)))

    def over(self, namespace: str) -> tuple[StandingFreeze, ...]:
        """Those that are over the models of a namespace."""
        return tuple(one for one in self.all() if one.namespace in (namespace, self._home))

    def _changed(self, old: StandingFreeze | None, new: StandingFreeze | None) -> None:
        changed = new if new is not None else old
        if changed is not None and old != new:
            self._on_change(None if changed.namespace == self._home else changed.namespace)


def standing_freeze(body: dict[str, Any]) -> StandingFreeze:
    """A stored object; what cannot be read holds, so it is never left out."""
    metadata = body["metadata"]
    try:
        spec = PromotionFreezeSpec.model_validate(body.get("spec"))
    except ValidationError:
        spec = None
    editor = (metadata.get("annotations") or {}).get(ANNOTATION_EDITOR, "")
    return StandingFreeze(metadata["namespace"], metadata["name"], metadata.get("uid", ""), spec, editor)

"""Makes the steps of retraining: entries of the audit log, then one object that is made once and never changed.

What fails is remembered for the next decision. It is nobody's error but retraining's: serving does not wait for it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

import structlog

from marquee.api.conditions import Reason
from marquee.control.cluster.client import Client
from marquee.control.cluster.errors import AlreadyExists, Forbidden, Invalid, NotFound
from marquee.control.decide.plan import RetrainingStep, RunEntry
from marquee.control.kinds import JOB, Kind
from marquee.control.ledger.errors import LedgerError
from marquee.control.render import names
from marquee.control.runtime.clock import utc_now
from marquee.control.snapshot import ModelKey, Trouble

log = structlog.get_logger(__name__)


class RunLog(Protocol):
    """The part of the audit log's hand that is about retraining."""

    async def enter_runs(self, key: ModelKey, entries: Sequence[RunEntry]) -> None:
        """Enter those that are not there yet; returns when all are durable. Raises `LedgerError`."""
        ...


class Jobs(Protocol):
    """The cache of Jobs."""

    def write_back(self, kind: Kind, body: dict[str, Any]) -> None:
        """Take the server's reply to our own write."""
        ...


class Revisions(Protocol):
    """The cache of ModelRevisions."""

    def put_revision(self, body: dict[str, Any]) -> None:
        """Take the server's reply to our own write."""
        ...


@dataclass(slots=True)
class Retrainer:
    """The only part of the operator that makes Jobs and ModelRevisions.

    Args:
        client: of the API server.
        jobs: takes a Job that was made.
        revisions: takes a ModelRevision that was made.
        log: None: there is no audit log, and no step has entries.
        now: wall clock.

    """

    client: Client
    jobs: Jobs
    revisions: Revisions
    log: RunLog | None = None
    now: Callable[[], datetime] = utc_now
    _troubles: dict[ModelKey, Trouble] = field(default_factory=dict)

    def trouble(self, key: ModelKey) -> Trouble | None:
        """Why the last step could not be made; None when it could."""
        return self._troubles.get(key)

    def forget(self, key: ModelKey) -> None:
        """The model is gone."""
        self._troubles.pop(key, None)

    async def carry_out(self, key: ModelKey, step: RetrainingStep) -> None:
        """Log before act: without its entries nothing is made. Refusals are remembered, other errors raised."""
        try:
            if self.log is not None and step.entries:
                await self.log.enter_runs(key, step.entries)
            if step.kind is not None:
                await self._make(step.kind, step.manifest)
        except LedgerError as error:
            self._fail(key, Reason.AUDIT_UNAVAILABLE, f"the audit log is not to be had, and nothing goes on: {error}")
        except _NameTakenError as error:
            self._fail(key, Reason.NAME_CONFLICT, str(error))
        except (Invalid, Forbidden, NotFound) as error:
            name = step.manifest.get("metadata", {}).get("name", "")
            self._fail(key, Reason.APPLY_REJECTED, f"{step.kind} {name}: {error.message}")
        else:
            self._troubles.pop(key, None)

    async def _make(self, kind: Kind, manifest: dict[str, Any]) -> None:
        stored = await self._answering(manifest) if kind == JOB else None
        if stored is None:
            try:
                stored = await self.client.create(kind, manifest)
            except AlreadyExists:
                stored = await self._existing(kind, manifest)
        if kind == JOB:
            self.jobs.write_back(kind, stored)
        else:
            self.revisions.put_revision(stored)

    async def _answering(self, manifest: dict[str, Any]) -> dict[str, Any] | None:
        """The Job of this model that answers the same trigger, read live: a cache may be behind, and one run is all."""
        metadata = manifest["metadata"]
        wanted = {label: metadata["labels"][label] for label in (names.LABEL_MODEL, names.LABEL_TRIGGER)}
        found = await self.client.list(
            JOB,
            namespace=metadata["namespace"],
            label_selector=",".join(f"{label}={value}" for label, value in wanted.items()),
        )
        ours = metadata["ownerReferences"][0]["uid"]
        return next((body for body in found if ours in _owners(body)), None)

    async def _existing(self, kind: Kind, manifest: dict[str, Any]) -> dict[str, Any]:
        """The object in the way, if it is the very one: our own write whose answer was lost.

        Raises:
            _NameTakenError: it is not.

        """
        metadata = manifest["metadata"]
        selector = f"metadata.name={metadata['name']}"
        found = await self.client.list(kind, namespace=metadata["namespace"], field_selector=selector)
        is_ours = any(
            set(_owners(manifest)) <= set(_owners(body)) if kind == JOB else body["spec"] == manifest["spec"]
            for body in found
        )
        if not is_ours:
            what = f"{kind.kind} {metadata['name']!r} exists and says something else: remove it"
            raise _NameTakenError(what)
        return found[0]

    def _fail(self, key: ModelKey, reason: Reason, message: str) -> None:
        message = " ".join(message.split())[:700]
        if key not in self._troubles:
            log.warning("retraining can't go on", model="/".join(key), reason=reason.value, message=message)
        self._troubles[key] = Trouble(reason, message, self.now())


class _NameTakenError(Exception):
    """An object of that name is something else."""


def _owners(body: dict[str, Any]) -> list[str]:
    return [owner["uid"] for owner in body["metadata"].get("ownerReferences") or ()]

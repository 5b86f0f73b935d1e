"""Makes the steps of retraining: entries of the audit log, then one object that is made once and never changed.

A TrainJob's TrainingRuntime comes before it, and is found again where only the TrainJob is missing.

What fails is remembered for the next decision. It is nobody's error but retraining's: serving does not wait for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final, Protocol

import structlog

from marquee.api.conditions import Reason
from marquee.control.cluster.client import Client
from marquee.control.cluster.errors import AlreadyExists, Forbidden, Invalid, NotFound
from marquee.control.decide.plan import RetrainingStep, RunEntry
from marquee.control.kinds import JOB, MODEL_REVISION, TRAIN_JOB, TRAINING_RUNTIME, Kind
from marquee.control.ledger.errors import LedgerError
from marquee.control.render import names
from marquee.control.runtime.clock import utc_now
from marquee.control.snapshot import ModelKey, Trouble

_OF_RUNS: Final = (JOB, TRAIN_JOB)

log = structlog.get_logger(__name__)


class RunLog(Protocol):
    """The part of the audit log's hand that is about retraining."""

    async def enter_runs(self, key: ModelKey, entries: Sequence[RunEntry]) -> None:
        """Enter those that are not there yet; returns when all are durable. Raises `LedgerError`."""
        ...


class Jobs(Protocol):
    """The cache of Jobs, TrainJobs and TrainingRuntimes."""

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
        jobs: takes a Job, TrainJob or TrainingRuntime that was made.
        revisions: takes a ModelRevision that was made.
        log: None: there is no audit log, and no step has entries.
        now: wall clock.
        pauses: seconds between the attempts to make a TrainJob.

    """

    client: Client
    jobs: Jobs
    revisions: Revisions
    log: RunLog | None = None
    now: Callable[[], datetime] = utc_now
    pauses: tuple[float, ...] = (0.1, 0.4, 1.5)
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
                await self._make(step.kind, step.manifest, step.runtime)
        except LedgerError as error:
            self._fail(key, Reason.AUDIT_UNAVAILABLE, f"the audit log is not to be had, and nothing goes on: {error}")
        except _NameTakenError as error:
            self._fail(key, Reason.NAME_CONFLICT, str(error))
        except (Invalid, Forbidden, NotFound) as error:
            name = step.manifest.get("metadata", {}).get("name", "")
            self._fail(key, Reason.APPLY_REJECTED, f"{step.kind} {name}: {error.message}")
        else:
            self._troubles.pop(key, None)

    async def _make(self, kind: Kind, manifest: dict[str, Any], runtime: dict[str, Any] | None) -> None:
        if kind not in _OF_RUNS:
            self.revisions.put_revision(await self._created(kind, manifest))
            return
        for known in _OF_RUNS:
            stored = await self._answering(known, manifest)
            if stored is not None:
                self.jobs.write_back(known, stored)
                return
        if runtime is None:
            self.jobs.write_back(kind, await self._created(kind, manifest))
        else:
            self.jobs.write_back(TRAINING_RUNTIME, await self._current(runtime))
            self.jobs.write_back(kind, await self._taken(kind, manifest))

    async def _taken(self, kind: Kind, manifest: dict[str, Any]) -> dict[str, Any]:
        """Kubeflow Trainer refuses a TrainJob until its own cache has the TrainingRuntime that was made just now."""
        for seconds in self.pauses:
            try:
                return await self._created(kind, manifest)
            except (Forbidden, Invalid):
                await asyncio.sleep(seconds)
        return await self._created(kind, manifest)

    async def _current(self, runtime: dict[str, Any]) -> dict[str, Any]:
        """The TrainingRuntime as the TrainJob needs it: one that an operator left who died at once may say less."""
        stored = await self._created(TRAINING_RUNTIME, runtime)
        if _rendered(stored) == _rendered(runtime):
            return stored
        metadata = stored["metadata"]
        await self.client.delete(TRAINING_RUNTIME, metadata["namespace"], metadata["name"], uid=metadata["uid"])
        return await self.client.create(TRAINING_RUNTIME, runtime)

    async def _created(self, kind: Kind, manifest: dict[str, Any]) -> dict[str, Any]:
        try:
            return await self.client.create(kind, manifest)
        except AlreadyExists:
            return await self._existing(kind, manifest)

    async def _answering(self, kind: Kind, manifest: dict[str, Any]) -> dict[str, Any] | None:
        """What answers the same trigger of this model, read live: a cache may be behind, and one run is all."""
        metadata = manifest["metadata"]
        wanted = {label: metadata["labels"][label] for label in (names.LABEL_MODEL, names.LABEL_TRIGGER)}
        selector = ",".join(f"{label}={value}" for label, value in wanted.items())
        try:
            found = await self.client.list(kind, namespace=metadata["namespace"], label_selector=selector)
        except NotFound:
            return None  # the cluster serves no TrainJobs
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
            body["spec"] == manifest["spec"] if kind == MODEL_REVISION else set(_owners(manifest)) <= set(_owners(body))
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


def _rendered(body: dict[str, Any]) -> str:
    return str((body["metadata"].get("annotations") or {}).get(names.ANNOTATION_RENDERED, ""))


def _owners(body: dict[str, Any]) -> list[str]:
    return [owner["uid"] for owner in body["metadata"].get("ownerReferences") or ()]

"""Puts a `Snapshot` together from the caches, without asking the API server anything."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from marquee.control.kinds import SCALED_OBJECT, TRAIN_JOB, TRAINING_RUNTIME
from marquee.control.observe.children import Children
from marquee.control.observe.resources import Resources
from marquee.control.snapshot import (
    Defaults,
    DriftReading,
    Keda,
    LogReading,
    ModelKey,
    ProbeResult,
    Reading,
    Snapshot,
    StandingFreeze,
    Trainer,
    Trouble,
)


@dataclass(frozen=True, slots=True)
class Observer:
    """Reads the caches; never blocks."""

    resources: Resources
    children: Children
    probe_result: Callable[[ModelKey], ProbeResult | None]
    defaults: Defaults
    now: Callable[[], datetime] = lambda: datetime.now(UTC)
    reading: Callable[[ModelKey], Reading | None] | None = None
    """What the ledger says of a model's newest rollout; None: the operator has no ledger."""
    drift: Callable[[ModelKey], DriftReading | None] = lambda _: None
    """What the ledger's windows say of a model's drift."""
    logged: Callable[[ModelKey], LogReading] | None = None
    """What is known of a model's newest entry; None: there is no audit log."""
    trainer: Trainer = field(default_factory=Trainer)
    """What retraining runs take from the operator."""
    trouble: Callable[[ModelKey], Trouble | None] = lambda _: None
    """Why the last step of retraining could not be made."""
    freezes: Callable[[str], tuple[StandingFreeze, ...]] = lambda _: ()
    """The PromotionFreezes over the models of a namespace."""
    keda: Keda = field(default_factory=Keda)
    """How ScaledObjects learn of requests, where the cluster has KEDA."""

    def observe(self, key: ModelKey) -> Snapshot | None:
        """The model's snapshot, or None when it is gone or going: its children go with it, by ownership."""
        namespace, name = key
        stored = self.resources.model(namespace, name)
        if stored is None or stored.model.metadata.deletion_timestamp is not None:
            return None
        model = stored.model
        named = model.spec.pinned
        other = self.resources.revision(namespace, named) if named is not None else None
        now = self.now()
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
            now=now,
            spec_error=stored.spec_error,
            route=owned.route,
            ledger=self._reading(key, now),
            drift=self.drift(key),
            scaled_objects=owned.scaled_objects,
            approvals=self.resources.approvals_of(namespace, name),
            freezes=self.freezes(namespace),
            jobs=owned.jobs,
            training_runtimes=owned.training_runtimes,
            has_train_jobs=self.children.serves(TRAIN_JOB) and self.children.serves(TRAINING_RUNTIME),
            trainer_pods=owned.trainer_pods,
            trainer=self.trainer,
            trouble=self.trouble(key),
            audit=self.logged(key) if self.logged is not None else None,
            keda=self.keda if self.children.serves(SCALED_OBJECT) else None,
        )

    def _reading(self, key: ModelKey, now: datetime) -> Reading | None:
        if self.reading is None:
            return None
        return self.reading(key) or Reading(statistics=None, failure="", as_of=now, unread=True)

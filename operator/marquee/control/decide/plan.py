"""What a decision consists of: ordered writes, at most one probe, a status, and when to look again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from marquee.api.conditions import Reason
from marquee.api.marketing_model import MarketingModelStatus
from marquee.control.kinds import Kind


@dataclass(frozen=True, slots=True)
class Apply:
    """Server-side apply of one manifest.

    ``create`` says that no object of ours has that name: the apply is then not forced, so that a foreign
    object of the same name is a conflict to report and not a victim.
    """

    kind: Kind
    manifest: dict[str, Any]
    create: bool


@dataclass(frozen=True, slots=True)
class Scale:
    """Sets the replicas of a Deployment through its scale subresource."""

    namespace: str
    name: str
    replicas: int


@dataclass(frozen=True, slots=True)
class Delete:
    """Removes one object, and only the very one that was observed."""

    kind: Kind
    namespace: str
    name: str
    uid: str


@dataclass(frozen=True, slots=True)
class Probe:
    """One prediction by one pod, which must say that it serves these bytes."""

    pod_uid: str
    address: str
    model: str
    revision: str
    digest: str


@dataclass(frozen=True, slots=True)
class Notice:
    """A Kubernetes event for people."""

    warning: bool
    reason: Reason
    note: str


@dataclass(frozen=True, slots=True)
class Plan:
    """Everything to do now, in this order: applies, scales, probe, deletes, status, notices."""

    status: MarketingModelStatus
    applies: tuple[Apply, ...] = ()
    scales: tuple[Scale, ...] = ()
    probe: Probe | None = None
    deletes: tuple[Delete, ...] = ()
    notices: tuple[Notice, ...] = ()
    requeue_after_seconds: float | None = None

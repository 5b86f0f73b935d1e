"""Annex IV of Regulation (EU) 2024/1689: which of its nine points a card has something for, and from where.

That something is there does not say that it is enough: the table is for whoever writes the technical documentation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from marquee.cli.cards.sources import Sources, at, text_at

_Known = Callable[[Sources], bool]


@dataclass(frozen=True, slots=True)
class Part:
    """Something that a point asks for."""

    name: str
    source: str
    known: _Known


@dataclass(frozen=True, slots=True)
class Point:
    """One of the nine."""

    number: int
    title: str
    parts: tuple[Part, ...]

    def row(self, sources: Sources) -> tuple[str, str, str, str]:
        """Number, title, ``present`` or ``missing``, and from where or what not."""
        lacks = [part for part in self.parts if not part.known(sources)]
        if lacks:
            what = "; ".join(f"no {part.name} ({part.source})" for part in lacks)
            return str(self.number), self.title, "missing", what
        return str(self.number), self.title, "present", "; ".join(f"{part.name}: {part.source}" for part in self.parts)


def _says(field: str) -> Part:
    words = {
        "intendedUse": "intended purpose",
        "limitations": "limitations",
        "humanOversight": "human oversight",
        "metricsRationale": "reason for the metrics",
        "riskManagement": "risk management",
        "standards": "standards",
        "conformity": "declaration",
        "monitoringPlan": "monitoring plan",
    }
    return Part(words[field], f"spec.governance.card.{field}", lambda sources: bool(text_at(sources.card, field)))


_PROVIDER: Final = Part("provider", "spec.owner", lambda sources: bool(at(sources.model, "spec", "owner")))
_VERSION: Final = Part("version", "digest of the artifact", lambda sources: bool(sources.digest))
_SOFTWARE: Final = Part(
    "software", "manifest: lineage.libraries", lambda s: s.manifest is not None and bool(s.manifest.lineage.libraries)
)
_DATA: Final = Part(
    "data", "manifest: lineage.data", lambda s: s.manifest is not None and bool(s.manifest.lineage.data)
)
_CODE: Final = Part("code", "manifest: lineage.codeDigest", lambda s: s.manifest is not None)
_METRICS: Final = Part(
    "validation",
    "manifest: metrics, or ModelRevision: spec.metrics",
    lambda s: bool(at(s.revision, "spec", "metrics")) or (s.manifest is not None and bool(s.manifest.metrics)),
)
_GROUPS: Final = Part(
    "figures for groups", "ModelRevision: spec.slices", lambda s: bool(at(s.revision, "spec", "slices"))
)
_INPUTS: Final = Part("input data", "manifest: inputs", lambda s: s.manifest is not None)
_CHANGES: Final = Part(
    "changes", "ModelRevision: spec.description; `kubectl marquee why` has each step",
    lambda s: bool(text_at(s.revision, "spec", "description")),
)  # fmt: skip
_WATCHED: Final = Part(
    "monitoring",
    "spec.drift or spec.rollout.analysis",
    lambda s: bool(at(s.model, "spec", "drift") or at(s.model, "spec", "rollout", "analysis")),
)

POINTS: Final = (
    Point(1, "General description of the system", (_says("intendedUse"), _PROVIDER, _VERSION, _SOFTWARE)),
    Point(2, "Elements of the system and its development", (_DATA, _CODE, _METRICS, _says("humanOversight"))),
    Point(3, "Monitoring, functioning and control", (_says("limitations"), _GROUPS, _says("humanOversight"), _INPUTS)),
    Point(4, "Appropriateness of the performance metrics", (_says("metricsRationale"),)),
    Point(5, "Risk management system (Article 9)", (_says("riskManagement"),)),
    Point(6, "Changes through the lifecycle", (_CHANGES,)),
    Point(7, "Harmonised standards", (_says("standards"),)),
    Point(8, "EU declaration of conformity", (_says("conformity"),)),
    Point(9, "Post-market monitoring (Article 72)", (_WATCHED, _says("monitoringPlan"))),
)

"""A card's sections out of its sources. Pure; groups that are too small to be shown are not (`judging.disclosure`)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from marquee.cli.cards.annex import POINTS
from marquee.cli.cards.document import CardDocument, Fact, Section, fact, section
from marquee.cli.cards.sources import Sources, at, text_at
from marquee.contract.manifest import CategoryField, InputField
from marquee.judging.disclosure import SMALLEST_GROUP, count_in_words, disclosed

_CARD: Final = "spec.governance.card"
_LINEAGE: Final = "ModelRevision: spec.lineage"
_SHOWN_CATEGORIES: Final = 12
_NOT_THERE: Final = (
    "The artifact's manifest was not to be had: inputs, outputs, data and libraries are not in this card."
)
_NO_COMPLIANCE: Final = (
    "Present says that there is something under the source, not that it is enough: a person has to judge that."
)


def compose(sources: Sources, now: datetime) -> CardDocument:
    """The card of a revision, or of an artifact that is no revision yet."""
    revision = text_at(sources.revision, "metadata", "name")
    what = f"revision {revision}" if revision else "artifact"
    return CardDocument(
        title=f"Model card: {sources.name}",
        subtitle=f"{what}, {sources.digest}, as of {now:%Y-%m-%d %H:%M} UTC",
        sections=tuple(one for one in _sections(sources, now) if one.facts or one.table or one.note),
    )


def _sections(sources: Sources, now: datetime) -> Iterator[Section]:
    yield _purpose(sources)
    yield _version(sources)
    yield _data(sources)
    yield _inputs(sources)
    yield _outputs(sources)
    yield _metrics(sources)
    yield _slices(sources)
    yield _decisions(sources, now)
    yield _monitoring(sources)
    rows = [point.row(sources) for point in POINTS]
    header = ("point", "about", "state", "from")
    yield section("EU AI Act, Annex IV", header=header, rows=rows, note=_NO_COMPLIANCE)


def _purpose(sources: Sources) -> Section:
    card, spec = sources.card, at(sources.model, "spec") or {}
    manifest = sources.manifest
    team, contact = text_at(spec, "owner", "team"), text_at(spec, "owner", "contact")
    says = (
        ("Owner", "owner"),
        ("Intended use", "intendedUse"),
        ("Limitations", "limitations"),
        ("Human oversight", "humanOversight"),
        ("Why these metrics", "metricsRationale"),
        ("Risk management", "riskManagement"),
        ("Standards", "standards"),
        ("Declaration of conformity", "conformity"),
        ("Monitoring plan", "monitoringPlan"),
    )
    risk = text_at(spec, "governance", "riskClass") if sources.model else None
    return section(
        "What it is for",
        [
            fact("Use case", text_at(spec, "useCase") or (manifest.use_case if manifest is not None else "")),
            fact("Team", f"{team}, {contact}" if team else "", "spec.owner"),
            fact("Risk class", None if risk is None else risk or "unclassified", "spec.governance.riskClass"),
            *(fact(label, card.get(name), f"{_CARD}.{name}") for label, name in says),
        ],
    )


def _version(sources: Sources) -> Section:
    revision, manifest = sources.revision, sources.manifest
    return section(
        "Version",
        [
            fact("Revision", text_at(revision, "metadata", "name")),
            fact("Digest", sources.digest),
            fact("What is new", text_at(revision, "spec", "description"), "ModelRevision: spec.description"),
            fact("Created", text_at(revision, "metadata", "creationTimestamp")),
            fact("Made by", at(revision, "metadata", "annotations", "marquee.dev/author"), "marquee.dev/author"),
            fact("Runs as", manifest.flavour if manifest is not None else "", "manifest"),
        ],
        note="" if manifest is not None else _NOT_THERE,
    )


def _data(sources: Sources) -> Section:
    lineage: Mapping[str, Any] = at(sources.revision, "spec", "lineage") or {}
    start, end = text_at(lineage, "windowStart"), text_at(lineage, "windowEnd")
    facts = [
        fact("Run", text_at(lineage, "run"), _LINEAGE),
        fact("Asked by", text_at(lineage, "trigger"), _LINEAGE),
        fact("Window", f"{start or 'the beginning'} to {end}" if end else "", _LINEAGE),
        fact("Digest of the data", text_at(lineage, "dataDigest"), _LINEAGE),
    ]
    manifest = sources.manifest
    if manifest is None:
        code, parent = text_at(lineage, "codeDigest"), text_at(lineage, "parent")
        return section("Lineage", [*facts, fact("Code", code, _LINEAGE), fact("Parent", parent, _LINEAGE)])
    told = manifest.lineage
    return section(
        "Lineage",
        [
            *facts,
            fact("Code", told.code_digest, "manifest"),
            fact("Parent", told.parent, "manifest"),
            fact("Seed", told.seed, "manifest"),
            fact("Made", manifest.created_at, "manifest"),
            fact("Libraries", ", ".join(f"{name} {version}" for name, version in sorted(told.libraries.items()))),
        ],
        header=("data", "rows", "from", "sha256"),
        rows=[(one.name, count_in_words(one.rows), one.origin, one.sha256) for one in told.data],
    )


def _inputs(sources: Sources) -> Section:
    manifest = sources.manifest
    if manifest is None:
        return section("Inputs")
    rows = [(one.name, one.kind, _values(one), one.description) for one in manifest.inputs]
    return section("Inputs", header=("input", "kind", "values", "about"), rows=rows)


def _values(field: InputField) -> str:
    if isinstance(field, CategoryField):
        more = len(field.categories) - _SHOWN_CATEGORIES
        told = ", ".join(field.categories[:_SHOWN_CATEGORIES]) + (f" and {more} more" if more > 0 else "")
    else:
        ends = (field.minimum, field.maximum)
        told = "any" if ends == (None, None) else " to ".join("any" if end is None else f"{end:g}" for end in ends)
    return told + (", or missing" if field.nullable else "")


def _outputs(sources: Sources) -> Section:
    manifest = sources.manifest
    rows = [(one.name, one.unit, one.description) for one in manifest.outputs] if manifest is not None else []
    return section("Outputs", header=("output", "unit", "about"), rows=rows)


def _metrics(sources: Sources) -> Section:
    told = {str(one["name"]): float(one["value"]) for one in at(sources.revision, "spec", "metrics") or ()}
    own = sources.manifest.metrics if sources.manifest is not None else {}
    rows = [(name, f"{value:.6g}", "ModelRevision: spec.metrics") for name, value in told.items()]
    rows += [(name, f"{value:.6g}", "manifest") for name, value in sorted(own.items()) if name not in told]
    return section("Metrics", header=("metric", "value", "from"), rows=rows)


def _slices(sources: Sources) -> Section:
    rule: Mapping[str, Any] = at(sources.model, "spec", "governance", "fairness") or {}
    parts = rule.get("slices", ())
    asked = ", ".join(f"{one['input']} at most {one['maximalGap']:g}" for one in parts)
    rows = []
    for one in at(sources.revision, "spec", "slices") or ():
        count = int(one["rows"])
        for metric in one.get("metrics", ()):
            value = f"{float(metric['value']):.6g}" if disclosed(count) else "not shown"
            rows.append((str(one["name"]), count_in_words(count), str(metric["name"]), value))
    return section(
        "Groups",
        [fact("Fairness", f"gap of {rule.get('metric')}: {asked}" if parts else "", "spec.governance.fairness")],
        header=("group", "rows", "metric", "value"),
        rows=rows,
        note=f"Figures of groups of fewer than {SMALLEST_GROUP} rows are not shown." if rows else "",
    )


def _decisions(sources: Sources, now: datetime) -> Section:
    required = at(sources.model, "spec", "governance", "approvals", "required")
    rows = []
    for one in sources.approvals:
        spec = one.get("spec", {})
        expires = str(spec.get("expires", ""))
        state = "expired" if _is_over(expires, now) else "in force"
        rows.append((str(spec.get("approver", "")), expires, state, str(spec.get("comment", ""))))
    return section(
        "Approvals",
        [fact("Needed", required, "spec.governance.approvals.required")],
        header=("approver", "until", "state", "comment"),
        rows=rows,
        note="Of these bytes; the status says which count under the present rules." if rows else "",
    )


def _is_over(expires: str, now: datetime) -> bool:
    try:
        return datetime.fromisoformat(expires) <= now
    except (ValueError, TypeError):
        return True


def _monitoring(sources: Sources) -> Section:
    spec: Mapping[str, Any] = at(sources.model, "spec") or {}
    if not spec:
        return section("Monitoring")
    analysis: Mapping[str, Any] = at(spec, "rollout", "analysis") or {}
    guardrails = [str(one.get("outcome") or one.get("metric")) for one in analysis.get("guardrails", ())]
    drift, manifest = at(sources.model, "status", "drift"), sources.manifest
    seen = f"{text_at(drift, 'verdict')}: {text_at(drift, 'message')}" if drift else ""
    return section(
        "Monitoring",
        [
            _switched("Drift", "judged" if spec.get("drift") else "not judged", "spec.drift"),
            fact("Inputs with a profile", manifest.profiled if manifest is not None else None, "manifest"),
            fact("Last window", seen, "status.drift"),
            fact("Rollouts judged by", text_at(analysis, "primary", "outcome"), "spec.rollout.analysis"),
            fact("Guardrails", ", ".join(guardrails), "spec.rollout.analysis.guardrails"),
            _switched(
                "Explanations",
                "on" if at(spec, "governance", "explanations") else "off",
                "spec.governance.explanations",
            ),
            fact("Fallback", text_at(spec, "killSwitch", "fallback", "revision"), "spec.killSwitch"),
        ],
    )


def _switched(label: str, state: str, source: str) -> Fact:
    return Fact(label, state, source)

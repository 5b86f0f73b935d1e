"""What a card is, before it is written as Markdown, HTML or JSON: sections of facts and tables, plain text all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that is known, and where it stands."""

    label: str
    text: str
    source: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells below a header."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, slots=True)
class Section:
    """One part of a card."""

    title: str
    facts: tuple[Fact, ...] = ()
    table: Table | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class CardDocument:
    """A model card."""

    title: str
    subtitle: str
    sections: tuple[Section, ...]


def section(
    title: str,
    facts: Sequence[Fact | None] = (),
    *,
    header: Sequence[str] = (),
    rows: Sequence[Sequence[str]] = (),
    note: str = "",
) -> Section:
    """A section without the facts that are none; a table without rows is none."""
    table = Table(tuple(header), tuple(map(tuple, rows))) if rows else None
    return Section(title, tuple(one for one in facts if one is not None), table, note)


def fact(label: str, value: object, source: str = "") -> Fact | None:
    """A fact; None where nothing is known."""
    text = "" if value is None else str(value).strip()
    return Fact(label, text, source) if text else None

"""A card as Markdown that any renderer shows as the same text, whatever people have written into it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from marquee.cli.cards.document import CardDocument, Section, Table
from marquee.cli.screen import clean

_SPECIAL: Final = re.compile(r"[\\`*\[\]<>|#~!&]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")


def to_markdown(card: CardDocument) -> str:
    """The card, with a line break at its end."""
    return "\n".join(_lines(card)) + "\n"


def _lines(card: CardDocument) -> Iterator[str]:
    yield f"# {_plain(card.title)}"
    yield ""
    yield _plain(card.subtitle)
    for section in card.sections:
        yield ""
        yield from _section(section)


def _section(section: Section) -> Iterator[str]:
    yield f"## {_plain(section.title)}"
    yield ""
    for fact in section.facts:
        source = f" ({_plain(fact.source)})" if fact.source else ""
        yield f"- **{_plain(fact.label)}**: {_plain(fact.text)}{source}"
    if section.table is not None:
        if section.facts:
            yield ""
        yield from _table(section.table)
    if section.note:
        if section.facts or section.table is not None:
            yield ""
        yield _plain(section.note)


def _table(table: Table) -> Iterator[str]:
    yield "| " + " | ".join(map(_plain, table.header)) + " |"
    yield "|" + "-|" * len(table.header)
    for row in table.rows:
        yield "| " + " | ".join(map(_plain, row)) + " |"


def _plain(text: str) -> str:
    """A text that means itself: no markup, no line break, no control character."""
    return _SPECIAL.sub(lambda found: "\\" + found.group(), " ".join(clean(text).split()))

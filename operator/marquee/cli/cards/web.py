"""A card as one HTML file: it needs no other file, runs no script, and reads well to a screen reader.

Written by hand: a template engine would be a dependency of everybody's plugin for forty lines.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Final

from marquee.cli.cards.document import CardDocument, Section, Table
from marquee.cli.screen import clean

_STYLE: Final = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem; }
h1 { font-size: 1.6rem; margin-bottom: 0; }
h2 { border-bottom: 1px solid; font-size: 1.2rem; margin-top: 2rem; }
p, dd { overflow-wrap: anywhere; }
dt { font-weight: 600; }
dd { margin: 0 0 .6rem; }
small { display: block; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; }
caption { text-align: left; font-weight: 600; padding-bottom: .3rem; }
th, td { border: 1px solid; min-width: 3rem; padding: .3rem .5rem; text-align: left; vertical-align: top; }
@media print { body { margin: 0; max-width: none; } }
"""


def to_html(card: CardDocument) -> str:
    """The page."""
    return "\n".join(_lines(card)) + "\n"


def _lines(card: CardDocument) -> Iterator[str]:
    title = _plain(card.title)
    yield "<!doctype html>"
    yield '<html lang="en">'
    yield "<head>"
    yield '<meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">"
    yield f"<title>{title}</title>"
    yield f"<style>{_STYLE}</style>"
    yield "</head>"
    yield "<body>"
    yield "<main>"
    yield f"<h1>{title}</h1>"
    yield f"<p>{_plain(card.subtitle)}</p>"
    for number, section in enumerate(card.sections, start=1):
        yield from _section(section, f"section-{number}")
    yield "</main>"
    yield "</body>"
    yield "</html>"


def _section(section: Section, name: str) -> Iterator[str]:
    yield f'<section aria-labelledby="{name}">'
    yield f'<h2 id="{name}">{_plain(section.title)}</h2>'
    if section.facts:
        yield "<dl>"
        for fact in section.facts:
            source = f"<small>{_plain(fact.source)}</small>" if fact.source else ""
            yield f"<dt>{_plain(fact.label)}</dt><dd>{_plain(fact.text)}{source}</dd>"
        yield "</dl>"
    if section.table is not None:
        yield from _table(section.table, section.title)
    if section.note:
        yield f"<p>{_plain(section.note)}</p>"
    yield "</section>"


def _table(table: Table, title: str) -> Iterator[str]:
    # a region that scrolls must be reached by the keyboard, and says what it is
    yield f'<div class="scroll" role="region" tabindex="0" aria-label="{_plain(title)}, table">'
    yield "<table>"
    yield "<thead><tr>" + "".join(f'<th scope="col">{_plain(cell)}</th>' for cell in table.header) + "</tr></thead>"
    yield "<tbody>"
    for first, *others in table.rows:
        cells = "".join(f"<td>{_plain(cell)}</td>" for cell in others)
        yield f'<tr><th scope="row">{_plain(first)}</th>{cells}</tr>'
    yield "</tbody>"
    yield "</table>"
    yield "</div>"


def _plain(text: str) -> str:
    return escape(clean(text))

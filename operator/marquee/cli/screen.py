"""Where the output goes: how wide it is, whether it shows colours, and which characters it can draw."""

from __future__ import annotations

import os
import shutil
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TextIO

CLEAR: Final = "\x1b[H\x1b[J"
_NARROWEST: Final = 40
"""Columns below which wrapping makes nothing more legible."""
_LABEL: Final = 10
_BAR: Final = 24


class Tone(StrEnum):
    """How something is going, as an ANSI colour."""

    PLAIN = ""
    STRONG = "1"
    GOOD = "32"
    WAITING = "33"
    BAD = "31"


@dataclass(frozen=True, slots=True)
class Screen:
    """Turns words into lines; plain text of any width unless `screen_of` found a terminal."""

    width: int | None = None
    """Columns; None: lines are as long as they are, for files and for `grep`."""
    colour: bool = False
    encoding: str = "utf-8"
    clears: bool = False
    """Whether a watch draws over what it has drawn."""

    def paint(self, text: str, tone: Tone) -> str:
        """The text in a colour, where there are colours."""
        return f"\x1b[{tone.value}m{text}\x1b[0m" if self.colour and tone is not Tone.PLAIN else text

    def labelled(self, label: str, text: str, tone: Tone = Tone.PLAIN) -> Iterator[str]:
        """A word in the left column, and beside it a text that may take several lines."""
        indent = " " * (_LABEL + 2)
        first, *others = self.wrapped(text, indent=len(indent)) or [""]
        yield f"  {label:<{_LABEL}}{self.paint(first, tone)}".rstrip()
        for line in others:
            yield f"{indent}{self.paint(line, tone)}"

    def wrapped(self, text: str, *, indent: int = 0) -> list[str]:
        """The text in lines that fit beside an indent."""
        if self.width is None:
            return [text] if text else []
        return textwrap.wrap(text, max(self.width - indent, _NARROWEST // 2))

    def table(self, header: Sequence[str], rows: Sequence[Sequence[str]], *, indent: int = 0) -> Iterator[str]:
        """The first column to the left, numbers to the right; where that is too wide, a block of lines for each row."""
        widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]
        if self.width is not None and indent + sum(widths) + 2 * (len(widths) - 1) > self.width:
            yield from self._blocks(header, rows, indent)
            return
        for row in (header, *rows):
            first, *others = zip(row, widths, strict=True)
            cells = [first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)]
            yield (" " * indent + "  ".join(cells)).rstrip()

    def bar(self, percent: int) -> str:
        """A share of the users."""
        full, empty = ("█", "░") if self._can_draw("█░") else ("#", ".")
        filled = min(max(round(_BAR * percent / 100), 1 if percent > 0 else 0), _BAR)
        return full * filled + empty * (_BAR - filled)

    def encodable(self, text: str) -> str:
        """The text without what the output's encoding lacks."""
        return text.encode(self.encoding, "replace").decode(self.encoding)

    def _can_draw(self, characters: str) -> bool:
        return self.encodable(characters) == characters

    def _blocks(self, header: Sequence[str], rows: Sequence[Sequence[str]], indent: int) -> Iterator[str]:
        for row in rows:
            yield " " * indent + row[0]
            for title, cell in zip(header[1:], row[1:], strict=True):
                yield f"{' ' * indent}  {title}: {cell}"


def screen_of(stream: TextIO, environment: Mapping[str, str] | None = None) -> Screen:
    """The screen behind a stream; colour only on a terminal, never with NO_COLOR (no-color.org) or a dumb one."""
    environment = os.environ if environment is None else environment
    encoding = stream.encoding or "ascii"
    if not stream.isatty():
        return Screen(encoding=encoding)
    able = environment.get("TERM", "dumb") != "dumb"
    width = max(shutil.get_terminal_size().columns, _NARROWEST)
    return Screen(width, colour=able and not environment.get("NO_COLOR"), encoding=encoding, clears=able)


def clean(text: str) -> str:
    """The text without control characters: a pod's last words must not move the cursor of who reads them."""
    return "".join(character if character.isprintable() else " " for character in text)

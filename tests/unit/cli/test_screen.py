"""What the output can show."""

from __future__ import annotations

import io
from typing import Any

import pytest

from marquee.cli.screen import Screen, Tone, screen_of


class Terminal(io.StringIO):
    """A stream that says it is one."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        """It is."""
        return True


@pytest.fixture(autouse=True)
def _wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")


def test_a_terminal_has_colours_and_a_width() -> None:
    """Of the window."""
    assert screen_of(Terminal(), {"TERM": "xterm"}) == Screen(100, colour=True, clears=True)


def test_no_color_means_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever its value, unless it is empty; the rest stays."""
    assert screen_of(Terminal(), {"TERM": "xterm", "NO_COLOR": "1"}) == Screen(100, clears=True)
    assert screen_of(Terminal(), {"TERM": "xterm", "NO_COLOR": ""}).colour
    monkeypatch.setenv("NO_COLOR", "0")
    assert not screen_of(Terminal()).colour


@pytest.mark.parametrize("environment", [{"TERM": "dumb"}, {}])
def test_a_dumb_terminal_gets_no_escape_codes(environment: dict[str, str]) -> None:
    """But its width counts."""
    assert screen_of(Terminal(), environment) == Screen(100)


def test_a_file_gets_text_of_any_width() -> None:
    """Even when TERM says that somewhere there are colours."""
    assert screen_of(io.TextIOWrapper(io.BytesIO(), "ascii"), {"TERM": "xterm"}) == Screen(encoding="ascii")


def test_a_window_of_no_width_is_taken_for_a_narrow_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some terminals tell 1."""
    monkeypatch.setenv("COLUMNS", "1")
    assert screen_of(Terminal(), {"TERM": "xterm"}).width == 40


@pytest.mark.parametrize(("percent", "filled"), [(0, 0), (1, 1), (50, 12), (99, 24), (100, 24), (250, 24)])
def test_a_bar_is_filled_by_share(percent: int, filled: int) -> None:
    """A canary with any users at all is to be seen."""
    assert Screen().bar(percent) == "█" * filled + "░" * (24 - filled)


def test_an_encoding_without_blocks_gets_other_characters() -> None:
    """And question marks for what it lacks elsewhere."""
    screen = Screen(encoding="ascii")
    assert screen.bar(50) == "#" * 12 + "." * 12
    assert screen.encodable("Zoë") == "Zo?"


def test_paint_is_only_on_colour_screens() -> None:
    """Plain text has no codes anywhere."""
    assert Screen(colour=True).paint("x", Tone.BAD) == "\x1b[31mx\x1b[0m"
    assert Screen(colour=True).paint("x", Tone.PLAIN) == Screen().paint("x", Tone.BAD) == "x"


def test_a_table_that_fits_has_columns() -> None:
    """First column to the left, the others to the right, nothing behind the last."""
    assert list(Screen(20).table(("a", "number"), (("one", "1"), ("eleven", "11")))) == [
        "a       number",
        "one          1",
        "eleven      11",
    ]


def test_a_table_that_does_not_fit_becomes_blocks() -> None:
    """A row broken in the middle is no table."""
    table: dict[str, Any] = {"header": ("a", "number"), "rows": (("one", "1"),), "indent": 1}
    assert list(Screen(12).table(**table)) == [" a    number", " one       1"]
    assert list(Screen(11).table(**table)) == [" one", "   number: 1"]

"""``why`` says who has changed the spec last by which a decision was made."""

from __future__ import annotations

import pytest

from marquee.cli.logged import Logged
from marquee.cli.screen import Screen
from marquee.cli.why import Answer, why_lines

_PREDICATE = {"time": "2026-11-28T20:13:55.000Z", "verdict": "Start", "actor": "operator marquee-system/marquee-0"}


@pytest.mark.parametrize(
    ("editor", "line"),
    [
        ("anna@example.com", "  spec      lead/4 sha256:abababababababab..., changed last by anna@example.com"),
        ("", "  spec      lead/4 sha256:abababababababab..."),
    ],
)
def test_who_has_changed_the_spec_last(editor: str, line: str) -> None:
    """Beside its digest; nothing is said where nobody is known, and nothing of other subjects."""
    subjects = [{"name": name, "digest": {"sha256": "ab" * 32}} for name in ("spec/lead/4", "revision/lead-v2")]
    statement = {"subject": subjects, "predicate": _PREDICATE | {"editor": editor}}
    lines = list(why_lines("growth/lead", Answer(Logged(0, statement)), None, Screen()))
    assert line in lines
    assert "  revision  lead-v2 sha256:abababababababab..." in lines

"""The documentation says what the code does."""

from __future__ import annotations

import re
from contextlib import redirect_stdout
from io import StringIO
from pathlib import Path

from marquee.evidence.rule import GLOSSARY, TABLE

DOCUMENT = (Path(__file__).resolve().parents[3] / "docs" / "evidence.md").read_text(encoding="utf-8")


def test_the_documented_table_is_the_table() -> None:
    """Row by row, in the same order, with what the words mean."""
    rows = [
        f"| {number} | {row.when.words} | {row.verdict.value} | `{row.reason.value}` | {row.meaning} |"
        for number, row in enumerate(TABLE, start=1)
    ]
    assert "\n".join(rows) in DOCUMENT
    assert all(f"- *{words}*: {meaning}." in DOCUMENT for words, meaning in GLOSSARY.items())


def test_the_documented_examples_print_what_is_shown() -> None:
    """Each block of Python is followed by its output."""
    examples = re.findall(r"```python\n(.*?)```\n\n.*?```\n(.*?)```", DOCUMENT, re.DOTALL)
    assert len(examples) == 2
    for code, shown in examples:
        printed = StringIO()
        with redirect_stdout(printed):
            exec(compile(code, "docs/evidence.md", "exec"), {})  # noqa: S102 - our own documentation
        assert printed.getvalue() == shown

"""The page about the states is what the table says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from marquee.api.conditions import Reason
from marquee.api.marketing_model import Phase
from marquee.control.decide.document import render
from marquee.control.decide.facts import gather
from marquee.control.decide.table import GLOSSARY, TABLE
from tests.unit.control.builders import READY, snapshot

ROOT = Path(__file__).resolve().parents[4]


def test_the_page_is_current() -> None:
    """`make generate` writes it; a change of the table changes the page in the same commit."""
    assert (ROOT / "docs/states.md").read_text(encoding="utf-8") == render()


def test_the_command_writes_the_page(tmp_path: Path) -> None:
    """``python -m marquee.control.decide.document FILE`` writes the page that is in the repository."""
    page = tmp_path / "states.md"
    command = [sys.executable, "-m", "marquee.control.decide.document", str(page)]
    subprocess.run(command, check=True, capture_output=True, env={"PYTHONPATH": str(ROOT / "operator")})
    assert page.read_text(encoding="utf-8") == render()


def test_every_row_phase_and_reason_is_on_the_page() -> None:
    """A person who finds a word in a condition finds it there."""
    page = render()
    assert [row.name for row in TABLE if f"| {row.name} | {row.when.words} |" not in page] == []
    assert [reason.value for reason in Reason if f"`{reason.value}`" not in page] == []
    assert [phase.value for phase in Phase if f"`{phase.value}`" not in page] == []


def test_every_word_of_a_predicate_is_explained() -> None:
    """Words combine by *not* and *and*; each of them is in the glossary."""
    words = {word.removeprefix("not ") for row in TABLE for word in row.when.words.split(", and ")}
    assert words == GLOSSARY.keys() | {"otherwise"}


def test_predicates_mean_what_their_words_say() -> None:
    """*not* and *and* are those of logic."""
    rows = {row.name: row.when.holds for row in TABLE}
    serving = gather(snapshot(stable="churn-1", arms={"churn-1": READY}))
    starting = gather(snapshot())
    assert (rows["changing"](serving), rows["changing"](starting)) == (False, True)
    assert (rows["starting"](serving), rows["starting"](starting)) == (False, True)
    assert (rows["lost"](serving), rows["lost"](starting)) == (False, False)

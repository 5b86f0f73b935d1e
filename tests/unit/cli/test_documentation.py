"""``docs/cli.md`` shows what the commands print."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from marquee.cli.exits import Exit
from marquee.cli.foretelling import forecast, plan_lines
from marquee.cli.main import main
from marquee.cli.proving import proof_lines
from marquee.cli.recomputing import recompute
from marquee.cli.rollouts import COMMANDS
from marquee.cli.screen import Screen
from marquee.cli.seen import read_model
from marquee.cli.showing import status_lines
from marquee.contract.command import Command, read_command
from tests.support.rollouts import NOW, ROLLOUT, a_body
from tests.support.stub_kubectl import StubKubectl, answer
from tests.unit.cli.test_plan import planned

TEXT = (Path(__file__).resolve().parents[3] / "docs" / "cli.md").read_text()


def test_the_status_is_the_one_that_is_printed() -> None:
    """On a terminal of 80 columns."""
    shown = "\n".join(status_lines(read_model(json.dumps(a_body())), Screen(80), NOW))
    assert shown in TEXT


def test_the_evidence_is_the_one_that_is_printed() -> None:
    """In a pipe, where lines are whole."""
    rollout = read_model(json.dumps(a_body())).require_rollout()
    shown = "\n".join(proof_lines(recompute(a_body(), NOW), rollout, Screen()))
    assert shown in TEXT


def test_the_plan_is_the_one_that_is_printed() -> None:
    """On a terminal of 100 columns."""
    shown = "\n".join(plan_lines(forecast(planned(maxDurationSeconds=14_400), per_minute=2000, rate=0.04), Screen(100)))
    assert shown in TEXT


def test_the_command_is_the_one_that_is_written(
    kubectl: StubKubectl, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The annotation, and what is printed about it."""
    monkeypatch.setenv("LOGNAME", "anna")
    kubectl.answers(answer(a_body()), answer())
    main(["pause", "lead"])
    assert capsys.readouterr().out in TEXT
    assert f"\n{kubectl.calls[-1][3].partition('=')[2]}\n" in TEXT


def test_the_command_by_hand_is_one_that_is_read() -> None:
    """What people copy works."""
    written = next(line for line in TEXT.splitlines() if line.startswith("  marquee.dev/command="))
    command = read_command(written.partition("=")[2].strip("'"))
    assert isinstance(command, Command)
    assert command.rollout == ROLLOUT


def test_every_command_and_exit_code_is_there() -> None:
    """In its table."""
    assert all(f"| `{command.name} NAME` |" in TEXT for command in COMMANDS)
    assert all(f"\n| {int(code)} | " in TEXT for code in Exit)

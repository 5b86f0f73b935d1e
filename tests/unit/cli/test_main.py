"""The command line as a whole: its help, and what it takes to start."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from marquee.cli.exits import Exit
from marquee.cli.main import main
from tests.support.rollouts import a_body
from tests.support.stub_kubectl import StubKubectl, answer

ROLLOUTS = ["status", "evidence", "promote", "abort", "pause", "resume", "undo", "retry"]
HEAVY = {"pydantic", "torch", "numpy", "aiohttp", "kopf", "kubernetes", "sqlalchemy", "orjson", "marquee.control"}


def help_of(*words: str, capsys: pytest.CaptureFixture[str]) -> str:
    """What ``--help`` prints, in one line."""
    with pytest.raises(SystemExit) as ended:
        main([*words, "--help"])
    assert ended.value.code == 0
    return " ".join(capsys.readouterr().out.split())


def test_as_a_plugin_it_is_about_rollouts(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Its name is what the person typed; training is no business of kubectl's."""
    monkeypatch.setattr(sys, "argv", ["/usr/local/bin/kubectl-marquee"])
    text = help_of(capsys=capsys)
    assert text.startswith("usage: kubectl marquee ")
    assert all(f" {word} " in text for word in [*ROLLOUTS, "retrain"])
    assert " train " not in text


def test_as_marquee_it_has_all_commands(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Training too."""
    monkeypatch.setattr(sys, "argv", ["/usr/local/bin/marquee"])
    text = help_of(capsys=capsys)
    assert text.startswith("usage: marquee ")
    assert all(f" {word} " in text for word in [*ROLLOUTS, "train", "fetch"])


def test_exit_codes_are_in_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    """Every one that a script may meet."""
    text = help_of(capsys=capsys)
    assert all(f" {int(code)} " in text for code in Exit if code is not Exit.BROKEN_PIPE)


@pytest.mark.parametrize("word", ROLLOUTS)
def test_each_command_says_what_it_needs(word: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The RBAC verbs, and what it writes."""
    text = help_of(word, capsys=capsys)
    assert "marketingmodels" in text
    if word not in {"status", "evidence"}:
        assert "Writes the annotation marquee.dev/command" in text
        assert "the verbs get and patch" in text


@pytest.mark.parametrize("word", [word for word in ROLLOUTS if word != "evidence"])
def test_a_command_imports_only_what_it_needs(word: str, kubectl: StubKubectl) -> None:
    """A person waits for every package that is loaded."""
    kubectl.answers(answer(a_body()))
    program = (
        "import sys; from marquee.cli.main import main; "
        f"main([{word!r}, 'lead']); print(*sorted(set(sys.modules) & {HEAVY!r}), file=sys.stderr)"
    )
    environment = os.environ | {"PYTHONPATH": "operator"}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment)
    assert done.stderr.splitlines()[-1] == ""

"""What the commands about a whole model write, and when they refuse."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from marquee.cli.exits import Exit
from marquee.cli.main import main
from marquee.contract.holding import ANNOTATION_FREEZE, ANNOTATION_KILL, Hold, read_hold
from tests.support.rollouts import a_body
from tests.support.stub_kubectl import StubKubectl, answer

KILL = ["kill", "lead", "--reason", "prices are wrong"]


@pytest.fixture(autouse=True)
def _anna(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "anna")


def killed(**spec: Any) -> dict[str, Any]:
    """A model whose kill switch a person has engaged."""
    body = a_body()
    body["metadata"]["annotations"] = {ANNOTATION_KILL: Hold(on=True).to_text()}
    body["spec"] |= spec
    return body


@pytest.mark.parametrize(("words", "body", "on"), [(KILL, a_body(), True), (["unkill", "lead"], killed(), False)])
def test_the_annotation_says_who_why_and_when(
    words: list[str], body: dict[str, Any], on: bool, kubectl: StubKubectl, capsys: pytest.CaptureFixture[str]
) -> None:
    """So that events and the audit log can tell; programs get the same as JSON."""
    kubectl.answers(answer(body), answer())
    assert main([*words, "-o", "json"]) == Exit.DONE
    key, _, text = kubectl.calls[-1][3].partition("=")
    hold = read_hold(text)
    assert (key, hold is not None) == (ANNOTATION_KILL, True)
    assert hold is not None
    assert (hold.on, hold.by, hold.moment is not None) == (on, "anna", True)
    assert hold.reason == ("prices are wrong" if on else "")
    out = capsys.readouterr().out
    assert json.loads(out)["on"] is on


@pytest.mark.parametrize(
    ("words", "body", "said"),
    [
        (["unkill", "lead"], a_body(), "nobody has said so"),
        (["unkill", "lead"], killed(killSwitch={"engaged": True}), "spec.killSwitch.engaged is true"),
    ],
)
def test_what_would_change_nothing_is_refused(
    words: list[str], body: dict[str, Any], said: str, kubectl: StubKubectl, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the reason."""
    kubectl.answers(answer(body))
    assert main(words) == Exit.FAILED
    assert said in capsys.readouterr().err
    assert len(kubectl.calls) == 1


@pytest.mark.parametrize(
    "words", [["kill", "lead"], ["kill", "lead", "--reason", " "], ["kill", "lead", "--reason", "a\nb"]]
)
def test_a_kill_needs_a_reason_in_one_line(words: list[str]) -> None:
    """It is in the audit log for good."""
    with pytest.raises(SystemExit):
        main(words)


@pytest.mark.parametrize(
    "text", [None, "", "{", "[]", '{"on": 1}', '{"on": true, "by": 7}', "[" * 5_000, '{"engaged": true}']
)
def test_what_is_no_switch_counts_as_none(text: str | None) -> None:
    """Anybody may edit an annotation."""
    assert read_hold(text) is None


def test_what_is_long_or_no_text_is_cut() -> None:
    """It ends up in events and conditions; a time without a zone is none."""
    hold = read_hold(json.dumps({"on": True, "by": "a\n" * 100, "reason": "x" * 500, "at": "2026-01-01T00:00:00"}))
    assert hold is not None
    assert (hold.by, len(hold.reason), hold.moment) == ("a" * 64, 200, None)


def test_a_freeze_says_until_when(kubectl: StubKubectl) -> None:
    """A time with a zone that is still to come; without one it lasts until unfreeze, and a reason is welcome."""
    kubectl.answers(answer(a_body()), answer())
    assert main(["freeze", "lead", "--until", "2999-12-02T09:00:00+01:00"]) == Exit.DONE
    key, _, text = kubectl.calls[-1][3].partition("=")
    hold = read_hold(text)
    assert hold is not None
    assert (key, hold.on, hold.ends) == (ANNOTATION_FREEZE, True, datetime(2999, 12, 2, 8, tzinfo=UTC))


@pytest.mark.parametrize("until", ["2020-01-01T00:00:00Z", "2999-01-01T00:00:00", "tomorrow"])
def test_a_freeze_ends_in_the_future(until: str) -> None:
    """Anything else would hold for ever, or never."""
    with pytest.raises(SystemExit):
        main(["freeze", "lead", "--until", until])


def test_unfreeze_takes_back_what_a_person_has_said(kubectl: StubKubectl, capsys: pytest.CaptureFixture[str]) -> None:
    """Not the kill switch."""
    kubectl.answers(answer(killed()))
    assert main(["unfreeze", "lead"]) == Exit.FAILED
    assert "`kubectl marquee freeze`" in capsys.readouterr().err

"""What the deciding commands write, and what they ask first."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest

from marquee.cli.exits import Exit
from marquee.cli.main import main
from marquee.contract.command import ANNOTATION_COMMAND, Action, Command, read_command
from tests.support.rollouts import ROLLOUT, a_body
from tests.support.stub_kubectl import StubKubectl, answer


class Terminal(io.StringIO):
    """Standard input or error of a person."""

    encoding = "utf-8"

    def isatty(self) -> bool:
        """It is one."""
        return True


@pytest.fixture(autouse=True)
def _anna(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "anna")


def said(body: dict[str, Any], action: str, **fields: Any) -> dict[str, Any]:
    """The body with a command's annotation."""
    command = {"action": action, "rollout": ROLLOUT} | fields
    body["metadata"]["annotations"] = {ANNOTATION_COMMAND: json.dumps(command)}
    return body


def written(kubectl: StubKubectl) -> Command | None:
    """The command in the annotation that the last call sets."""
    arguments = kubectl.calls[-1]
    assert arguments[:3] == ["annotate", "marketingmodels.marquee.dev", "lead"]
    key, _, value = arguments[3].partition("=")
    assert key == ANNOTATION_COMMAND
    assert {"--overwrite", "--field-manager=kubectl-marquee"} <= set(arguments)
    return read_command(value)


@pytest.mark.parametrize(
    ("action", "body"),
    [
        ("promote", a_body()),
        ("abort", a_body()),
        ("pause", a_body()),
        ("resume", said(a_body(), "pause")),
        ("undo", a_body(result="Promoted")),
        ("retry", a_body(result="RolledBack")),
        ("retry", a_body(result="Aborted")),
        ("retry", said(a_body(result="Promoted"), "undo")),
    ],
)
def test_a_command_names_the_rollout_the_step_and_who_says_so(
    action: str, body: dict[str, Any], kubectl: StubKubectl, capsys: pytest.CaptureFixture[str]
) -> None:
    """So that it acts once, however late it comes; an undo is taken back by retry."""
    kubectl.answers(answer(body), answer("marketingmodel.marquee.dev/lead\n"))
    assert main([action, "lead"]) == Exit.DONE
    assert written(kubectl) == Command(action=Action(action), rollout=ROLLOUT, step=1, by="anna")
    assert capsys.readouterr().out == f"growth/lead: {action} is written, for step 2 of 4 of {ROLLOUT}\n"


@pytest.mark.parametrize("action", ["abort", "pause"])
def test_less_risk_needs_no_operator_that_keeps_up(
    action: str, kubectl: StubKubectl, capsys: pytest.CaptureFixture[str]
) -> None:
    """A rollout can be stopped although the spec has changed since; the person is told."""
    body = a_body()
    body["metadata"]["generation"] = 4
    kubectl.answers(answer(body), answer())
    assert main([action, "lead"]) == Exit.DONE
    assert "the operator has not looked at the newest spec yet" in capsys.readouterr().err
    assert written(kubectl) is not None


def test_a_promotion_against_shown_harm_needs_yes_where_nobody_can_be_asked(
    kubectl: StubKubectl, capsys: pytest.CaptureFixture[str]
) -> None:
    """A script can't promote it by accident."""
    kubectl.answers(answer(a_body(verdict="Rollback", message="e-value of harm 242.3 >= 20")))
    assert main(["promote", "lead"]) == Exit.FAILED
    error = capsys.readouterr().err
    assert "the evidence shows harm in step 2 of 4: e-value of harm 242.3 >= 20" in error
    assert "nothing is written: say --yes" in error
    assert len(kubectl.calls) == 1


def test_yes_promotes_in_spite_of_harm(kubectl: StubKubectl) -> None:
    """The person has said so."""
    kubectl.answers(answer(a_body(verdict="Rollback")), answer())
    assert main(["promote", "lead", "--yes"]) == Exit.DONE
    assert written(kubectl) is not None


@pytest.mark.parametrize(("typed", "code", "calls"), [("lead\n", Exit.DONE, 2), ("yes\n", Exit.FAILED, 1), ("", 1, 1)])
def test_a_person_types_the_models_name_to_promote_in_spite_of_harm(
    typed: str, code: int, calls: int, kubectl: StubKubectl, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Anything else, and the end of the input, write nothing."""
    kubectl.answers(answer(a_body(verdict="Rollback")), answer())
    monkeypatch.setattr("sys.stdin", Terminal(typed))
    monkeypatch.setattr("sys.stderr", error := Terminal())
    assert main(["promote", "lead"]) == code
    assert "Type lead to promote in spite of it: " in error.getvalue()
    assert len(kubectl.calls) == calls


def test_a_user_without_a_name_can_decide_too(kubectl: StubKubectl, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a container whose user is in no passwd file."""

    def nobody() -> str:
        raise KeyError("getpwuid(): uid not found: 1000")

    monkeypatch.setattr("getpass.getuser", nobody)
    kubectl.answers(answer(a_body()), answer())
    assert main(["pause", "lead"]) == Exit.DONE
    assert written(kubectl) == Command(action=Action.PAUSE, rollout=ROLLOUT, step=1)


def test_options_reach_both_calls(kubectl: StubKubectl) -> None:
    """What is read and what is written are in the same cluster and namespace."""
    kubectl.answers(answer(a_body()), answer())
    main(["pause", "-n", "growth", "--context", "prod", "lead"])
    assert [call[:2] for call in kubectl.calls] == [["--namespace=growth", "--context=prod"]] * 2

"""What the commands do with bad input and with clusters that refuse: say why, write nothing, end with a code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from marquee.cli.exits import Exit
from marquee.cli.main import main
from tests.support.rollouts import a_body
from tests.support.stub_kubectl import StubKubectl, answer, refusal

COMMANDS = ("status", "evidence", "promote", "abort", "pause", "resume", "undo", "retry")
UNDER_WAY = ("promote", "abort", "pause", "resume")


def refused(*words: str, capsys: pytest.CaptureFixture[str]) -> str:
    """The reason for which a command ends with 1 and prints nothing."""
    assert main(words) == Exit.FAILED
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("marquee: ")
    return captured.err.removeprefix("marquee: ").strip()


@pytest.mark.parametrize("command", COMMANDS)
def test_without_kubectl_it_says_what_to_install(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No kubectl on PATH: no traceback."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "kubectl is not on PATH: install it" in refused(command, "lead", capsys=capsys)


def test_a_kubectl_that_cannot_be_run_is_named(
    kubectl: StubKubectl, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Such as one for another machine."""
    monkeypatch.setenv("PATH", str(kubectl.folder))
    (kubectl.folder / "kubectl").write_bytes(b"\x7fELF nothing")
    assert refused("status", "lead", capsys=capsys).startswith("kubectl cannot be run: ")


@pytest.mark.parametrize("command", COMMANDS)
def test_a_missing_model_is_told_in_kubectls_words(
    command: str, kubectl: StubKubectl, capsys: pytest.CaptureFixture[str]
) -> None:
    """And nothing is written."""
    kubectl.answers(refusal("NotFound", 'marketingmodels.marquee.dev "lead" not found'))
    assert 'marketingmodels.marquee.dev "lead" not found' in refused(command, "lead", capsys=capsys)
    assert len(kubectl.calls) == 1


@pytest.mark.parametrize("command", COMMANDS[1:])
def test_without_a_rollout_there_is_nothing_to_decide(
    command: str, kubectl: StubKubectl, capsys: pytest.CaptureFixture[str]
) -> None:
    """A model without steps; the place in the spec is named."""
    body = a_body()
    del body["status"]["rollout"]
    kubectl.answers(answer(body))
    expected = "growth/lead has had no rollout with steps: see spec.rollout.steps"
    assert refused(command, "lead", capsys=capsys) == expected
    assert len(kubectl.calls) == 1


@pytest.mark.parametrize("command", UNDER_WAY)
@pytest.mark.parametrize("result", ["Promoted", "RolledBack", "Aborted", "Superseded"])
def test_an_ended_rollout_takes_no_command_of_one_under_way(
    command: str, result: str, kubectl: StubKubectl, capsys: pytest.CaptureFixture[str]
) -> None:
    """The annotation would wait for ever."""
    kubectl.answers(answer(a_body(result=result)))
    expected = f"rollout lead-v2-0a1b2c3d has ended ({result}): {command} is for one that is under way"
    assert refused(command, "lead", capsys=capsys) == expected
    assert len(kubectl.calls) == 1


@pytest.mark.parametrize(
    ("command", "result", "expected"),
    [
        ("undo", None, "is under way: undo is for one that was promoted"),
        ("undo", "RolledBack", "has ended (RolledBack): undo is for one that was promoted"),
        ("retry", None, "is under way: retry is for one that was rolled back, aborted or undone"),
        ("retry", "Promoted", "has ended (Promoted): retry is for one that was rolled back, aborted or undone"),
    ],
)
def test_what_comes_after_the_end_needs_the_right_end(
    command: str, result: str | None, expected: str, kubectl: StubKubectl, capsys: pytest.CaptureFixture[str]
) -> None:
    """Undo is for promoted ones, retry for those that were taken back."""
    kubectl.answers(answer(a_body(result=result)))
    assert refused(command, "lead", capsys=capsys) == f"rollout lead-v2-0a1b2c3d {expected}"


@pytest.mark.parametrize(("command", "result"), [("promote", None), ("retry", "Aborted")])
def test_a_spec_that_changed_since_gets_no_more_users(
    command: str, result: str | None, kubectl: StubKubectl, capsys: pytest.CaptureFixture[str]
) -> None:
    """What the person has seen is not what would be promoted."""
    body = a_body(result=result)
    body["metadata"]["generation"] = 4
    kubectl.answers(answer(body))
    assert refused(command, "lead", capsys=capsys).startswith("the spec has changed since the operator looked")
    assert len(kubectl.calls) == 1


@pytest.mark.parametrize("command", ["promote", "resume"])
def test_a_pause_in_the_spec_is_taken_back_there(
    command: str, kubectl: StubKubectl, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command would have no effect now, and a surprising one later."""
    body = a_body()
    body["spec"]["rollout"]["paused"] = True
    kubectl.answers(answer(body))
    assert refused(command, "lead", capsys=capsys).startswith("spec.rollout.paused is true and comes first")


def test_only_what_is_paused_is_resumed(kubectl: StubKubectl, capsys: pytest.CaptureFixture[str]) -> None:
    """Else the command would only take the place of another one."""
    kubectl.answers(answer(a_body()))
    assert refused("resume", "lead", capsys=capsys) == "rollout lead-v2-0a1b2c3d is not paused"


@pytest.mark.parametrize(
    "name", ["--all-namespaces", "-A", "a,b", "mm/lead", "Lead", "", "lead ", "../lead", "a" * 254]
)
@pytest.mark.parametrize("command", ["status", "abort"])
def test_what_is_no_name_never_reaches_kubectl(
    name: str, command: str, kubectl: StubKubectl, capsys: pytest.CaptureFixture[str]
) -> None:
    """A name that begins with '-' would be an option of kubectl's."""
    with pytest.raises(SystemExit) as ended:
        main([command, "--", name])
    assert ended.value.code == Exit.USAGE
    assert "is no name: small letters, digits" in capsys.readouterr().err
    assert kubectl.calls == []


def test_values_of_options_cannot_become_options(kubectl: StubKubectl) -> None:
    """Each goes to kubectl in one word with its option."""
    kubectl.answers(answer(a_body()))
    main(["status", "lead", "--context=--token=x", "--kubeconfig=-", "-n", "growth"])
    assert kubectl.calls[0][:3] == ["--namespace=growth", "--context=--token=x", "--kubeconfig=-"]


@pytest.mark.parametrize("command", COMMANDS)
def test_without_permission_the_server_says_so(
    command: str, kubectl: StubKubectl, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing to add to the API server's words."""
    kubectl.answers(refusal("Forbidden", 'User "eve" cannot get resource "marketingmodels"'))
    assert 'User "eve" cannot get resource' in refused(command, "lead", capsys=capsys)


def test_who_may_read_but_not_write_is_told_at_the_write(
    kubectl: StubKubectl, capsys: pytest.CaptureFixture[str]
) -> None:
    """And no success is printed."""
    kubectl.answers(answer(a_body()), refusal("Forbidden", 'User "eve" cannot patch resource "marketingmodels"'))
    assert 'cannot patch resource "marketingmodels"' in refused("abort", "lead", capsys=capsys)


@pytest.mark.parametrize(
    "output",
    [
        "no JSON",
        "[]",
        "{}",
        {"metadata": {"name": "lead", "namespace": "growth"}, "spec": []},
        a_body(weight="much"),
        a_body(evidence=3),
        a_body() | {"status": {"conditions": [1]}},
    ],
    ids=["text", "list", "empty", "spec", "weight", "evidence", "conditions"],
)
def test_a_status_of_another_shape_asks_for_the_right_plugin(
    output: Any, kubectl: StubKubectl, capsys: pytest.CaptureFixture[str]
) -> None:
    """No traceback: the version is what must change."""
    kubectl.answers(answer(output))
    assert "use the plugin of the version of Marquee that the cluster has" in refused("status", "lead", capsys=capsys)


def test_a_status_of_a_newer_version_is_shown_all_the_same(
    kubectl: StubKubectl, capsys: pytest.CaptureFixture[str]
) -> None:
    """Unknown fields, use cases, phases and verdicts do not keep a person from the rest."""
    body = a_body(verdict="Ponder", colour="blue")
    body["spec"]["useCase"] = "Telepathy"
    body["status"]["phase"] = "Hovering"
    kubectl.answers(answer(body))
    assert main(["status", "lead"]) == Exit.DONE
    output = capsys.readouterr().out
    assert "growth/lead: Hovering" in output
    assert "verdict   Ponder" in output


def test_evidence_of_a_newer_version_is_not_computed(kubectl: StubKubectl, capsys: pytest.CaptureFixture[str]) -> None:
    """A judgement by half a spec would be worth nothing."""
    body = a_body()
    body["spec"]["useCase"] = "Telepathy"
    kubectl.answers(answer(body))
    main(["evidence", "lead"])
    assert "use the plugin of the version" in capsys.readouterr().err


def test_a_command_is_required(capsys: pytest.CaptureFixture[str]) -> None:
    """No command, or an unknown one: usage, and argparse's exit code."""
    for words in ([], ["celebrate", "lead"], ["status"], ["status", "lead", "--wat"]):
        with pytest.raises(SystemExit) as ended:
            main(words)
        assert ended.value.code == Exit.USAGE
    assert "usage: " in capsys.readouterr().err

"""What ``approve`` creates, and when it refuses."""

from __future__ import annotations

import json
from typing import Any

import pytest

from marquee.cli.exits import Exit
from marquee.cli.main import main
from tests.support.rollouts import a_body
from tests.support.stub_kubectl import StubKubectl, answer, refusal

ASKED = {"revision": "lead-v2", "digest": "sha256:" + "2" * 64, "policy": "0123456789abcdef", "required": 2}


def asking(**governance: Any) -> dict[str, Any]:
    """A model whose status asks for approvals."""
    body = a_body()
    body["status"]["governance"] = ASKED | governance
    return body


def test_it_names_the_bytes_the_rules_and_who_the_server_says_one_is(
    kubectl: StubKubectl, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing of it is taken from the command line but until when."""
    kubectl.answers(answer(asking()), answer("anna@example.com\n"), answer("modelapproval.marquee.dev/lead-v2-x\n"))
    assert main(["approve", "lead", "-n", "growth", "--revision", "lead-v2", "-o", "json"]) == Exit.DONE
    told = json.loads(capsys.readouterr().out)
    assert {key: told[key] for key in ("model", "approver", "revision", "digest", "policy")} == {
        "model": "lead",
        "approver": "anna@example.com",
        "revision": "lead-v2",
        "digest": ASKED["digest"],
        "policy": ASKED["policy"],
    }
    assert kubectl.calls[1][1:4] == ["auth", "whoami", "-o"]
    assert kubectl.calls[2][1] == "create"


def old() -> dict[str, Any]:
    """The spec has changed since the operator looked."""
    body = asking()
    body["metadata"]["generation"] = 4
    return body


@pytest.mark.parametrize(
    ("body", "words", "said"),
    [
        (a_body(), [], "asks for no approvals now: see spec.governance.approvals"),
        (old(), [], "the spec has changed since the operator looked"),
        (asking(revision="lead-v3"), ["--revision", "lead-v2"], "the wanted revision is lead-v3 by now, not lead-v2"),
    ],
)
def test_what_was_not_seen_is_not_approved(
    body: dict[str, Any], words: list[str], said: str, kubectl: StubKubectl, capsys: pytest.CaptureFixture[str]
) -> None:
    """With the reason, and nothing created."""
    kubectl.answers(answer(body))
    assert main(["approve", "lead", *words]) == Exit.FAILED
    assert said in capsys.readouterr().err
    assert len(kubectl.calls) == 1


def test_who_has_asked_for_it_does_not_approve(kubectl: StubKubectl, capsys: pytest.CaptureFixture[str]) -> None:
    """It would not count, so it is not created."""
    body = asking()
    body["metadata"]["annotations"] = {"marquee.dev/editor": "anna@example.com"}
    kubectl.answers(answer(body), answer("anna@example.com\n"))
    assert main(["approve", "lead"]) == Exit.FAILED
    assert "you, anna@example.com, have changed last what growth/lead asks for" in capsys.readouterr().err
    assert len(kubectl.calls) == 2


def test_a_refusal_of_the_server_is_told(kubectl: StubKubectl, capsys: pytest.CaptureFixture[str]) -> None:
    """In its words."""
    no = refusal("Forbidden", "spec.approver: a service account cannot approve: let a person do it")
    kubectl.answers(answer(asking()), answer("system:serviceaccount:growth:robot\n"), no)
    assert main(["approve", "lead"]) == Exit.FAILED
    assert "a service account cannot approve" in capsys.readouterr().err


@pytest.mark.parametrize("days", ["0", "367", "-1", "soon", "1.5"])
def test_days_are_a_number_of_them(days: str) -> None:
    """At most a year."""
    with pytest.raises(SystemExit):
        main(["approve", "lead", "--days", days])

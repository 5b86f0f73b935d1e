"""``kubectl marquee retrain``: what it writes, and where it is."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from marquee.cli.exits import Exit
from marquee.cli.main import main
from marquee.contract.asking import ANNOTATION_RETRAIN
from tests.support.rollouts import a_body
from tests.support.stub_kubectl import StubKubectl, answer


@pytest.fixture(autouse=True)
def _plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/usr/local/bin/kubectl-marquee"])


def trained() -> dict[str, Any]:
    """A model that may be trained again."""
    body = a_body()
    body["spec"]["retraining"] = {"artifacts": {"uri": "s3://models/lead"}}
    return body


def test_each_question_has_an_id_of_its_own(kubectl: StubKubectl, capsys: pytest.CaptureFixture[str]) -> None:
    """So that one run answers it, and the next question is another one."""
    written = []
    asked, done = answer(trained()), answer("marketingmodel.marquee.dev/lead\n")
    kubectl.answers(asked, done, asked, done)
    for _ in range(2):
        assert main(["retrain", "lead"]) == Exit.DONE
        key, _, value = kubectl.calls[-1][3].partition("=")
        assert key == ANNOTATION_RETRAIN
        written.append(value)
    assert len(set(written)) == 2
    assert all(0 < len(one) <= 64 for one in written)
    assert "RetrainingUpToDate" in capsys.readouterr().out


def test_a_model_without_the_block_is_refused(kubectl: StubKubectl, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is written: nothing would come of it."""
    kubectl.answers(answer(a_body()))
    assert main(["retrain", "lead"]) == Exit.FAILED
    assert "has no spec.retraining" in capsys.readouterr().err
    assert len(kubectl.calls) == 1

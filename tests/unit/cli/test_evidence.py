"""``kubectl marquee evidence``: the same integers give the same verdict anywhere, or the command says where not."""

from __future__ import annotations

from typing import Any

import pytest

from marquee.api.marketing_model import MarketingModel
from marquee.cli.exits import Exit
from marquee.cli.main import main
from marquee.cli.recomputing import recompute
from marquee.control.render.record import plan_digest
from marquee.evidence.errors import QuestionError
from marquee.evidence.rule import Verdict
from tests.support.rollouts import GOLDEN, LN_E_HARM, NOW, WEIGHTS, a_body, counts, evidence
from tests.support.stub_kubectl import StubKubectl, answer


def after(steps: int, **rollout: Any) -> dict[str, Any]:
    """A model that has come so far through the golden ledger."""
    fields: dict[str, Any] = {"step": steps - 1, "progress": f"{steps}/4", "weight": WEIGHTS[steps - 1]}
    return a_body(**(fields | {"counts": counts(steps), "evidence": evidence(steps)} | rollout))


@pytest.mark.parametrize("steps", range(1, 5))
def test_the_golden_ledger_gives_the_specifications_evidence(
    steps: int, kubectl: StubKubectl, capsys: pytest.CaptureFixture[str]
) -> None:
    """It prints ln E of harm after each step to six digits, and the same verdict as the operator's."""
    verdict = Verdict.ROLLBACK if steps == 4 else Verdict.HOLD
    body = after(steps, verdict=verdict.value)
    recomputed = recompute(body, NOW)
    assert recomputed.judgement.findings[0].harm.log_e == pytest.approx(LN_E_HARM[steps - 1], abs=5e-7)
    assert recomputed.judgement.verdict is verdict
    assert recomputed.differences == ()
    kubectl.answers(answer(body))
    assert main(["evidence", "lead"]) == Exit.DONE
    output = capsys.readouterr().out
    assert f" {LN_E_HARM[steps - 1]:.6f}  2.995732 (E 20)" in output
    assert "the same integers give the same e-values and verdict" in output
    for step, (canary, _, successes, _) in enumerate(GOLDEN[:steps], start=1):
        line = next(line for line in output.splitlines() if line.startswith(f"  step {step} canary "))
        assert line.split()[3:6] == [f"{canary:,}", str(successes), f"{100 * successes / canary:.2f}"]


def test_one_changed_integer_is_noticed(kubectl: StubKubectl, capsys: pytest.CaptureFixture[str]) -> None:
    """One conversion more than the operator has judged: both values are told, and the exit code is 3."""
    golden = [*GOLDEN[:1], (2_000, 18_000, 67, 720)]
    kubectl.answers(answer(after(2, counts=counts(2, golden))))
    assert main(["evidence", "lead"]) == Exit.DIFFERS
    output = capsys.readouterr().out
    assert "DIFFERS   conversion: counts 100 of 3,000 against 1,480 of 37,000 in the status, 101 of 3,000" in output
    assert "; harm 2.73 of 20 in the status, 2.33 of 20 here" in output
    assert "agree" not in output


@pytest.mark.parametrize("verdict", ["Promote", "Rollback"])
def test_a_verdict_that_does_not_follow_is_noticed(verdict: str) -> None:
    """The same e-values, and another word."""
    assert recompute(after(2, verdict=verdict), NOW).differences == (f"verdict: {verdict} in the status, Hold here",)


@pytest.mark.parametrize("present", [True, False])
def test_a_metric_more_or_less_is_noticed(present: bool) -> None:
    """In the status or in the analysis."""
    found = [*evidence(2), evidence(2)[0] | {"metric": "errors"}] if present else []
    expected = "errors: is not in the analysis" if present else "conversion: is not in the status"
    assert recompute(after(2, evidence=found), NOW).differences == (expected,)


def test_time_alone_makes_no_difference() -> None:
    """The operator's last look was before the step's time was up: Hold then, Rollback now, and no contradiction."""
    body = after(2)
    body["spec"]["rollout"]["steps"][1]["maxDurationSeconds"] = 700
    body["spec"]["rollout"]["analysis"]["onInconclusive"] = "Rollback"
    body = replanned(body)
    recomputed = recompute(body, NOW)
    assert recomputed.judgement.verdict is Verdict.ROLLBACK
    assert recomputed.differences == ()


def replanned(body: dict[str, Any]) -> dict[str, Any]:
    """The body as if the rollout had begun with its present spec."""
    body["status"]["rollout"]["plan"] = plan_digest(MarketingModel.model_validate(body))
    return body


def test_the_evidence_of_an_ended_rollout_is_computed_too() -> None:
    """Its verdict is how it ended; only the e-values are compared."""
    recomputed = recompute(after(4, verdict="RolledBack", result="RolledBack", weight=0), NOW)
    assert recomputed.judgement.verdict is Verdict.ROLLBACK
    assert recomputed.differences == ()


@pytest.mark.parametrize(
    "change",
    [
        {"alpha": 0.01},
        {"primary": {"outcome": "conversion", "margin": 0.1}},
        {"guardrails": [{"metric": "Errors"}]},
    ],
)
def test_another_plan_than_the_rollouts_is_refused(
    change: dict[str, Any], kubectl: StubKubectl, capsys: pytest.CaptureFixture[str]
) -> None:
    """The spec was changed after the rollout: its evidence by today's rules would be nobody's verdict."""
    body = after(2)
    body["spec"]["rollout"]["analysis"] |= change
    with pytest.raises(QuestionError, match="is another plan now"):
        recompute(body, NOW)
    kubectl.answers(answer(body))
    assert main(["evidence", "lead"]) == Exit.FAILED
    captured = capsys.readouterr()
    assert "marquee: spec.rollout: is another plan now than that of the rollout" in captured.err
    assert captured.out == ""


def test_fewer_steps_than_the_rollout_has_taken_are_another_plan() -> None:
    """No index error."""
    body = after(4)
    del body["spec"]["rollout"]["steps"][2:]
    with pytest.raises(QuestionError, match="is another plan now"):
        recompute(body, NOW)


def test_without_an_analysis_nothing_is_judged(kubectl: StubKubectl, capsys: pytest.CaptureFixture[str]) -> None:
    """The place in the spec is named."""
    body = after(2)
    del body["spec"]["rollout"]["analysis"]
    kubectl.answers(answer(body))
    assert main(["evidence", "lead"]) == Exit.FAILED
    assert "spec.rollout.analysis: is missing; nothing is judged without one" in capsys.readouterr().err


def test_integers_that_contradict_each_other_are_told(kubectl: StubKubectl, capsys: pytest.CaptureFixture[str]) -> None:
    """More successes than exposures: with the place, and no traceback."""
    kubectl.answers(answer(after(1, counts=counts(1, [(10, 10, 11, 1)]))))
    assert main(["evidence", "lead"]) == Exit.FAILED
    assert "growth/lead/lead-v2-0a1b2c3d/0/canary" in capsys.readouterr().err


def test_before_the_first_verdict_there_is_nothing_to_compute(
    kubectl: StubKubectl, capsys: pytest.CaptureFixture[str]
) -> None:
    """Such as while the ledger cannot be read: the operator's message says why."""
    kubectl.answers(answer(after(1, counts=[], evidence=[], verdict="", message="the ledger can't be read")))
    assert main(["evidence", "lead"]) == Exit.DONE
    assert "verdict   none was reached yet: the ledger can't be read" in capsys.readouterr().out

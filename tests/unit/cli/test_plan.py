"""``kubectl marquee plan``: what cannot be forecast first, then what the forecast says."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from marquee.cli.exits import Exit
from marquee.cli.main import main
from tests.support import samples
from tests.support.rollouts import SPEC, a_body
from tests.support.stub_kubectl import StubKubectl, answer

TRAFFIC = ["--requests-per-minute", "2000", "--base-rate", "4%"]
SEEN = {"exposuresPerHour": 120_000, "outcomesPerMillion": 40_000}


def planned(**step: Any) -> dict[str, Any]:
    """A stored model whose first step has these fields."""
    body = samples.model("lead", revision="lead-v2", namespace="growth", **copy.deepcopy(SPEC))
    body["spec"]["rollout"]["steps"][0] |= step
    return body


def test_without_traffic_nothing_is_forecast(kubectl: StubKubectl, capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody guesses; the message says what to give."""
    kubectl.answers(answer(planned()))
    for arguments in ([], TRAFFIC[:2], TRAFFIC[2:]):
        assert main(["plan", "lead", *arguments]) == Exit.FAILED
        assert "give --requests-per-minute and --base-rate" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("--requests-per-minute", "many"),
        ("--requests-per-minute", "0"),
        ("--requests-per-minute", "-5"),
        ("--requests-per-minute", "nan"),
        ("--requests-per-minute", "1e300"),
        ("--base-rate", "0"),
        ("--base-rate", "100%"),
        ("--base-rate", "4 of 100"),
        ("--base-rate", "nan"),
    ],
)
def test_a_number_that_is_none_is_refused(option: str, value: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With what it should look like."""
    with pytest.raises(SystemExit) as ended:
        main(["plan", "lead", f"{option}={value}"])
    assert ended.value.code == Exit.USAGE
    assert option in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["lead", "-f", "lead.yaml"], ["-f"]])
def test_a_model_is_named_or_in_a_file(arguments: list[str]) -> None:
    """One of the two."""
    with pytest.raises(SystemExit) as ended:
        main(["plan", *arguments])
    assert ended.value.code == Exit.USAGE


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"rollout": {}}, "its steps are passed by time alone"),
        ({"rollout": {"steps": [{"weight": 5}]}}, "its steps are passed by time alone"),
        ({"rollout": {"steps": [{"weight": "five"}]}}, "spec.rollout.steps.0.weight: "),
    ],
)
def test_what_cannot_be_forecast_is_said(
    change: dict[str, Any], words: str, kubectl: StubKubectl, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing is judged, or the spec is none."""
    body = planned()
    body["spec"] |= change
    kubectl.answers(answer(body))
    assert main(["plan", "lead", *TRAFFIC]) == Exit.FAILED
    assert words in capsys.readouterr().err


def test_a_mean_has_no_forecast(kubectl: StubKubectl, capsys: pytest.CaptureFixture[str]) -> None:
    """How values scatter is not known."""
    body = planned()
    values = {"cap": 200, "deviation": 50}
    body["spec"]["rollout"]["analysis"]["primary"] |= {"kind": "Mean", "values": values}
    kubectl.answers(answer(body))
    assert main(["plan", "lead", *TRAFFIC]) == Exit.FAILED
    assert "the primary outcome is a Mean" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("output", "words"),
    [
        ({"kind": "Deployment"}, "holds a Deployment, not a MarketingModel"),
        ([], "holds a list, not a MarketingModel"),
        ("{}\n{}", "holds more than one object"),
    ],
)
def test_another_file_is_refused(
    output: Any, words: str, kubectl: StubKubectl, capsys: pytest.CaptureFixture[str]
) -> None:
    """By name."""
    kubectl.answers(answer(output))
    assert main(["plan", "-f", "lead.yaml", *TRAFFIC]) == Exit.FAILED
    assert f"lead.yaml {words}" in capsys.readouterr().err


def test_a_step_that_cannot_conclude_is_named_and_ends_with_its_own_code(
    kubectl: StubKubectl, capsys: pytest.CaptureFixture[str]
) -> None:
    """With what it needs and what it has."""
    kubectl.answers(answer(planned(maxDurationSeconds=14_400)))
    assert main(["plan", "lead", *TRAFFIC]) == Exit.CANNOT_CONCLUDE
    shown = capsys.readouterr().out
    assert "too short" in shown
    assert "step 1 at 5 % needs about 18 h " in shown
    assert "its maxDuration is 4 h: allow more time, a wider margin or a larger weight" in shown


def test_a_plan_that_can_conclude_says_how_long_it_takes(
    kubectl: StubKubectl, capsys: pytest.CaptureFixture[str]
) -> None:
    """A row for each step, in a table."""
    kubectl.answers(answer(planned()))
    assert main(["plan", "lead", *TRAFFIC]) == Exit.DONE
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "growth/lead: 4 steps"
    assert [line.split()[:4] for line in lines if " of 4" in line] == [
        [str(number), "of", "4", weight] for number, weight in enumerate(("5", "10", "25", "50"), start=1)
    ]
    assert "can conclude in every step" in lines[-1]


def test_the_traffic_that_was_seen_is_the_default(kubectl: StubKubectl, capsys: pytest.CaptureFixture[str]) -> None:
    """Given numbers come before it, one by one."""
    seen = a_body(traffic=SEEN)
    kubectl.answers(answer(seen), answer(planned()), answer(seen))
    shown = []
    for arguments in ([], TRAFFIC, ["--base-rate", "0.08"]):
        assert main(["plan", "lead", *arguments]) == Exit.DONE
        shown.append(capsys.readouterr().out)
    assert shown[0] == shown[1]
    assert "2,000 units a minute, 8 % of stable's with the outcome" in shown[2]


def test_a_file_is_read_by_kubectl_and_nothing_is_created(kubectl: StubKubectl) -> None:
    """Whatever kubectl reads: YAML, a URL, standard input."""
    kubectl.answers(answer(planned()))
    assert main(["plan", "-f", "lead.yaml", "-n", "growth", *TRAFFIC]) == Exit.DONE
    (call,) = kubectl.calls
    assert call[:4] == ["--namespace=growth", "create", "--dry-run=client", "--validate=false"]
    assert "--filename=lead.yaml" in call


def test_without_a_gateway_shares_are_those_of_pods(kubectl: StubKubectl, capsys: pytest.CaptureFixture[str]) -> None:
    """One pod beside four is a fifth, whatever is asked."""
    body = planned()
    del body["spec"]["traffic"]
    body["spec"]["scaling"] = {"class": "None", "minReplicas": 4}
    kubectl.answers(answer(body))
    assert main(["plan", "lead", *TRAFFIC]) == Exit.DONE
    shares = [line.split()[3] for line in capsys.readouterr().out.splitlines() if " of 4" in line]
    assert shares == ["20", "20", "20", "50"]

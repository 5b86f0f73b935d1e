"""What another controller is told when it asks for a verdict."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings

from marquee.evidence.counts import Tally
from marquee.evidence.errors import QuestionError
from marquee.evidence.judging import NO, YES, answer, answer_of, status_code
from marquee.evidence.policy import Policy, Stage
from marquee.evidence.records import read_cohorts
from marquee.evidence.rule import Reason, Verdict, judge
from tests.unit.evidence.builders import CONVERSION, ERRORS, GOLDEN, SLOW, a_cohort, a_policy, golden_cohorts, ledgers

DOCUMENT = (Path(__file__).resolve().parents[3] / "docs" / "judge.md").read_text(encoding="utf-8")
AT_THE_END = Stage(step=3, min_exposures=500)


def numbers(value: object) -> list[float]:
    """All of a JSON value."""
    if isinstance(value, dict):
        return [number for each in value.values() for number in numbers(each)]
    if isinstance(value, list):
        return [number for each in value for number in numbers(each)]
    return [value] if isinstance(value, int | float) else []


def test_a_harmful_canary_is_answered_with_its_evidence() -> None:
    """The golden ledger: verdict, reason, sentence, ln E beside what it had to reach."""
    told = answer(a_policy(), AT_THE_END, golden_cohorts())
    assert (told["verdict"], told["reason"], told["step"], told["steps"]) == ("Rollback", "HarmShown", 3, 4)
    assert told["message"].startswith("rolled back: conversion 600 of 18,000")
    (metric,) = told["metrics"]
    assert metric["harm"]["lnE"] == pytest.approx(5.490098, abs=5e-7)
    assert metric["harm"]["threshold"] == pytest.approx(math.log(20))
    assert (metric["harm"]["shown"], metric["nonInferiority"]["shown"]) == (True, False)
    assert metric["seen"]["canary"] == {"exposures": 18_000, "outcomes": 600}
    assert metric["seen"]["stable"] == {"exposures": 62_000, "outcomes": 2_480}
    assert 0.7 < metric["ratio"]["lower"] < metric["ratio"]["estimate"] < metric["ratio"]["upper"] < 1


def test_every_metric_is_told() -> None:
    """Primary first; a guardrail's threshold is that of its part of alpha."""
    told = answer(a_policy(ERRORS, SLOW), AT_THE_END, golden_cohorts())
    assert [metric["name"] for metric in told["metrics"]] == [CONVERSION.name, ERRORS.name, SLOW.name]
    assert told["metrics"][1]["harm"]["threshold"] == pytest.approx(math.log(40))
    assert told["metrics"][1]["nonInferiority"]["threshold"] == pytest.approx(math.log(20))


def test_a_wrong_split_is_told() -> None:
    """With the step where it shows most; its threshold is 1,000."""
    told = answer(a_policy(), AT_THE_END, [a_cohort(Tally(2_000, 8_000, 80, 320), step=3, weight=50)])
    assert told["reason"] == "SampleRatioMismatch"
    assert told["sampleRatio"]["shown"]
    assert told["sampleRatio"]["step"] == 3
    assert told["sampleRatio"]["threshold"] == pytest.approx(math.log(1000))


def test_before_anything_was_seen_the_answer_is_hold() -> None:
    """No data is no verdict, and there is no ratio to tell."""
    told = answer(a_policy(), Stage(), [])
    assert (told["verdict"], told["reason"], told["cohorts"]) == ("Hold", Reason.NO_DATA, [])
    assert told["metrics"][0]["ratio"] is None
    assert told["metrics"][0]["harm"]["lnE"] == pytest.approx(0, abs=1e-12)
    assert told["sampleRatio"] == {"lnE": 0.0, "threshold": pytest.approx(math.log(1000)), "shown": False, "step": None}


@given(ledgers)
@settings(max_examples=40, deadline=None)
def test_an_answer_is_json_and_replays(ledger: list[Tally]) -> None:
    """Its numbers are finite, and its own integers give the same answer, bit for bit."""
    cohorts = [a_cohort(tally, step=step, weight=50) for step, tally in enumerate(ledger)]
    policy, stage = Policy(CONVERSION, steps=5), Stage(step=len(ledger) - 1)
    told = answer(policy, stage, cohorts)
    sent = json.loads(json.dumps(told, allow_nan=False))
    assert sent == told
    assert all(math.isfinite(number) for number in numbers(sent))
    assert answer(policy, stage, read_cohorts(sent["cohorts"])) == told
    assert answer_of(judge(policy, stage, cohorts), cohorts) == told


def test_an_open_bound_is_null() -> None:
    """Where stable has no outcome the ratio has no upper bound, and JSON no infinity."""
    told = answer(a_policy(), Stage(), [a_cohort(Tally(500, 500, 40, 0), weight=50)])
    assert told["metrics"][0]["ratio"]["upper"] is None


@pytest.mark.parametrize("asked", Verdict)
@pytest.mark.parametrize("verdict", Verdict)
def test_a_status_code_says_whether_it_is_the_verdict_asked_for(verdict: Verdict, asked: Verdict) -> None:
    """A no is 409: not a server's error, which would be tried again."""
    assert status_code(verdict, asked.value) == (YES if verdict is asked else NO)
    assert (YES, NO) == (200, 409)


@pytest.mark.parametrize("asked", ["", "promote", "Anything"])
def test_what_is_no_verdict_cannot_be_asked_for(asked: str) -> None:
    """The message names those that can."""
    with pytest.raises(QuestionError, match=r"^verdict: .* is no verdict; ask for one of Promote, Rollback, Hold$"):
        status_code(Verdict.HOLD, asked)


def documented(language: str) -> list[str]:
    """Blocks of the specification."""
    return re.findall(rf"```{language}\n(.*?)```", DOCUMENT, re.DOTALL)


def shape(value: object) -> object:
    """Keys and kinds of a JSON value, all the way down."""
    if isinstance(value, dict):
        return {key: shape(each) for key, each in value.items()}
    if isinstance(value, list):
        return [shape(each) for each in value[:1]]
    return bool if isinstance(value, bool) else float if isinstance(value, int | float) else type(value)


def test_the_documented_answer_is_the_answer() -> None:
    """Number by number, to the digits that are shown."""
    shown = json.loads(documented("json")[0])
    told = answer(a_policy(), Stage(step=0, min_exposures=500), [a_cohort_of_the_document()])
    assert shape(shown) == shape(told)
    assert {key: value for key, value in shown.items() if key != "metrics"} == rounded(
        {key: value for key, value in told.items() if key != "metrics"}
    )
    assert shown["metrics"] == rounded(told["metrics"])


def a_cohort_of_the_document() -> Any:
    """Step 1 of the golden ledger, without values."""
    tally = GOLDEN[0]
    return read_cohorts(
        [
            {
                "step": 0,
                "weight": 5,
                "canary": {"exposures": tally.canary_exposures, "successes": tally.canary},
                "stable": {"exposures": tally.stable_exposures, "successes": tally.stable},
            }
        ]
    )[0]


def rounded(value: Any) -> Any:
    """To four decimals."""
    if isinstance(value, dict):
        return {key: rounded(each) for key, each in value.items()}
    if isinstance(value, list):
        return [rounded(each) for each in value]
    return round(value, 4) if isinstance(value, float) else value


def manifest(kind: str) -> dict[str, Any]:
    """The documented manifest of a kind."""
    found = [yaml.safe_load(text) for text in documented("yaml")]
    (body,) = [body for body in found if body["kind"] == kind]
    return dict(body)


def test_the_documented_manifests_ask_for_verdicts() -> None:
    """Argo's conditions name verdicts of ours; each of Flagger's hooks asks for one that answers 200 some day."""
    (metric,) = manifest("AnalysisTemplate")["spec"]["metrics"]
    named = re.findall(r'result == "(\w+)"', metric["successCondition"] + metric["failureCondition"])
    assert [Verdict(name) for name in named] == [Verdict.PROMOTE, Verdict.ROLLBACK]
    assert metric["provider"]["web"]["jsonPath"] == "{$.verdict}"
    asked = {hook["type"]: hook["url"].partition("shop/recommendations")[2] for hook in webhooks()}
    assert asked == {
        "pre-rollout": "/begin",
        "rollback": "?verdict=Rollback",
        "confirm-traffic-increase": "?verdict=Promote",
        "confirm-promotion": "?verdict=Promote",
    }


def webhooks() -> list[dict[str, Any]]:
    """Of the documented Canary."""
    return list(manifest("Canary")["spec"]["analysis"]["webhooks"])


def test_the_documented_manifests_fit_each_other() -> None:
    """The model's weights are those of both controllers, and all of them ask about that model."""
    model = manifest("MarketingModel")
    weights = [step["weight"] for step in model["spec"]["rollout"]["steps"]]
    assert manifest("Canary")["spec"]["analysis"]["stepWeights"] == weights
    rollout = manifest("Rollout")["spec"]["strategy"]["canary"]["steps"]
    assert [step["setWeight"] for step in rollout if "setWeight" in step] == weights[:2]
    template = manifest("AnalysisTemplate")["spec"]
    urls = [template["metrics"][0]["provider"]["web"]["url"], *(hook["url"] for hook in webhooks())]
    path = f"{model['metadata']['namespace']}/{model['metadata']['name']}"
    assert all(f":8090/judge/{path}" in url for url in urls)
    (given,) = [step["analysis"]["args"] for step in rollout if "analysis" in step]
    secret = {"key"}
    assert {arg["name"] for arg in given} | secret == {arg["name"] for arg in template["args"]}

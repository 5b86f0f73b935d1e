"""What a person sees of a model."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest

from marquee.api.marketing_model import ArmStatus, MarketingModel, Phase
from marquee.api.rollout_status import MetricEvidence, RolloutResult, RolloutStatus
from marquee.api.types import timestamp
from marquee.cli import showing
from marquee.cli.ages import age
from marquee.cli.screen import Screen
from marquee.cli.seen import read_model
from marquee.contract.command import ANNOTATION_COMMAND
from marquee.evidence.rule import Verdict
from tests.support.rollouts import NOW, ROLLOUT, a_body

TERMINAL = Screen(80, colour=True)

EXPECTED = """\
growth/lead: Canary

  stable    lead-v1  2 of 2 pods ready, stable for 3 d
  canary    lead-v2  1 of 2 pods ready, canary for 40 min

  rollout   lead-v2-0a1b2c3d, started 40 min ago
  step      2 of 4  ██░░░░░░░░░░░░░░░░░░░░░░  10 % of users for 12 min
  verdict   hold: the weight stays
            step 2 of 4 at 10 %: held: conversion 100 of 3,000 against 1,480 of
            37,000
  forecast  about 3 h at today's traffic for a 20 % loss

  metric            canary           stable  e-value of harm  of non-inferiority
  conversion  100 of 3,000  1,480 of 37,000       2.73 of 20          0.15 of 20"""


def shown(body: dict[str, Any], screen: Screen = Screen()) -> str:  # noqa: B008 - it is frozen
    """The lines of a body."""
    return "\n".join(showing.status_lines(read_model(json.dumps(body)), screen, NOW))


def test_a_running_rollout_is_told_in_a_screenful() -> None:
    """Columns are aligned, times are ages, the message wraps beside its label."""
    assert shown(a_body(), Screen(80)) == EXPECTED


def test_lines_are_whole_where_no_terminal_is() -> None:
    """So that grep finds a message in one line."""
    assert "held: conversion 100 of 3,000 against 1,480 of 37,000\n" in shown(a_body())


@pytest.mark.parametrize("width", [40, 50, 79, 80, 120])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    """The table becomes blocks where it is too wide."""
    body = a_body(message="because " * 30)
    body["status"]["conditions"][0]["message"] = "therefore " * 30
    lines = shown(body, Screen(width)).splitlines()
    # a bar and a name can't be broken
    assert max(len(line) for line in lines if "█" not in line and "pods" not in line) <= width


@pytest.mark.parametrize("verdict", ["", *Verdict, *RolloutResult])
def test_every_verdict_has_words(verdict: str) -> None:
    """No word of the API's stands there alone."""
    result = verdict if verdict in set(RolloutResult) else None
    text = shown(a_body(verdict=str(verdict), result=result))
    assert verdict in showing._VERDICTS
    assert showing._VERDICTS[verdict][0] in text


def test_an_ended_rollout_has_no_bar() -> None:
    """Its weight is 0 or 100, and its step is where it ended."""
    text = shown(a_body(result="RolledBack", verdict="RolledBack", weight=0))
    assert "ended     in step 2 of 4" in text
    assert "of users" not in text
    assert "verdict   rolled back" in text


def test_a_model_that_no_operator_has_seen() -> None:
    """Says what to look for."""
    body = a_body()
    del body["status"]
    assert shown(body) == (
        "growth/lead: not looked at yet\n"
        "  no operator has written its status: is one running that watches this namespace?"
    )


def test_a_status_that_lags_behind_is_told() -> None:
    """The spec has another generation."""
    body = a_body()
    body["metadata"]["generation"] = 9
    assert "the spec has changed since: this is about generation 3, and it is at 9 now" in shown(body)


def test_the_reason_is_told_once() -> None:
    """The Ready condition's message is left out when the rollout says the same."""
    body = a_body()
    assert shown(body).count("held: conversion") == 1
    body["status"]["conditions"][0]["message"] = "revision lead-v2 is coming up"
    assert "  revision lead-v2 is coming up\n" in shown(body)


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ({"action": "pause", "rollout": ROLLOUT, "by": "anna"}, "command   pause, by anna"),
        ({"action": "abort", "rollout": ROLLOUT}, "command   abort\n"),
        ({"action": "promote", "rollout": ROLLOUT, "step": 1}, "command   promote"),
    ],
)
def test_what_a_person_has_said_is_shown(command: dict[str, Any], expected: str) -> None:
    """Nobody has to read annotations to see why a rollout stands still."""
    body = a_body()
    body["metadata"]["annotations"] = {ANNOTATION_COMMAND: json.dumps(command)}
    assert expected in shown(body)


@pytest.mark.parametrize(
    "command",
    [{"action": "pause", "rollout": "lead-v1-ffffffff"}, {"action": "promote", "rollout": ROLLOUT, "step": 0}],
)
def test_what_means_nothing_any_more_is_not_shown(command: dict[str, Any]) -> None:
    """A command to an earlier rollout, and the promotion of an earlier step."""
    body = a_body()
    body["metadata"]["annotations"] = {ANNOTATION_COMMAND: json.dumps(command)}
    assert "command " not in shown(body)


def test_messages_cannot_move_the_cursor() -> None:
    """A pod's last words come from the pod."""
    text = shown(a_body(message="gone\x1b[2J\x07\nnow"), TERMINAL)
    assert "gone [2J  now" in text


@pytest.mark.parametrize("phase", Phase)
def test_colour_says_how_it_goes(phase: Phase) -> None:
    """Green serves, red does not, yellow is on its way."""
    body = a_body()
    body["status"]["phase"] = phase.value
    head = shown(body, TERMINAL).splitlines()[0]
    bad = {Phase.BLOCKED, Phase.FAILED, Phase.ROLLED_BACK}
    good = {Phase.SERVING, Phase.DRAINING, Phase.EXTERNAL}
    colour = 31 if phase in bad else 32 if phase in good else 33
    assert head == f"\x1b[1mgrowth/lead\x1b[0m: \x1b[{colour}m{phase.value}\x1b[0m"


def test_the_plugin_and_the_operator_mean_the_same_fields() -> None:
    """What the types write under a name, the plugin reads under it: every field of its own has its value from there."""
    body = json.loads(
        MarketingModel.model_validate(a_body(result=RolloutResult.PROMOTED)).model_dump_json(by_alias=True)
    )
    model = read_model(json.dumps(body))
    assert model.rollout is not None
    assert model.stable is not None
    for ours, types in (
        (model.rollout, RolloutStatus.model_validate(body["status"]["rollout"])),
        (model.stable, ArmStatus.model_validate(body["status"]["stable"])),
        (model.rollout.evidence[0], MetricEvidence.model_validate(body["status"]["rollout"]["evidence"][0])),
    ):
        for field in set(ours.__slots__) - {"evidence"}:
            assert getattr(ours, field) == getattr(types, field), field


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(-60, "0 s"), (0, "0 s"), (119, "119 s"), (120, "2 min"), (7199, "119 min"), (7200, "2 h"), (172_800, "2 d")],
)
def test_ages_are_rounded_down(seconds: int, expected: str) -> None:
    """In the largest unit of which there are two; a clock that is behind gives nothing negative."""
    assert age(timestamp(NOW - timedelta(seconds=seconds)), NOW) == expected


def test_what_is_no_time_stays_as_it_is() -> None:
    """And a time without a zone is in UTC."""
    assert age("yesterday", NOW) == "yesterday"
    assert age("2024-11-22T11:55:00", NOW) == "5 min"

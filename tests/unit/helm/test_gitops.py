"""docs/gitops.md: a chart that is only rendered, and what Argo CD makes of a model's status."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from lupa.lua51 import LuaRuntime

from marquee.api.conditions import ConditionType, Reason
from tests.support import chart

DOCS: Final = (Path(__file__).resolve().parents[3] / "docs" / "gitops.md").read_text()
READY: Final = ConditionType.READY.value
RECONCILING: Final = {"type": ConditionType.RECONCILING.value, "status": "True", "reason": "x", "message": "y"}
STALLED: Final = RECONCILING | {"type": ConditionType.STALLED.value}


def block(after: str) -> str:
    """The first block of YAML after a heading."""
    return DOCS.partition(f"\n## {after}\n")[2].partition("```yaml\n")[2].partition("```")[0]


def ready(status: str, reason: Reason) -> dict[str, Any]:
    """A condition ``Ready``."""
    return {"type": READY, "status": status, "reason": reason.value, "message": "so it is"}


def health(status: dict[str, Any] | None) -> tuple[str, str]:
    """Status and message that the documented script gives a model of generation 3, as Argo CD runs it."""
    (script,) = yaml.safe_load(block("Argo CD"))["data"].values()
    lua = LuaRuntime()
    model = {"metadata": {"generation": 3}} | ({} if status is None else {"status": status})
    found = lua.execute(f"local obj = ...\n{script}", lua.table_from(model, recursive=True))
    return found["status"], found["message"]


def test_two_renderings_with_keys_of_ones_own_are_the_same() -> None:
    """Where nothing can be looked up, nothing may be made: no rendering is another installation."""
    values = yaml.safe_load(block("Keys"))
    first, second = chart.render_text(values), chart.render_text(values)
    assert first == second
    assert chart.of_kind(chart.yaml_of(first), "Secret") == []
    assert chart.render_text() != chart.render_text(), "without them each makes keys"


def test_the_command_makes_each_secret_of_the_values() -> None:
    """With the file in it that its pod reads."""
    made = dict(pair.split(":") for pair in re.findall(r"for name in (.+); do", DOCS)[0].split())
    values = yaml.safe_load(block("Keys"))
    named = {
        values["ledger"]["masterKeySecret"]: "0",
        values["audit"]["logKeySecret"]: "key",
        values["audit"]["authorKeySecret"]: "key",
        values["keda"]["tokenSecret"]: "token",
    }
    assert {f"marquee-keys-{name}": file for name, file in made.items()} == named
    assert named.keys() <= set(re.findall(r"[\w-]+", chart.render_text(values)))


@pytest.mark.parametrize(
    ("conditions", "verdict"),
    [
        ([ready("True", Reason.SERVING)], "Healthy"),
        ([ready("True", Reason.KILL_SWITCH)], "Healthy"),
        ([ready("False", Reason.COLLECTING), RECONCILING], "Progressing"),
        ([ready("False", Reason.FROZEN), RECONCILING], "Suspended"),
        ([ready("False", Reason.AWAITING_APPROVAL), RECONCILING], "Suspended"),
        ([ready("False", Reason.APPROVALS_MISSING), STALLED], "Degraded"),
        ([ready("False", Reason.DIGEST_MISMATCH), STALLED], "Degraded"),
    ],
)
def test_argo_cd_tells_a_rollout_from_a_failure(conditions: list[dict[str, Any]], verdict: str) -> None:
    """Under way, waiting for somebody, failed, serving: each its own word, with reason and message."""
    status, message = health({"observedGeneration": 3, "conditions": conditions})
    assert (status, message) == (verdict, f"{conditions[0]['reason']}: so it is")


@pytest.mark.parametrize("status", [None, {}, {"observedGeneration": 2, "conditions": [ready("True", Reason.SERVING)]}])
def test_argo_cd_waits_for_the_operator(status: dict[str, Any] | None) -> None:
    """A status of an earlier generation says nothing about this one."""
    assert health(status) == ("Progressing", "not looked at yet")


def test_reasons_that_the_script_knows_exist() -> None:
    """A reason that was renamed would be told as under way for ever."""
    (script,) = yaml.safe_load(block("Argo CD"))["data"].values()
    named = re.findall(r"(\w+) = true", script)
    assert named
    assert set(named) <= {reason.value for reason in Reason}

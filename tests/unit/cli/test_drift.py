"""``kubectl marquee drift`` against a real ledger: the table, JSON, exit codes, and what is said without either."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from marquee.api.drift import Drift
from marquee.api.types import timestamp
from marquee.cli.drift_lines import drift_lines, sparkline
from marquee.cli.exits import Exit
from marquee.cli.main import main
from marquee.cli.screen import Screen
from marquee.judging.drifting import judge_drift
from marquee.ledger.book.windows import SETTLE_SECONDS
from tests.support.drift import fill, reply
from tests.support.ledger import Ledger, settings_of
from tests.support.rollouts import a_body
from tests.support.stub_kubectl import StubKubectl, answer

DAY = 86_400
NOW = int(time.time())
UNTIL = (NOW - SETTLE_SECONDS) // DAY
"""The day that is not complete."""


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    """Thirty-four days of growth/lead's lead-v1, and a third more people from Bonn on the last one."""
    with Ledger(settings_of(tmp_path_factory.mktemp("book"))) as ledger:
        database = ledger.running.state.database
        fill(database, "growth/lead", "lead-v1", UNTIL, lambda number: {"city": 0.15} if number == 33 else {})
        yield ledger


def body(**status: Any) -> dict[str, Any]:
    """A model that is watched; its stable revision is lead-v1."""
    found = a_body()
    found["spec"]["drift"] = {}
    found["status"]["stable"]["revision"] = "lead-v1"
    found["status"] |= status
    return found


def run(kubectl: StubKubectl, ledger: Ledger, *more: str, model: dict[str, Any] | None = None) -> int:
    kubectl.answers(answer(model or body()))
    return main(["drift", "lead", "--ledger", ledger.url, *more])


def test_the_table_shows_the_worst_features_with_old_and_new(
    kubectl: StubKubectl, ledger: Ledger, capsys: pytest.CaptureFixture[str]
) -> None:
    """The verdict, the window, a sparkline for each feature, and where the suspect moved."""
    assert run(kubectl, ledger) == Exit.DONE
    lines = capsys.readouterr().out.splitlines()
    began = datetime.fromtimestamp((UNTIL - 1) * DAY, UTC)
    assert lines[0] == "growth/lead: revision lead-v1, windows of 1 day"
    assert lines[1].startswith("  verdict   Investigate: what the model sees differs from its baseline: city (PSI 0.")
    assert lines[2] == f"  window    {began:%Y-%m-%d} 00:00 UTC, {began:%a}, 4,000 rows"
    assert lines[3] == "  baseline  4 windows alike"
    assert lines[4].startswith("  estimate  AUC 0.8")
    table = lines.index(next(line for line in lines if "design effect" in line))
    assert lines[table + 1].split()[0] == "city*"
    assert lines[table + 1].endswith("█")
    assert {line.split()[0] for line in lines[table + 2 : table + 4]} == {"age", "score:p"}
    assert [line.split()[0] for line in lines[-4:-1]] == ["city", "baseline", "window"]
    assert lines[-1] in {
        "    most in 'Bonn': 50.0% before, 65.0% now (+15.0%)",
        "    most in 'Ulm': 40.0% before, 25.0% now (-15.0%)",
    }


def test_json_has_every_feature_and_its_counts(
    kubectl: StubKubectl, ledger: Ledger, capsys: pytest.CaptureFixture[str]
) -> None:
    """For scripts."""
    assert run(kubectl, ledger, "-o", "json") == Exit.DONE
    found = json.loads(capsys.readouterr().out)
    assert (found["verdict"], found["suspects"], found["rows"]) == ("Investigate", ["city"], 4_000)
    assert {feature["feature"] for feature in found["features"]} == {"age", "city", "score:p"}
    city = found["features"][0]
    assert city["window"] == [2_600, 1_000, 400]
    assert sum(city["baseline"]) == 16_000


@pytest.mark.parametrize(
    ("verdict", "day", "code"),
    [
        ("Investigate", UNTIL - 1, Exit.DONE),
        ("Stable", UNTIL - 1, Exit.DIFFERS),
        ("Stable", UNTIL - 2, Exit.DONE),
    ],
)
def test_the_operators_verdict_on_the_same_window_must_be_the_same(
    verdict: str, day: int, code: Exit, kubectl: StubKubectl, ledger: Ledger, capsys: pytest.CaptureFixture[str]
) -> None:
    """One on an earlier window may be another."""
    window = timestamp(datetime.fromtimestamp(day * DAY, UTC))
    model = body(drift={"revision": "lead-v1", "verdict": verdict, "window": window})
    assert run(kubectl, ledger, model=model) == code
    told = capsys.readouterr().err
    assert ("the operator says Stable of this window, and the same integers give Investigate" in told) == (
        code == Exit.DIFFERS
    )


def test_a_revision_that_nobody_counted_is_said(
    kubectl: StubKubectl, ledger: Ledger, capsys: pytest.CaptureFixture[str]
) -> None:
    """No table, no failure."""
    model = body()
    model["status"]["stable"]["revision"] = "lead-v9"
    assert run(kubectl, ledger, model=model) == Exit.DONE
    assert "InsufficientData: no pod of the revision has reported" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"spec": "drift"}, "growth/lead has no spec.drift: with it, even empty"),
        ({"status": "stable"}, "growth/lead serves no revision yet"),
    ],
)
def test_a_model_without_drift_or_revision_is_refused(
    change: dict[str, str], words: str, kubectl: StubKubectl, ledger: Ledger, capsys: pytest.CaptureFixture[str]
) -> None:
    """With what to do."""
    model = body()
    for part, name in change.items():
        del model[part][name]
    assert run(kubectl, ledger, model=model) == Exit.FAILED
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://127.0.0.1:1", "does not answer: "),
        ("file:///etc/passwd", "is no address of a ledger"),
        ("{ledger}/nowhere", "the ledger refuses: 404"),
    ],
)
def test_a_ledger_that_does_not_answer_is_refused(
    url: str, words: str, kubectl: StubKubectl, ledger: Ledger, capsys: pytest.CaptureFixture[str]
) -> None:
    """With how to reach one."""
    kubectl.answers(answer(body()))
    assert main(["drift", "lead", "--ledger", url.format(ledger=ledger.url)]) == Exit.FAILED
    assert words in capsys.readouterr().err


def test_a_token_file_that_is_missing_is_named(
    kubectl: StubKubectl, ledger: Ledger, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """No traceback."""
    assert run(kubectl, ledger, "--token-file", str(tmp_path / "none")) == Exit.FAILED
    assert "No such file" in capsys.readouterr().err


def test_a_screen_without_blocks_gets_plain_characters() -> None:
    """As over a serial line."""
    assert sparkline([0.0, 0.5, 1.0, None], Screen(encoding="ascii")) == "_+# "
    assert sparkline([0.0, 0.5, 1.0, None], Screen()) == "▁▅█ "
    assert sparkline([], Screen()) == ""


def test_a_broken_feed_has_no_table() -> None:
    """Nothing was compared: the faults are the message."""
    found = reply(6, lambda day: {"missing": 2_000} if day == 33 else {})
    lines = list(drift_lines("growth/lead", "lead-v1", found, judge_drift(found, Drift()), Screen()))
    assert lines[1].startswith("  verdict   BrokenFeed: the feed is broken: age: Missing 50.0%")
    assert not any("PSI" in line for line in lines)

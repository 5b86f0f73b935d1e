"""What the suite reports from its results."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.bench.canary import __main__ as program
from tests.bench.canary.grid import NULL, RATIOS, WEIGHTS, Group
from tests.bench.canary.measuring import Result, measure
from tests.bench.canary.reporting import GOALS, figures, fixed_horizon_exposures, worst_cells
from tests.bench.canary.tuning import Tuned, tune

MINUTES = 40


@pytest.fixture(scope="module")
def rules() -> dict[int, tuple[Tuned, ...]]:
    """Tuned with few runs: their figures are no figures."""
    return {2_000: tune(2_000, runs=20, minutes=MINUTES)}


@pytest.fixture(scope="module")
def results(rules: dict[int, tuple[Tuned, ...]]) -> list[Result]:
    """Three groups that every figure finds its cells in."""
    chosen = {rate: tuned[0].rule for rate, tuned in rules.items()}
    groups = [Group("flat", 2_000, 0, 1.0), Group("step", 2_000, 60, 1.0), Group("flat", 2_000, 0, 1.2)]
    return [measure(group, runs=30, minutes=MINUTES, seed=1, thresholds=chosen) for group in groups]


def test_every_goal_has_its_figure(results: list[Result], rules: dict[int, tuple[Tuned, ...]]) -> None:
    """But for the median of a loss that most runs do not find in the time."""
    found = figures(results, rules, MINUTES)
    assert set(GOALS) - set(found) <= {"minutes_to_rollback_20", "minutes_to_rollback_10", "srm_found_before_promotion"}
    assert found["false_rollback_worst_cell"] == max(
        result.rolled_back[row] for result in results for row in (NULL, RATIOS.index(1.1))
    )
    assert found["minutes_to_rollback_50"] == results[0].median_minutes[RATIOS.index(0.5)]
    assert found["vectorised_max_abs_diff"] < 1e-9


def test_other_rules_are_judged_by_cells_they_are_made_for(
    results: list[Result], rules: dict[int, tuple[Tuned, ...]]
) -> None:
    """Neither delays nor a wrong split; the whole grid has a key of its own."""
    found = figures(results, rules, MINUTES)
    assert found["flagger_rule_false_rollback"] == results[0].flagger[NULL]
    assert found["flagger_rule_false_rollback_whole_grid"] == max(result.flagger[NULL] for result in results)


def test_worst_cells_are_named_with_their_margin(results: list[Result]) -> None:
    """A fraction of so many runs is known to 1.96 standard errors."""
    rollback, promotion = worst_cells(results, runs=30)
    assert rollback.startswith("false rollback, worst cell: ")
    assert promotion.startswith("false promotion, worst cell: ")
    assert " +- " in rollback
    assert "ratio 1" in rollback


def test_a_fixed_horizon_runs_past_the_ramp() -> None:
    """A five percent loss takes about 3 h at this traffic: well into the last step."""
    ramp = sum(weight / 100 * 30 * 2_000 for weight in WEIGHTS[:3])
    assert ramp < fixed_horizon_exposures() < ramp + 0.5 * 2_000 * 240


def test_the_suite_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """From tuning to the file, with processes of its own, on one group a traffic."""
    plan = program.Plan("canary-quick", runs=5, minutes=8)
    monkeypatch.setattr(program, "QUICK", plan)
    monkeypatch.setattr(program, "groups", lambda: [Group("flat", 2_000, 0, factor) for factor in (1.0, 1.2)])
    monkeypatch.setattr(program, "write_report", lambda *report: report_to(tmp_path, *report))
    assert program.main(["--quick", "--processes", "1"]) == 0
    printed = capsys.readouterr().out
    assert "threshold rule tuned for 20000/min" in printed
    assert "2 of 2: " in printed
    assert json.loads((tmp_path / "canary-quick.json").read_text())["runs_per_cell"] == 5


def report_to(folder: Path, suite: str, metrics: dict[str, float], goals: dict[str, object]) -> bool:
    """The suite's figures as they are handed over; a quick run has no goals."""
    assert not goals
    (folder / f"{suite}.json").write_text(json.dumps(metrics))
    return True

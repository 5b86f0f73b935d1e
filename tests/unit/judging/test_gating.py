"""Whether a candidate becomes a revision: each row of the table."""

from __future__ import annotations

from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marquee.api.retraining import Gate
from marquee.contract.retraining import Comparison
from marquee.judging.gating import Ruling, judge_candidate

GATE: Final[dict[str, Any]] = {
    "metrics": [
        {"name": "auc", "direction": "HigherIsBetter", "margin": 0.01, "baselineMargin": 0.05},
        {"name": "brier", "direction": "LowerIsBetter"},
    ],
    "slices": [{"input": "region", "maximalLoss": 0.02}],
    "minimumRows": 1_000,
    "minimumSliceRows": 100,
}
GOOD: Final[dict[str, Any]] = {
    "rows": 1_000,
    "challenger": {"auc": 0.8, "brier": 0.1},
    "champions": {"v2": {"auc": 0.8, "brier": 0.1}, "v1": {"auc": 0.7, "brier": 0.2}},
    "baseline": {"auc": 0.7, "brier": 0.2},
    "slices": [
        {
            "name": "region=eu",
            "rows": 500,
            "challenger": {"auc": 0.8, "brier": 0.1},
            "champion": {"auc": 0.8, "brier": 0.1},
        }
    ],
}


def scores(auc: float, brier: float = 0.1) -> dict[str, float]:
    """Of one contender."""
    return {"auc": auc, "brier": brier}


def on(rows: int = 500, **of: Any) -> list[dict[str, Any]]:
    """The figures of one group of rows."""
    return [GOOD["slices"][0] | {"rows": rows} | of]


def judge(gate: dict[str, Any], champion: str | None = "v2", **found: Any) -> tuple[Ruling, str]:
    """Ruling and message."""
    comparison = Comparison.model_validate(GOOD | found)
    verdict = judge_candidate(Gate.model_validate(GATE | gate), comparison, champion)
    return verdict.ruling, verdict.message


@pytest.mark.parametrize(
    ("gate", "found", "ruling"),
    [
        ({}, {}, Ruling.GATE_PASSED),
        ({}, {"rows": 999}, Ruling.TOO_FEW_ROWS),
        ({}, {"champion": "v3"}, Ruling.CHAMPION_NOT_COMPARED),
        ({}, {"champion": None}, Ruling.GATE_PASSED),
        ({}, {"challenger": {"auc": 0.9}}, Ruling.METRIC_MISSING),
        ({}, {"champions": {"v2": {"brier": 0.1}}}, Ruling.METRIC_MISSING),
        ({}, {"baseline": {"auc": 0.7}}, Ruling.METRIC_MISSING),
        ({}, {"baseline": None}, Ruling.METRIC_MISSING),
        ({"metrics": GATE["metrics"][1:]}, {"baseline": None}, Ruling.GATE_PASSED),
        ({}, {"challenger": scores(0.79)}, Ruling.GATE_PASSED),
        ({}, {"challenger": scores(0.789)}, Ruling.WORSE_THAN_CHAMPION),
        ({}, {"challenger": scores(0.9, 0.11)}, Ruling.WORSE_THAN_CHAMPION),
        ({}, {"baseline": scores(0.76)}, Ruling.WORSE_THAN_BASELINE),
        ({}, {"baseline": scores(0.7, 0.09)}, Ruling.WORSE_THAN_BASELINE),
        ({}, {"champions": {"v2": scores(0.8), "v1": scores(0.82)}}, Ruling.CHAMPION_BETTER),
        ({}, {"champions": {"v2": scores(0.8), "v1": scores(0.81)}}, Ruling.GATE_PASSED),
        ({}, {"champions": {"v2": scores(0.8), "v1": scores(0.9, 0.2)}}, Ruling.GATE_PASSED),
        ({}, {"champions": {"v2": scores(0.8), "v1": {"auc": 0.9}}}, Ruling.GATE_PASSED),
        ({}, {"champions": {"v2": scores(0.9), "v1": scores(0.85)}}, Ruling.WORSE_THAN_CHAMPION),
        ({}, {"slices": []}, Ruling.SLICE_MISSING),
        ({}, {"slices": on(champion=None)}, Ruling.SLICE_MISSING),
        ({}, {"slices": on(challenger=scores(0.77))}, Ruling.SLICE_WORSE),
        ({}, {"slices": on(challenger=scores(0.79))}, Ruling.GATE_PASSED),
        ({}, {"slices": on(challenger=scores(0.5), rows=99)}, Ruling.GATE_PASSED),
    ],
)
def test_each_row(gate: dict[str, Any], found: dict[str, Any], ruling: Ruling) -> None:
    """What the gate says, and that it says why."""
    said, message = judge(gate, **found)
    assert said is ruling
    assert message


def test_the_words_have_the_figures() -> None:
    """Whoever reads them need not look for the run."""
    assert judge({}, challenger=scores(0.7)) == (
        Ruling.WORSE_THAN_CHAMPION,
        "auc is 0.7, and 0.8 of champion v2: it must be at most 0.01 worse (HigherIsBetter)",
    )
    assert judge({})[1].startswith("on 1,000 rows auc is 0.8 (0.8 of v2, 0.7 of the baseline); brier is 0.1")


def test_a_better_champion_is_named() -> None:
    """The best one of the pool."""
    comparison = Comparison.model_validate(
        GOOD | {"champions": {"v3": scores(0.8), "v2": scores(0.9), "v1": scores(0.95)}}
    )
    verdict = judge_candidate(Gate.model_validate(GATE), comparison, "v3")
    assert (verdict.passed, verdict.better) == (False, "v1")
    assert "v1" in verdict.message


THOUSANDTHS: Final = st.integers(0, 1_000).map(lambda number: number / 1_000)


@given(ours=THOUSANDTHS, theirs=THOUSANDTHS, baseline=THOUSANDTHS)
def test_nobody_passes_who_is_worse(ours: float, theirs: float, baseline: float) -> None:
    """Whatever the figures, with a margin of nothing a passed candidate is as good as both."""
    gate = {"metrics": [{"name": "auc", "direction": "HigherIsBetter"}], "slices": []}
    found: dict[str, Any] = {
        "challenger": {"auc": ours},
        "champions": {"v2": {"auc": theirs}},
        "baseline": {"auc": baseline},
    }
    passed = judge(gate, **found)[0] is Ruling.GATE_PASSED
    assert passed == (ours >= theirs and ours >= baseline)

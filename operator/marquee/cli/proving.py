"""A judgement that was computed here, in tables: the integers, what follows from them, and what the operator said."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

from marquee.api.rollout_status import CohortCounts
from marquee.cli.recomputing import Recomputed
from marquee.cli.screen import Screen, Tone, clean
from marquee.cli.seen import Rollout
from marquee.cli.showing import verdict_words
from marquee.evidence import words
from marquee.evidence.explaining import explain
from marquee.evidence.finding import Finding, Strength

_FINDINGS_HEADER: Final = ("metric", "ln E harm", "needs", "ln E non-inferiority", "needs")


def proof_lines(recomputed: Recomputed, rollout: Rollout, screen: Screen) -> Iterator[str]:
    """The integers of each cohort, ln E to six digits, both verdicts, and whether they agree."""
    yield from counts_lines(recomputed.rollout.counts, screen)
    yield ""
    rows = [_row(finding) for finding in recomputed.judgement.findings]
    yield from screen.table(_FINDINGS_HEADER, rows, indent=2)
    yield ""
    yield from screen.labelled("here", explain(recomputed.judgement))
    said, tone = verdict_words(rollout)
    yield from screen.labelled("operator", f"{said}; {rollout.message}" if rollout.message else said, tone)
    if not recomputed.differences:
        yield from screen.labelled("agree", "the same integers give the same e-values and verdict", Tone.GOOD)
    for difference in recomputed.differences:
        yield from screen.labelled("DIFFERS", clean(difference), Tone.BAD)


def counts_lines(counts: tuple[CohortCounts, ...], screen: Screen) -> Iterator[str]:
    """The ledger's integers as a table, with the rate of each outcome."""
    outcomes = sorted({name for cohort in counts for name in cohort.outcomes})
    titles = [title for name in outcomes for title in (name, "rate")]
    header = ["cohort", "exposures", *titles, "requests", "errors", "slow"]
    yield from screen.table(header, [_cohort(one, outcomes) for one in counts], indent=2)


def _cohort(cohort: CohortCounts, outcomes: list[str]) -> list[str]:
    cells = [f"step {cohort.step + 1} {cohort.arm}", f"{cohort.exposures:,}"]
    for name in outcomes:
        found = cohort.outcomes.get(name)
        successes = found.successes if found is not None else 0
        rate = f"{successes / cohort.exposures:.2%}".replace("%", " %") if cohort.exposures else "-"
        cells += [f"{successes:,}", rate]
    return [*cells, f"{cohort.requests:,}", f"{cohort.errors:,}", f"{cohort.slow:,}"]


def _row(finding: Finding) -> tuple[str, ...]:
    strengths = (finding.harm, finding.noninferior)
    return (finding.metric.name, *(cell for held in strengths for cell in _cells(held)))


def _cells(held: Strength) -> tuple[str, str]:
    return f"{held.log_e:.6f}", f"{-math.log(held.alpha):.6f} (E {words.threshold(held.alpha)})"

"""Computes the verdicts of proven entries again: from their questions and integers alone, on this machine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from marquee.api.rollout import Analysis
from marquee.audit.events import RolloutStepped
from marquee.audit.proving import read_proofs
from marquee.audit.statements import read_entry
from marquee.contract.ledger import CohortStatistics, OutcomeStatistics, RolloutStatistics
from marquee.evidence.errors import EvidenceError
from marquee.judging.asking import declaration_of
from marquee.judging.questions import Question


def recomputed(path: Path) -> Iterator[tuple[bool, str]]:
    """Of each judged entry in a file of proofs: whether its verdict follows, in words. Raises `AuditError`, OSError."""
    for proof in read_proofs(path.read_text(encoding="utf-8"), str(path)):
        statement = read_entry(proof.entry, f"entry {proof.index}")
        if isinstance(statement.event, RolloutStepped) and statement.event.question:
            yield _compare(proof.index, statement.stamp.model, statement.event)


def _compare(index: int, model: str, event: RolloutStepped) -> tuple[bool, str]:
    where = f"entry {index}"
    try:
        found = conclusion_of(model, event)
    except (EvidenceError, ValidationError, ValueError, KeyError, TypeError) as error:
        return False, f"{where}: no verdict follows from what it has: {error}"
    if found != event.concluded:
        return False, f"{where}: says {event.concluded}, and {found} follows from its integers"
    return True, f"{where}: {found} follows from its integers, computed here"


def conclusion_of(model: str, event: RolloutStepped) -> str:
    """The verdict and its reason, as an entry tells them. Raises `EvidenceError`, and ValueError where it has none."""
    question = Question.of_text(event.question)
    return question.judgement_of(_statistics(model, event, question.analysis)).conclusion


def _statistics(model: str, event: RolloutStepped, analysis: Analysis) -> RolloutStatistics:
    cohorts = tuple(
        CohortStatistics(
            step=one.step,
            arm=one.arm,
            exposures=one.exposures,
            requests=one.requests,
            errors=one.errors,
            slow=one.slow,
            outcomes={
                name: OutcomeStatistics(
                    successes=successes, sum=int(one.sums[name]), sum_of_squares=int(one.sums_of_squares[name])
                )
                for name, successes in one.successes.items()
            },
        )
        for one in event.evidence
    )
    return RolloutStatistics(
        model=model,
        rollout=event.rollout,
        revision=0,
        closed=False,
        metrics=declaration_of(analysis).metrics,
        cohorts=cohorts,
    )

"""The verdict as data: the first row that holds names the verdict and its reason.

A test walks every combination of facts; ``docs/evidence.md`` shows the same table.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from marquee.evidence.counts import Cohort, in_order
from marquee.evidence.errors import QuestionError
from marquee.evidence.finding import Finding, find
from marquee.evidence.policy import Inconclusive, Policy, Stage
from marquee.evidence.sample_ratio import SampleRatio, check_split
from marquee.tables import Fact


class Verdict(StrEnum):
    """What should happen to the canary now. Promote: on to the next step, from the last one to all users."""

    PROMOTE = "Promote"
    ROLLBACK = "Rollback"
    HOLD = "Hold"


class Reason(StrEnum):
    """Why, for conditions, events and the audit log."""

    HARM_SHOWN = "HarmShown"
    NO_DATA = "NoData"
    SAMPLE_RATIO_MISMATCH = "SampleRatioMismatch"
    NON_INFERIOR = "NonInferior"
    INCONCLUSIVE = "Inconclusive"
    MINIMUM_NOT_REACHED = "MinimumNotReached"
    COLLECTING = "Collecting"


@dataclass(frozen=True, slots=True)
class Facts:
    """The few truths that the table asks for."""

    harmful: bool
    empty: bool
    mismatched: bool
    noninferior: bool
    ripe: bool
    overdue: bool
    impatient: bool


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    name: str
    when: Fact[Facts]
    verdict: Verdict
    reason: Reason
    meaning: str


_HARMFUL: Final[Fact[Facts]] = Fact("harmful", lambda facts: facts.harmful)
_EMPTY: Final[Fact[Facts]] = Fact("empty", lambda facts: facts.empty)
_MISMATCHED: Final[Fact[Facts]] = Fact("mismatched", lambda facts: facts.mismatched)
_NONINFERIOR: Final[Fact[Facts]] = Fact("non-inferior", lambda facts: facts.noninferior)
_RIPE: Final[Fact[Facts]] = Fact("ripe", lambda facts: facts.ripe)
_OVERDUE: Final[Fact[Facts]] = Fact("overdue", lambda facts: facts.overdue)
_IMPATIENT: Final[Fact[Facts]] = Fact("impatient", lambda facts: facts.impatient)
_ALWAYS: Final[Fact[Facts]] = Fact("otherwise", lambda _: True)

GLOSSARY: Final = {
    _HARMFUL.words: "the primary or a guardrail is shown to be worse: E >= 1/alpha, for each of K guardrails K/alpha",
    _EMPTY.words: "an arm has no exposure in this step, or the primary has no outcome in the whole rollout",
    _MISMATCHED.words: "exposures do not fall into the arms as the weights promise: E >= 1,000",
    _NONINFERIOR.words: "every metric is shown to be worse by less than its margin: E >= 1/alpha for each",
    _RIPE.words: "the step has its minExposures of the canary and its minDuration",
    _OVERDUE.words: "the step's maxDuration has passed",
    _IMPATIENT.words: "onInconclusive is Rollback",
}
"""What the words of the facts mean."""

TABLE: Final[tuple[Row, ...]] = (
    Row("harm", _HARMFUL, Verdict.ROLLBACK, Reason.HARM_SHOWN,
        "evidence of harm is acted on at once, whatever else holds"),
    Row("nothing seen", _EMPTY, Verdict.HOLD, Reason.NO_DATA,
        "no data is never a verdict, not even when time is up: look for what stopped exposures or outcomes"),
    Row("wrong split", _MISMATCHED & ~_OVERDUE, Verdict.HOLD, Reason.SAMPLE_RATIO_MISMATCH,
        "assignment or counting is broken, so no promotion; by itself no reason to roll back"),
    Row("good", _NONINFERIOR & _RIPE & ~_MISMATCHED, Verdict.PROMOTE, Reason.NON_INFERIOR,
        "on to the next step, or from the last one to all users"),
    Row("given up", _OVERDUE & _IMPATIENT, Verdict.ROLLBACK, Reason.INCONCLUSIVE,
        "time is up and the policy says what then"),
    Row("stuck", _OVERDUE, Verdict.HOLD, Reason.INCONCLUSIVE,
        "time is up and a person has to decide"),
    Row("too early", _NONINFERIOR & ~_RIPE, Verdict.HOLD, Reason.MINIMUM_NOT_REACHED,
        "the evidence is there, the step's minimum is not"),
    Row("collecting", _ALWAYS, Verdict.HOLD, Reason.COLLECTING,
        "neither harm nor non-inferiority is shown yet"),
)  # fmt: skip


def match(facts: Facts) -> Row:
    """The first row that holds; the last one always does."""
    return next(row for row in TABLE if row.when.holds(facts))


@dataclass(frozen=True, slots=True)
class Judgement:
    """A verdict with everything that led to it; `marquee.evidence.explaining.explain` puts it into a sentence."""

    row: Row
    policy: Policy
    stage: Stage
    findings: tuple[Finding, ...]
    sample_ratio: SampleRatio

    @property
    def verdict(self) -> Verdict:
        """What should happen."""
        return self.row.verdict

    @property
    def conclusion(self) -> str:
        """The verdict and its reason in a few words, which two computations of the same integers share."""
        return f"{self.verdict.value} ({self.reason.value})"

    @property
    def reason(self) -> Reason:
        """Why."""
        return self.row.reason


def judge(policy: Policy, stage: Stage, cohorts: Sequence[Cohort]) -> Judgement:
    """The verdict on a rollout. A pure function: the same integers give the same judgement. Raises `EvidenceError`."""
    ordered = in_order(cohorts)
    findings = tuple(find(policy, metric, ordered) for metric in policy.metrics)
    return decide(policy, stage, ordered, findings)


def decide(policy: Policy, stage: Stage, cohorts: Sequence[Cohort], findings: tuple[Finding, ...]) -> Judgement:
    """The same from findings at hand, one for each of the policy's metrics and in their order: for metrics that are
    judged by other cohorts, or by blocks.
    """
    if [finding.metric for finding in findings] != list(policy.metrics):
        raise QuestionError("findings", "are not those of the policy's metrics", "find every metric, primary first")
    sample_ratio = check_split(cohorts, steps=policy.steps)
    row = match(gather(policy, stage, cohorts, findings, sample_ratio))
    return Judgement(row, policy, stage, findings, sample_ratio)


def gather(
    policy: Policy,
    stage: Stage,
    cohorts: Sequence[Cohort],
    findings: tuple[Finding, ...],
    sample_ratio: SampleRatio,
) -> Facts:
    """The facts of one look."""
    here = [cohort for cohort in cohorts if cohort.step == stage.step]
    canary = sum(cohort.canary.exposures for cohort in here)
    stable = sum(cohort.stable.exposures for cohort in here)
    return Facts(
        harmful=any(finding.harm.shown for finding in findings),
        empty=canary == 0 or stable == 0 or findings[0].seen.outcomes == 0,
        mismatched=sample_ratio.mismatch,
        noninferior=all(finding.noninferior.shown for finding in findings),
        ripe=canary >= stage.min_exposures and stage.elapsed_seconds >= stage.min_duration_seconds,
        overdue=stage.elapsed_seconds >= stage.max_duration_seconds,
        impatient=policy.on_inconclusive is Inconclusive.ROLLBACK,
    )

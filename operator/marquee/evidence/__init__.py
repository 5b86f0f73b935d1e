"""The mathematics of the provable canary: from the ledger's integers to a verdict whose error is bounded at every look.

Pure: no I/O, no clock, no randomness; the standard library's ``math`` alone, so that operator, command line and an
offline verifier compute the same. ``docs/evidence.md`` says what is claimed and what is not.

================  ==========================================================================
``counts``        what the ledger keeps per cohort and arm, and what it cannot have kept
``records``       the same as JSON
``mixture``       a1 (harm) and a3 (non-inferiority): a mixture of likelihood ratios
``blocks``        a2: harm where the base rate is large
``tolerance``     a rate below a limit, for events too rare to compare
``means``         revenue: stratified differences, with their preconditions
``sample_ratio``  does the split keep its promise?
``estimating``    how large the effect is
``policy``        metrics, margins, steps: settled before the rollout
``finding``       one metric's evidence
``rule``          the verdict as data: first matching row wins
``explaining``    the verdict in a sentence
``judging``       the same as JSON, for other controllers
``forecasting``   how long until a verdict
``words``         numbers as people read them
``errors``        what can be wrong with the input
================  ==========================================================================
"""

from marquee.evidence.rule import Judgement, Verdict, judge

__all__ = ["Judgement", "Verdict", "judge"]

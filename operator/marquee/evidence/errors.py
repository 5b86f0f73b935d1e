"""What can be wrong with what evidence is computed from.

::

    EvidenceError (ValueError)
     |
     +-- CountsError     the integers contradict each other, or one is missing
     +-- QuestionError   alpha, margin, cap or plan: nothing could be concluded from them

Every message says what happened, where (`path`), and what to do.
"""

from __future__ import annotations


class EvidenceError(ValueError):
    """Base of the tree. ``path`` is the place of the fault, such as ``cohorts[2].canary.successes``."""

    def __init__(self, path: str, what: str, remedy: str) -> None:
        super().__init__(f"{path}: {what}; {remedy}")
        self.path = path
        self.what = what
        self.remedy = remedy

    def within(self, prefix: str) -> EvidenceError:
        """The same fault, seen from one level above."""
        return type(self)(f"{prefix}.{self.path}", self.what, self.remedy)


class CountsError(EvidenceError):
    """Counts that no ledger can have kept."""


class QuestionError(EvidenceError):
    """A question that has no answer."""


def require_alpha(alpha: float, path: str = "alpha") -> None:
    """Refuse what is no error probability (0 < alpha < 1). Raises `QuestionError`."""
    if not 0 < alpha < 1:
        raise QuestionError(path, f"{alpha!r} is no error probability", "give a number between 0 and 1, such as 0.05")

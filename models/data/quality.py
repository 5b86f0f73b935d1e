"""What was found in a table: which rows are not learned from, and why."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

MOST_COLUMNS: Final = 50
"""So many columns are told of in the artifact, those with the most complaints first."""


class Left(StrEnum):
    """Why a row is left out; the first that holds counts."""

    UNTIMED = "withoutTimestamp"
    OUTSIDE = "outsideOfWindow"
    EXCLUDED = "inExcludedWindow"
    NO_CONSENT = "withoutConsent"
    SUPPRESSED = "suppressed"
    UNLABELLED = "withoutLabel"
    INVALID = "invalid"
    DUPLICATE = "duplicate"


class Complaint(StrEnum):
    """What can be wrong with a value."""

    MISSING = "missing"
    OUT_OF_RANGE = "outOfRange"
    UNKNOWN = "unknownCategory"


@dataclass
class Quality:
    """Counts over all files of a table."""

    read: int = 0
    used: int = 0
    left: Counter[Left] = field(default_factory=Counter)
    columns: dict[str, Counter[Complaint]] = field(default_factory=dict)

    def complain(self, column: str, complaint: Complaint, count: int) -> None:
        """Note values of a column."""
        if count:
            self.columns.setdefault(column, Counter())[complaint] += count

    @property
    def worst(self) -> list[tuple[str, Counter[Complaint]]]:
        """Columns with the most complaints first."""
        return sorted(self.columns.items(), key=lambda entry: (-entry[1].total(), entry[0]))

    def to_json(self) -> dict[str, Any]:
        """Bounded: of the columns the `MOST_COLUMNS` worst."""
        return {
            "rowsRead": self.read,
            "rowsUsed": self.used,
            "rowsLeftOut": {reason.value: self.left[reason] for reason in Left},
            "columns": {
                name: {complaint.value: count for complaint, count in sorted(counts.items())}
                for name, counts in self.worst[:MOST_COLUMNS]
            },
            "columnsNotListed": max(len(self.columns) - MOST_COLUMNS, 0),
        }

    def summary(self) -> str:
        """For the log: one line, then one for each of the worst columns."""
        left = ", ".join(f"{count:,} {reason}" for reason, count in self.left.items() if count) or "none left out"
        lines = [f"data: {self.read:,} rows read, {self.used:,} used ({left})"]
        for name, counts in self.worst[:MOST_COLUMNS]:
            lines.append(f"data: {name}: " + ", ".join(f"{count:,} {complaint}" for complaint, count in counts.items()))
        return "\n".join(lines)

"""Outcomes by the score that was answered: declared by the operator, counted by the ledger, read back as windows.

``PUT /v1/drift/{namespace}/{model}/performance`` says by which outcome a model's performance is counted, as a
`MetricDeclaration` whose cap is that of one prediction's outcome. What is declared last holds.
"""

from __future__ import annotations

from typing import Final

from marquee.contract.ledger import MetricDeclaration
from marquee.contract.manifest import ContractModel

PERFORMANCE_PATH: Final = "/performance"
"""Behind ``/v1/drift/{namespace}/{model}``."""


class PerformanceWindow(ContractModel):
    """What became of the traced answers of a window, by bin of their score."""

    index: int
    rows: tuple[int, ...]
    """Traced answers."""
    outcomes: tuple[int, ...]
    """Of them, those with an outcome so far."""
    totals: tuple[int, ...] = ()
    """Sum of the outcomes' values in the smallest unit; only of a `Mean`. Text on the wire, as it may pass 2^53."""
    squares: tuple[int, ...] = ()
    """Sum of their squares; only of a `Mean`. Text on the wire."""


class PerformanceReply(ContractModel):
    """Outcomes by the score that was answered."""

    metric: MetricDeclaration
    """As it is declared."""
    windows: tuple[PerformanceWindow, ...]
    """Rising; one that is not listed counted nothing."""

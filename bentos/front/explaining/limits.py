"""What a question for explanations may ask for, and by which method it may be answered."""

from __future__ import annotations

from typing import Final

MAX_ROWS_EXPLAINED: Final = 32
"""Of a request."""
MOST_REASONS: Final = 100
"""Of a row."""
EXACT: Final = "shapley-exact"
PERMUTATION: Final = "shapley-permutation"
GRADIENTS: Final = "integrated-gradients"
METHODS: Final = (EXACT, PERMUTATION, GRADIENTS)

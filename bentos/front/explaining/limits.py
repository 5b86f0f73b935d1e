"""What a question for explanations may ask for, and what may answer it: the endpoints and their document agree on it."""

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

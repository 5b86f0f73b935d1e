"""The annotation by which a ModelRevision says who made it."""

from __future__ import annotations

from typing import Final

ANNOTATION_AUTHOR: Final = "marquee.dev/author"
"""At admission it must be the authenticated user's name, and it never changes."""

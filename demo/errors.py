"""Why the demo cannot go on."""

from __future__ import annotations


class DemoError(Exception):
    """What is missing, where, and what to do; printed without a traceback."""

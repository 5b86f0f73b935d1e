"""Results go to standard output, everything else to standard error."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from marquee.cli.screen import Screen


def show(lines: Iterable[str], screen: Screen) -> None:
    """Print lines at once: whoever reads a pipe must not wait for the next change."""
    for line in lines:
        print(screen.encodable(line))
    sys.stdout.flush()


def say(message: object) -> None:
    """Tell a person."""
    print(f"marquee: {message}", file=sys.stderr, flush=True)

"""Progress for people: one line a stage with the time since the start."""

import sys
import time
from typing import TextIO


class Stages:
    """Prints lines such as `[  12.3 s] control plane: ready`."""

    def __init__(self, out: TextIO | None = None, *, quiet: bool = False) -> None:
        self._out = out
        self._quiet = quiet
        self._started = time.monotonic()

    def elapsed_seconds(self) -> float:
        """Time since this object was made."""
        return time.monotonic() - self._started

    def say(self, text: str) -> None:
        """Print one stage line at once, also into a pipe."""
        if not self._quiet:
            print(f"[{self.elapsed_seconds():6.1f} s] {text}", file=self._out or sys.stdout, flush=True)

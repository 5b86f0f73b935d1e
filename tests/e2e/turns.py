"""Tests share one cluster: side by side in their own namespaces, but for those that disturb everybody."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pytest

from localcluster.paths import cache_root

FIRST: Final = "first"
ALONE: Final = "alone"


@contextmanager
def turn(*, alone: bool) -> Iterator[None]:
    """Hold the cluster while the block runs: with others who share it, or with nobody."""
    cache_root().mkdir(parents=True, exist_ok=True)
    with (cache_root() / "turns.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        yield


@contextmanager
def once(folder: Path, what: str) -> Iterator[bool]:
    """One process of a test run after the other; the first is told that it is the one to do it.

    Args:
        folder: that the processes have in common, new in each run.
        what: is done.

    """
    done = folder / what
    with done.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield not done.exists()
        done.touch()


def rank(item: pytest.Item) -> int:
    """The longest tests begin; those that need the cluster alone come last, so that the others need not wait."""
    return (item.get_closest_marker(ALONE) is not None) - (item.get_closest_marker(FIRST) is not None)

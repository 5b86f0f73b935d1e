"""Waiting ends as soon as the condition holds, and tells what was wrong when it never does."""

import itertools

import pytest

from localcluster.errors import CommandFailed, StartFailed
from localcluster.waiting import wait_until


def test_failures_on_the_way_are_not_the_end() -> None:
    """An API server that does not answer yet is a reason to ask again."""
    attempts = itertools.count()

    def third_time() -> bool:
        if next(attempts) == 0:
            raise CommandFailed("GET / failed")
        return next(attempts) > 2

    wait_until("the thing", third_time, 5.0)
    assert next(attempts) > 2


def test_late_is_told_with_the_last_failure() -> None:
    """Who waited in vain reads what was waited for and why it did not come."""

    def never() -> bool:
        raise CommandFailed("GET /x failed", why="connection refused")

    with pytest.raises(StartFailed, match="the thing did not get ready within 0 s") as failure:
        wait_until("the thing", never, 0.3)
    assert "connection refused" in failure.value.why

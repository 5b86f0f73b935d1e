"""Waits that look often: a test asks by `tests.support.reading` and by HTTP, which costs little."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

from demo import target

T = TypeVar("T")

POLL_SECONDS: Final = 0.1


def wait_for(what: str, poll: Callable[[], T | None], *, timeout_seconds: float) -> T:
    """Poll until something is there.

    Raises:
        DemoError: it was not there in time.

    """
    return target.wait_for(what, poll, timeout_seconds=timeout_seconds, poll_seconds=POLL_SECONDS)


def wait_until_ready(of: target.Target, model: str, namespace: str) -> None:
    """Wait for the model's Ready condition.

    Raises:
        DemoError: it did not come in time; says what the conditions say.

    """
    target.wait_until_ready(of, model, namespace, poll_seconds=POLL_SECONDS)

"""Waiting for what the cluster does by itself."""

import time
from collections.abc import Callable

from localcluster.errors import CommandFailed, StartFailed

_POLL_SECONDS = 0.2


def wait_until(what: str, condition: Callable[[], bool], timeout_seconds: float) -> None:
    """Poll until the condition holds; a `CommandFailed` that it raises means not yet.

    Raises:
        StartFailed: it did not in time; tells the last failure.

    """
    deadline = time.monotonic() + timeout_seconds
    why = ""
    while time.monotonic() < deadline:
        try:
            if condition():
                return
        except CommandFailed as failure:
            why = str(failure)
        time.sleep(_POLL_SECONDS)
    raise StartFailed(f"{what} did not get ready within {timeout_seconds:.0f} s", why=why)

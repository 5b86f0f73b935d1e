"""``python -m marquee.control.app``: the operator's process."""

from __future__ import annotations

import asyncio
import gc
import sys
from collections.abc import Iterator
from typing import Any, Final

import structlog
import uvloop

from marquee.control.app.logs import set_up_logs
from marquee.control.app.operator import StopRequested, run
from marquee.control.cluster.errors import ClusterError
from marquee.control.settings import SettingsError, settings_from

_ALLOCATIONS_BEFORE_COLLECTION: Final = 20_000
"""Python's own 700 is for scripts; here an event alone allocates some hundred objects, and most live."""


def main() -> int:
    """Run until SIGTERM or until the lease is lost; a restart is cheap and finds everything in the API."""
    try:
        settings = settings_from()
    except SettingsError as error:
        print(f"marquee-operator: {error}", file=sys.stderr)
        return 2
    set_up_logs(settings)
    log = structlog.get_logger("marquee")

    try:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            _collect_less_garbage()
            runner.run(run(settings))
    except BaseExceptionGroup as group:
        return _end(log, list(_leaves(group)))
    except SettingsError as error:
        print(f"marquee-operator: {error}", file=sys.stderr)
        return 2
    except (ClusterError, OSError) as error:
        return _end(log, [error])
    return 0


def _collect_less_garbage() -> None:
    """Leave what was imported out of every collection, and collect less often: what an event leaves behind is
    freed by its reference count, and searching for cycles took a fifteenth of the operator's CPU."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_ALLOCATIONS_BEFORE_COLLECTION, 20, 20)


def _end(log: Any, causes: list[BaseException]) -> int:
    """Say why, and choose the exit code."""
    errors = [cause for cause in causes if not isinstance(cause, StopRequested)]
    for error in errors:
        known = isinstance(error, (ClusterError, OSError))
        log.error("stopped", error=str(error), kind=type(error).__name__, exc_info=None if known else error)
    if not errors:
        log.info("stopped")
    return 1 if errors else 0


def _leaves(group: BaseExceptionGroup[BaseException]) -> Iterator[BaseException]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error


if __name__ == "__main__":
    sys.exit(main())

"""A model each time that it changes, over connections that may break: the API server ends each watch some time."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Final

from marquee.cli.kubectl import Kubectl
from marquee.cli.problems import ClusterProblem
from marquee.cli.seen import Model, read_model

_LONGEST_PAUSE_SECONDS: Final = 30


def watch(
    kubectl: Kubectl, name: str, *, say: Callable[[str], None], sleep: Callable[[float], None] = time.sleep
) -> Iterator[Model]:
    """The model now and after each change.

    A connection that breaks after the first answer is made again, after 1, 2, 4 ... 30 seconds; ``say`` is told why.

    Raises:
        ClusterProblem: the first connection fails, the model is deleted, or the person may not see it (any more).

    """
    last, failures = "", 0
    while True:
        try:
            with closing(kubectl.events(name)) as events:
                for model in _models(events, name):
                    failures = 0
                    if model.resource_version != last:
                        last = model.resource_version
                        yield model
            reason = ""
        except ClusterProblem as problem:
            if not last or problem.is_lasting:
                raise
            reason = str(problem)
        seconds = min(2**failures, _LONGEST_PAUSE_SECONDS)
        failures += 1
        if reason:
            say(f"the connection is lost ({reason}); trying again in {seconds} s")
        sleep(seconds)


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """SIGTERM ends a watch like Ctrl-C, so that kubectl is not left behind."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    former = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, former)


def _models(events: Iterator[str], name: str) -> Iterator[Model]:
    for line in events:
        try:
            event = json.loads(line)
            kind, body = event["type"], event["object"]
        except (ValueError, KeyError, TypeError):
            raise ClusterProblem(f"kubectl printed no watch event, but {line[:80]!r}", lasting=True) from None
        if kind == "DELETED":
            raise ClusterProblem(f"{name} was deleted", lasting=True)
        if kind == "ERROR":
            return
        yield read_model(json.dumps(body))

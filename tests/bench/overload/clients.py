"""Clients of h2load on one core: as fast as they are answered, or at a rate that does not care.

A thousand clients with a rate of their own are an open load as long as each is answered before it is to ask again; the
suite checks that the rate was reached.
"""

from __future__ import annotations

import subprocess
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.bench.front.workload import BODY
from tests.bench.overload.answers import Answer, parse_log

CORE: Final = 1
COMING_SECONDS: Final = 0.01
"""Clients who connect within so long begin at once; all of them take as long as one of them between two requests."""
PATIENCE_SECONDS: Final = 30
"""After the last request is sent; what has no answer by then hangs."""


@dataclass(frozen=True)
class Crowd:
    """Clients, and how they ask."""

    clients: int
    requests: int
    rate: float | None = None
    """Requests a second of all of them; None: each asks again as soon as it is answered."""

    def options(self) -> list[str]:
        """For h2load."""
        options = ["-c", str(self.clients), "-n", str(self.requests)]
        if self.rate is None:
            return options
        # a client asks at its own rate from when it has connected: all at once, they would ask in bursts for ever
        comers = min(max(1, round(self.rate * COMING_SECONDS)), self.clients)
        coming = [f"--rate={comers}", f"--rate-period={COMING_SECONDS * 1_000:.0f}ms"]
        return [*options, f"--rps={self.rate / self.clients:.4f}", *coming]

    @property
    def limit_seconds(self) -> float:
        """When to give up."""
        return PATIENCE_SECONDS + (self.requests / self.rate if self.rate else PATIENCE_SECONDS)


def send(crowd: Crowd, port: int, folder: Path) -> list[Answer]:
    """The answers that came; fewer than were asked for when some hang."""
    body, log = folder / "body.json", folder / "answers.log"
    body.write_bytes(BODY)
    log.unlink(missing_ok=True)
    command = ["taskset", "-c", str(CORE), "h2load", "--h1", "-d", str(body), "-H", "content-type: application/json"]
    url = f"http://127.0.0.1:{port}/predict"
    with suppress(subprocess.TimeoutExpired):  # the log holds what came
        subprocess.run(
            [*command, *crowd.options(), "--log-file", str(log), url],
            check=True,
            stdout=subprocess.DEVNULL,
            timeout=crowd.limit_seconds,
        )
    return parse_log(log.read_text(encoding="ascii").splitlines())

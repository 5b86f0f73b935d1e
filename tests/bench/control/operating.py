"""The operator's process as the benchmark sees it: CPU time, memory, and whether it has looked at every model."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from localcluster.processes import cpu_seconds, identify
from tests.bench.control.plane import Plane
from tests.bench.control.workload import IMAGE
from tests.support.operator import OperatorProcess

_NOT_IN_THE_IMAGE: Final = ("rich",)
"""Development tools bring it along, and structlog imports it where it is there: 4 MB that no operator has."""


@dataclass(frozen=True)
class Operator:
    """A running operator."""

    process: OperatorProcess

    @property
    def pid(self) -> int:
        """Of the process."""
        assert self.process.process is not None
        return self.process.process.pid

    def cpu_seconds(self) -> float:
        """User and system time so far."""
        identity = identify(self.pid)
        assert identity is not None, self.process.log.read_text(encoding="utf-8")
        return cpu_seconds(identity)

    def megabytes(self, what: str) -> float:
        """``VmRSS`` or ``VmHWM``, in 10^6 bytes."""
        for line in Path(f"/proc/{self.pid}/status").read_text(encoding="ascii").splitlines():
            if line.startswith(f"{what}:"):
                return int(line.split()[1]) * 1024 / 1e6
        raise KeyError(what)

    async def metric(self, name: str) -> float:
        """A metric's sum over its labels."""
        return await asyncio.to_thread(self.process.metric, name)

    async def wait_for_passes(self, passes: float, *, timeout_seconds: float) -> None:
        """Wait until so many reconciles have returned since the start, and none waits."""
        deadline = time.monotonic() + timeout_seconds
        while await self.metric("marquee_reconciles_total") < passes or await self.metric("marquee_queue_depth") > 0:
            if time.monotonic() > deadline:
                raise TimeoutError(f"the operator made {await self.metric('marquee_reconciles_total')} passes")
            await asyncio.sleep(0.5)


@asynccontextmanager
async def running_operator(plane: Plane, **settings: str) -> AsyncIterator[Operator]:
    """Start it with the plane's identity; on leaving, end it."""
    wanted = {"predictor_image": IMAGE} | settings
    log = plane.folder / "operator.log"
    process = OperatorProcess(plane.operator_kubeconfig, log, missing=_NOT_IN_THE_IMAGE, **wanted)
    try:
        process.start()
        await asyncio.to_thread(process.wait_until_ready)
        yield Operator(process)
    finally:
        await asyncio.to_thread(process.stop)

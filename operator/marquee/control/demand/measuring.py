"""Asks a revision's ready pods for their counters, at most once a second, and remembers them for a while.

Nothing runs while nobody asks. Any replica of the operator can answer: what it remembers is a convenience, and the
first answer after a start takes two looks, a second apart.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

import aiohttp

from marquee.contract.pod import METRICS_PORT
from marquee.control.demand.sampling import Rates, Sample, rates_of, read_sample, total
from marquee.control.runtime.clock import monotonic_seconds
from marquee.control.snapshot import DeploymentState, PodState

WINDOW_SECONDS: Final = 30.0
"""Rates are over so much time at most: two periods of the autoscaler, so that a single burst moves nothing."""
APART_SECONDS: Final = 1.0
"""Looks closer together than this are one."""
TIMEOUT_SECONDS: Final = 1.0
"""Of one look: KEDA waits three seconds for everything."""
_PAGE_LIMIT: Final = 256 * 1024
_AT_ONCE: Final = 50

RevisionKey = tuple[str, str, str]
"""Namespace, model, revision."""


class RevisionUnknownError(Exception):
    """There is no such revision, or it has no Deployment."""


class DemandUnknownError(Exception):
    """Its pods do not say; whoever scales by it should leave the number as it is."""


@dataclass(frozen=True, slots=True)
class Demand:
    """What a revision has to do."""

    rates: Rates
    pods: int
    """Ready pods."""


@dataclass(slots=True)
class Meter:
    """Measures revisions on demand.

    Args:
        session: to reach the pods.
        deployments_of: the Deployments of a model, by namespace and name.
        pods_of: its pods likewise.
        port: of the pods' metrics page.

    """

    session: aiohttp.ClientSession
    deployments_of: Callable[[str, str], Iterable[DeploymentState]]
    pods_of: Callable[[str, str], Iterable[PodState]]
    port: int = METRICS_PORT
    _samples: dict[RevisionKey, dict[str, list[Sample]]] = field(default_factory=dict)
    _asking: dict[RevisionKey, tuple[float, asyncio.Task[Demand]]] = field(default_factory=dict)
    _slots: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(_AT_ONCE))

    async def demand(self, key: RevisionKey) -> Demand:
        """What is asked of a revision now; who asks again within a second shares the answer.

        Raises:
            RevisionUnknownError: there is none of that name.
            DemandUnknownError: no pod of it answers.

        """
        state = self._deployment(key)
        now = monotonic_seconds()
        until, task = self._asking.get(key, (0.0, None))
        if task is None or now >= until:
            self._forget(now)
            task = asyncio.create_task(self._measure(key, state))
            task.add_done_callback(_seen)
            self._asking[key] = now + APART_SECONDS, task
        return await asyncio.shield(task)

    def _deployment(self, key: RevisionKey) -> DeploymentState:
        namespace, model, revision = key
        state = next((state for state in self.deployments_of(namespace, model) if state.child.name == revision), None)
        if state is None:
            raise RevisionUnknownError(f"model {namespace}/{model} has no pods of a revision {revision}")
        return state

    async def _measure(self, key: RevisionKey, state: DeploymentState) -> Demand:
        namespace, model, revision = key
        pods = [pod for pod in self.pods_of(namespace, model) if pod.revision == revision and _answers(pod)]
        if not pods and state.replicas == 0:
            return Demand(Rates(0.0, 0.0), 0)
        known = self._samples.get(key, {})
        samples = {pod.uid: known.get(pod.uid, []) for pod in pods}
        self._samples[key] = samples
        rates = await self._look(pods, samples)
        if pods and not rates:
            await asyncio.sleep(APART_SECONDS)
            rates = await self._look(pods, samples)
        if not rates:
            raise DemandUnknownError(f"none of the {len(pods)} ready pods of revision {revision} tells its counters")
        return Demand(total(rates, len(pods)), len(pods))

    async def _look(self, pods: Iterable[PodState], samples: dict[str, list[Sample]]) -> list[Rates]:
        """One sample more of each pod; the rates of those that have two."""
        fresh = await asyncio.gather(*(self._sample(pod) for pod in pods))
        found = []
        for pod, sample in zip(pods, fresh, strict=True):
            if sample is None:
                continue
            history = [one for one in samples[pod.uid] if sample.at - one.at <= WINDOW_SECONDS]
            if history and sample.requests < history[-1].requests:
                history = []  # the container was started again
            samples[pod.uid] = [*history, sample]
            if (rates := rates_of(samples[pod.uid])) is not None:
                found.append(rates)
        return found

    async def _sample(self, pod: PodState) -> Sample | None:
        host = f"[{pod.ip}]" if ":" in pod.ip else pod.ip
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS)
        try:
            async with self._slots, self.session.get(f"http://{host}:{self.port}/metrics", timeout=timeout) as response:
                response.raise_for_status()
                page = await response.content.read(_PAGE_LIMIT)
            return read_sample(page.decode(errors="replace"), monotonic_seconds())
        except (aiohttp.ClientError, OSError, ValueError):  # a time-out is an OSError
            return None

    def _forget(self, now: float) -> None:
        """Drop what nobody has asked for in the last window."""
        gone = [key for key, (until, _) in self._asking.items() if now - until > WINDOW_SECONDS]
        for key in gone:
            del self._asking[key]
            self._samples.pop(key, None)


def _answers(pod: PodState) -> bool:
    return pod.ready and not pod.deleting and pod.ip != ""


def _seen(task: asyncio.Task[Demand]) -> None:
    if not task.cancelled():
        task.exception()  # even when whoever asked has gone

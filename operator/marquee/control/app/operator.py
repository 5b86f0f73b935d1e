"""Wires the parts together: caches warm from the start, the queue worked only while leading."""

from __future__ import annotations

import asyncio
import random
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import aiohttp
import kopf
import structlog
from aiohttp import web
from prometheus_client.registry import Collector

from marquee.control.act import Actor
from marquee.control.app.auditing import decision_log
from marquee.control.app.drift_metrics import DriftCollector
from marquee.control.app.metrics import (
    AuditCollector,
    ClusterCollector,
    LedgerCollector,
    OperatorCollector,
    registry_with,
)
from marquee.control.app.pages import serve_pages
from marquee.control.app.performance_metrics import PerformanceCollector
from marquee.control.app.retraining_metrics import RetrainingCollector
from marquee.control.app.watching import registry_of, watch
from marquee.control.cluster.client import Client
from marquee.control.cluster.connection import Connection, connect
from marquee.control.cluster.errors import ClusterError, NotFound
from marquee.control.cluster.informer import Informer
from marquee.control.cluster.lease import LeaderElection
from marquee.control.demand.measuring import Meter
from marquee.control.demand.page import demand_route
from marquee.control.kinds import MARKETING_MODEL, MODEL_REVISION
from marquee.control.ledger.client import LedgerClient
from marquee.control.ledger.drifting import DriftFollower
from marquee.control.ledger.entering import DecisionLog
from marquee.control.ledger.following import FollowerSettings, LedgerFollower
from marquee.control.ledger.freezing import FreezeRecorder
from marquee.control.observe.children import Children
from marquee.control.observe.freezes import Freezes
from marquee.control.observe.observer import Observer
from marquee.control.observe.resources import Resources
from marquee.control.probe import HttpProber
from marquee.control.reconciling import Reconciler
from marquee.control.report import Reporter
from marquee.control.retraining import Retrainer
from marquee.control.runtime.queue import QueueSettings, WorkQueue
from marquee.control.settings import Settings
from marquee.control.snapshot import Defaults, Keda, ModelKey, Trainer

log = structlog.get_logger("marquee")

_CATCH_UP_POLL_SECONDS = 0.05

CHILDREN_SETTLE_SECONDS: Final = 0.1
"""A model is looked at so long after the first news of its children. One pod that starts is half a dozen changes to
it and its Deployment within a moment: they are one reason to look. News of the model itself do not wait."""
_CRD_POLL_SECONDS = 2.0


class StopRequested(Exception):  # noqa: N818 - a wish, not an error
    """The process was told to end."""


@dataclass(slots=True)
class Operator:
    """One replica of the operator."""

    settings: Settings
    connection: Connection
    session: aiohttp.ClientSession
    queue: WorkQueue[ModelKey] = field(init=False)
    resources: Resources = field(init=False, default_factory=Resources)
    children: Children = field(init=False)
    freezes: Freezes = field(init=False)
    client: Client = field(init=False)
    reconciler: Reconciler = field(init=False)
    election: LeaderElection = field(init=False)
    collector: OperatorCollector = field(init=False)
    ledger: LedgerClient | None = field(init=False)
    follower: LedgerFollower | None = field(init=False)
    drift_follower: DriftFollower | None = field(init=False)
    log: DecisionLog | None = field(init=False)
    freeze_recorder: FreezeRecorder | None = field(init=False)

    def __post_init__(self) -> None:
        settings = self.settings
        self.queue = WorkQueue(settings=QueueSettings(expected_errors=(ClusterError,)))
        self.children = Children(
            self.connection, settings.watch_namespaces, lambda key: self.queue.add_after(key, CHILDREN_SETTLE_SECONDS)
        )
        self.freezes = Freezes(self.connection, settings.watch_namespaces, settings.pod_namespace, self._refrozen)
        self.client = Client(self.connection)
        self.ledger = _ledger(settings, self.session)
        self.follower = self._follower(self.ledger)
        self.drift_follower = self._drift_follower(self.ledger)
        self.log = decision_log(settings, self.session)
        self.freeze_recorder = (
            FreezeRecorder(self.log, settings.pod_namespace, self.freezes.all) if self.log is not None else None
        )
        self.reconciler = self._reconciler()
        self.election = LeaderElection(
            self.connection,
            namespace=settings.pod_namespace,
            name=settings.lease_name,
            identity=f"{settings.pod_name}_{secrets.token_hex(4)}",
        )
        self.connection.may_write = lambda: self.election.is_leader
        self.collector = OperatorCollector(self.resources, self.queue)

    def _refrozen(self, namespace: str | None) -> None:
        """What is frozen in a namespace, or everywhere, is something else now."""
        for model in self.resources.models():
            if namespace in (None, model.metadata.namespace):
                self.queue.add((model.metadata.namespace, model.metadata.name))
        if self.freeze_recorder is not None:
            self.freeze_recorder.wake()

    def _follower(self, ledger: LedgerClient | None) -> LedgerFollower | None:
        if ledger is None:
            return None
        settings = FollowerSettings(interval_seconds=self.settings.evidence_seconds)
        return LedgerFollower(ledger.statistics, self.queue.add, settings=settings)

    def _drift_follower(self, ledger: LedgerClient | None) -> DriftFollower | None:
        if ledger is None:
            return None
        return DriftFollower(ledger.drift, self.queue.add, interval_seconds=self.settings.drift_seconds)

    def _reconciler(self) -> Reconciler:
        prober = HttpProber(self.session, self.settings.probe_timeout_seconds)
        follower, drift_follower, decisions = self.follower, self.drift_follower, self.log
        retrainer = Retrainer(self.client, self.children, self.resources, decisions)

        def forget(key: ModelKey) -> None:
            prober.forget(key)
            retrainer.forget(key)
            if decisions is not None:
                decisions.forget(key)
            if follower is not None:
                follower.forget(key)
            if drift_follower is not None:
                drift_follower.forget(key)

        return Reconciler(
            observer=Observer(
                self.resources,
                self.children,
                prober.result,
                _defaults(self.settings),
                reading=follower.reading if follower is not None else None,
                drift=drift_follower.reading if drift_follower is not None else lambda _: None,
                logged=decisions.reading if decisions is not None else None,
                trainer=_trainer(self.settings),
                trouble=retrainer.trouble,
                freezes=self.freezes.over,
                keda=Keda(self.settings.demand_url, self.settings.demand_authentication),
            ),
            actor=Actor(self.client, self.children, prober, self.ledger, decisions),
            reporter=Reporter(self.client, self.resources),
            forget=forget,
            retrainer=retrainer,
            follow=follower.follow if follower is not None else lambda _key, _rollout: None,
            follow_drift=drift_follower.follow if drift_follower is not None else lambda _key, _question: None,
        )

    async def run(self) -> None:
        """Until cancelled, or until a part gives up: then everything stops, and the process with it."""
        kopf_ready = asyncio.Event()
        cluster = ClusterCollector(self.connection, self._informers(), self.client.events.counters, self.election)
        pages = await serve_pages(
            self.settings.http_host,
            self.settings.http_port,
            unready_because=lambda: self.unready_because(kopf_ready),
            metrics=registry_with(self.collector, cluster, *self._further_metrics()),
            further=[self._demand_route()],
        )
        registry = registry_of(self.resources, self.connection.access, self.queue.add)
        try:
            async with asyncio.TaskGroup() as parts:
                parts.create_task(self.children.run(), name="children")
                parts.create_task(self.freezes.run(), name="freezes")
                parts.create_task(self._watch(registry, kopf_ready), name="kopf")
                parts.create_task(self.election.run(self._lead), name="election")
                if self.follower is not None:
                    parts.create_task(self.follower.run(), name="ledger")
                if self.drift_follower is not None:
                    parts.create_task(self.drift_follower.run(), name="drift")
        finally:
            await pages.cleanup()

    def _informers(self) -> list[Informer[Any]]:
        return [*self.children.informers(), *self.freezes.informers()]

    def _demand_route(self) -> web.RouteDef:
        meter = Meter(self.session, self.children.deployments_of, self.children.pods_of)
        token = self.settings.demand_token_path
        return demand_route(meter.demand, Path(token) if token else None)

    def _further_metrics(self) -> list[Collector]:
        found: list[Collector] = [RetrainingCollector(self.resources)]
        if self.follower is not None:
            found.append(LedgerCollector(self.follower))
        if self.drift_follower is not None:
            found += [DriftCollector(self.resources, self.drift_follower), PerformanceCollector(self.resources)]
        if self.log is not None:
            found.append(AuditCollector(self.log))
        return found

    async def _watch(self, registry: kopf.OperatorRegistry, ready: asyncio.Event) -> None:
        """Kopf installs its own handlers of SIGTERM and SIGINT, so its end is how this process learns of them."""
        await self._until_served()
        await watch(registry, self.settings.watch_namespaces, ready)
        raise StopRequested

    async def _until_served(self) -> None:
        """Wait for the CRDs: kopf looks at its start which kinds there are, and not again (see `watch`)."""
        namespace = next(iter(self.settings.watch_namespaces), None)
        for kind in (MARKETING_MODEL, MODEL_REVISION):
            while True:
                try:
                    await self.client.list(kind, namespace=namespace, metadata_only=True, limit=1)
                    break
                except NotFound:
                    log.warning("kind is not served; are the CRDs installed?", kind=kind.kind)
                    await asyncio.sleep(_CRD_POLL_SECONDS)

    def unready_because(self, kopf_ready: asyncio.Event) -> str:
        """Why this replica could not take over at once; empty when it could."""
        if not kopf_ready.is_set():
            return "the watch of marquee.dev resources has not started; are the CRDs installed?"
        waiting = [informer for informer in self._informers() if not informer.synced.is_set()]
        if waiting:
            return f"waiting for the first list of {waiting[0].kind}"
        silent = [informer for informer in self._informers() if not informer.healthy]
        return f"no contact with the API server: {silent[0].kind}" if silent else ""

    async def _lead(self) -> None:
        """Work the queue; called when the lease is ours, cancelled when it is not any more."""
        await self.children.wait_until_synced()
        await self.freezes.wait_until_synced()
        await self._catch_up()
        log.info("leading", models=len(self.resources.models()), identity=self.settings.pod_name)
        self.collector.is_leader = True
        for model in self.resources.models():
            self.queue.add((model.metadata.namespace, model.metadata.name))
        beside = [asyncio.create_task(self._resync(), name="resync")]
        if self.freeze_recorder is not None:
            beside.append(asyncio.create_task(self.freeze_recorder.run(), name="freezes entered"))
        try:
            await self.queue.run(self.reconciler.reconcile, workers=self.settings.workers)
        finally:
            self.collector.is_leader = False
            for task in beside:
                task.cancel()

    async def _catch_up(self) -> None:
        """Wait until kopf's watch has delivered what exists now.

        A model decided on without its revisions would be reported as blocked for a moment: kopf does not say
        when its first listing is complete, so the API server is asked once for the names.
        """
        missing = set()
        for kind in (MARKETING_MODEL, MODEL_REVISION):
            for namespace in self.settings.watch_namespaces or (None,):
                for body in await self.client.list(kind, namespace=namespace, metadata_only=True):
                    missing.add((body["metadata"]["namespace"], body["metadata"]["name"], kind.kind))
        deadline = asyncio.get_running_loop().time() + self.settings.catch_up_seconds
        while missing := {entry for entry in missing if not self.resources.knows(*entry)}:
            if asyncio.get_running_loop().time() > deadline:
                log.warning("objects that the watch has not delivered", count=len(missing), first=min(missing))
                return
            await asyncio.sleep(_CATCH_UP_POLL_SECONDS)

    async def _resync(self) -> None:
        """Look at every model again from time to time, spread over a tenth of the period."""
        period = self.settings.resync_seconds
        while True:
            await asyncio.sleep(period)
            for model in self.resources.models():
                key = (model.metadata.namespace, model.metadata.name)
                self.queue.add_after(key, random.uniform(0, period / 10))  # noqa: S311 - spreads load


async def run(settings: Settings) -> None:
    """Run one replica until cancelled.

    Raises:
        StopRequested: in a group; SIGTERM or SIGINT.
        ClusterError: no login; in a group when the lease was lost.
        OSError: the port of the pages is taken.

    """
    connection = await connect()
    try:
        async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
            await Operator(settings, connection, session).run()
    finally:
        await connection.close()


def _ledger(settings: Settings, session: aiohttp.ClientSession) -> LedgerClient | None:
    if not settings.ledger_url:
        return None
    token = Path(settings.ledger_token_path) if settings.ledger_token_path else None
    return LedgerClient(session, settings.ledger_url, token)


def _trainer(settings: Settings) -> Trainer:
    return Trainer(
        image=settings.trainer_image,
        image_pull_policy=settings.trainer_image_pull_policy,
        image_pull_secrets=settings.predictor_image_pull_secrets,
        author=settings.user_name,
        ledger_url=settings.ledger_url,
    )


def _defaults(settings: Settings) -> Defaults:
    return Defaults(
        predictor_image=settings.predictor_image,
        image_pull_policy=settings.predictor_image_pull_policy,
        image_pull_secrets=settings.predictor_image_pull_secrets,
        triton_image=settings.triton_image,
        ledger_url=settings.ledger_url,
    )

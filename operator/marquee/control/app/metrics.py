"""The operator's metrics: counters that the parts keep anyway, turned into samples when somebody scrapes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import fields
from typing import Any

from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from marquee.api.conditions import ConditionType
from marquee.control.cluster.connection import Connection
from marquee.control.cluster.events import EventCounters
from marquee.control.cluster.informer import Informer
from marquee.control.cluster.lease import LeaderElection
from marquee.control.decide.safety import kill_of
from marquee.control.ledger.entering import DecisionLog
from marquee.control.ledger.following import LedgerFollower
from marquee.control.observe.resources import Resources
from marquee.control.runtime.queue import WorkQueue
from marquee.control.snapshot import ModelKey


class OperatorCollector(Collector):
    """Models and the work on them. Reads the parts at scrape time; nothing is paid for while nobody looks."""

    def __init__(self, resources: Resources, queue: WorkQueue[ModelKey]) -> None:
        self._resources = resources
        self._queue = queue
        self.is_leader = False

    def collect(self) -> Iterator[Metric]:
        """All samples."""
        yield self._models()
        yield self._model_info()
        yield self._kill_switches()
        yield from self._queue_samples()
        yield GaugeMetricFamily("marquee_operator_leader", "1 while this replica reconciles", value=self.is_leader)

    def _models(self) -> Metric:
        family = GaugeMetricFamily("marquee_models", "MarketingModels by phase", labels=["namespace", "phase"])
        counts = Counter(
            (model.metadata.namespace, model.status.phase.value if model.status.phase else "Unknown")
            for model in self._resources.models()
        )
        for labels, count in sorted(counts.items()):
            family.add_metric(labels, count)
        return family

    def _model_info(self) -> Metric:
        names = ["namespace", "model", "use_case", "team", "stable", "canary", "reason"]
        family = GaugeMetricFamily("marquee_model_ready", "1 when a model's wish is what serves", labels=names)
        for model in self._resources.models():
            status = model.status
            ready = next((c for c in status.conditions if c.type == "Ready"), None)
            family.add_metric(
                [
                    model.metadata.namespace,
                    model.metadata.name,
                    model.spec.use_case.value,
                    model.spec.owner.team,
                    status.stable.revision if status.stable else "",
                    status.canary.revision if status.canary else "",
                    ready.reason if ready else "",
                ],
                1.0 if ready is not None and ready.status == "True" else 0.0,
            )
        return family

    def _kill_switches(self) -> Metric:
        names = ["namespace", "model", "safe"]
        family = GaugeMetricFamily(
            "marquee_kill_switch_engaged",
            "1 for a model whose kill switch is engaged; safe: it has halted",
            labels=names,
        )
        for model in self._resources.models():
            state = next((one for one in model.status.conditions if one.type == ConditionType.SAFE_STATE.value), None)
            if kill_of(model) is not None:
                safe = "true" if state is not None and state.status == "True" else "false"
                family.add_metric([model.metadata.namespace, model.metadata.name, safe], 1.0)
        return family

    def _queue_samples(self) -> Iterator[Metric]:
        queue, counters = self._queue, self._queue.counters
        yield GaugeMetricFamily("marquee_queue_depth", "Models waiting for a worker", value=queue.depth)
        yield GaugeMetricFamily("marquee_queue_failing", "Models whose last pass raised", value=queue.failing)
        yield GaugeMetricFamily(
            "marquee_queue_oldest_age_seconds", "Wait of the first in the queue", value=queue.oldest_age_seconds
        )
        yield CounterMetricFamily("marquee_reconciles", "Passes that returned", value=counters.processed)
        yield CounterMetricFamily("marquee_reconcile_failures", "Passes that raised", value=counters.failed)
        yield CounterMetricFamily(
            "marquee_reconcile_busy_seconds", "Time spent in passes, over all workers", value=counters.busy_seconds
        )


class ClusterCollector(Collector):
    """The operator's dealings with the API server: requests, informers, events, the Lease."""

    def __init__(
        self,
        connection: Connection,
        informers: Sequence[Informer[Any]],
        events: EventCounters,
        election: LeaderElection,
    ) -> None:
        self._connection = connection
        self._informers = informers
        self._events = events
        self._election = election

    def collect(self) -> Iterator[Metric]:
        """All samples."""
        yield self._requests()
        yield from self._informer_samples()
        yield self._event_writes()
        counters = self._election.counters
        yield CounterMetricFamily("marquee_lease_acquired", "Times this replica became leader", value=counters.acquired)
        yield CounterMetricFamily("marquee_lease_renewals", "Renewals of the Lease", value=counters.renewed)
        yield CounterMetricFamily(
            "marquee_lease_renewal_failures",
            "Attempts to renew that failed; the next one may be in time",
            value=counters.failed_renewals,
        )

    def _requests(self) -> Metric:
        family = CounterMetricFamily(
            "marquee_api_requests",
            "Requests to the API server apart from kopf's watches; status 0: no answer",
            labels=["verb", "resource", "status"],
        )
        for (verb, resource, status), count in sorted(self._connection.requests.items()):
            family.add_metric([verb, resource, str(status)], count)
        return family

    def _informer_samples(self) -> Iterator[Metric]:
        """By kind; over all namespaces where there is an informer for each."""
        labels = ["kind"]
        objects = GaugeMetricFamily("marquee_informer_objects", "Objects in the cache", labels=labels)
        silence = GaugeMetricFamily(
            "marquee_informer_silent_seconds", "Since the API server last said anything on this kind", labels=labels
        )
        events = CounterMetricFamily("marquee_informer_events", "Changes told by the watch", labels=labels)
        lists = CounterMetricFamily("marquee_informer_lists", "Complete lists; more than one: relisted", labels=labels)
        failures = CounterMetricFamily("marquee_informer_failures", "Lists and watches that failed", labels=labels)
        rejected = CounterMetricFamily(
            "marquee_informer_rejected",
            "Objects that the operator stumbled over: a bug, please report it",
            labels=labels,
        )
        for kind in sorted({informer.kind.kind for informer in self._informers}):
            of_kind = [informer for informer in self._informers if informer.kind.kind == kind]
            objects.add_metric([kind], sum(len(informer) for informer in of_kind))
            silence.add_metric([kind], max(informer.last_contact_seconds for informer in of_kind))
            events.add_metric([kind], sum(informer.counters.events for informer in of_kind))
            lists.add_metric([kind], sum(informer.counters.lists for informer in of_kind))
            failures.add_metric([kind], sum(informer.counters.failures for informer in of_kind))
            rejected.add_metric([kind], sum(informer.counters.rejected for informer in of_kind))
        yield from (objects, silence, events, lists, failures, rejected)

    def _event_writes(self) -> Metric:
        family = CounterMetricFamily("marquee_events", "Kubernetes Events, by what became of them", labels=["result"])
        for counter in fields(self._events):
            family.add_metric([counter.name], getattr(self._events, counter.name))
        return family


class LedgerCollector(Collector):
    """What the operator knows of the ledger, and how old it is."""

    def __init__(self, follower: LedgerFollower) -> None:
        self._follower = follower

    def collect(self) -> Iterator[Metric]:
        """All samples; no age while no rollout is followed, because then nobody asks."""
        counters = self._follower.counters
        yield GaugeMetricFamily(
            "marquee_ledger_followed_rollouts",
            "Rollouts judged by the ledger's integers",
            value=self._follower.followed,
        )
        age = GaugeMetricFamily("marquee_ledger_reading_age_seconds", "Since the ledger last answered")
        if (seconds := self._follower.age_seconds) is not None:
            age.add_metric([], seconds)
        yield age
        yield CounterMetricFamily("marquee_ledger_reads", "Answers of the ledger", value=counters.reads)
        yield CounterMetricFamily(
            "marquee_ledger_read_failures", "Attempts to read the ledger that failed", value=counters.failures
        )


class AuditCollector(Collector):
    """What became of the operator's entries in the audit log."""

    def __init__(self, log: DecisionLog) -> None:
        self._log = log

    def collect(self) -> Iterator[Metric]:
        """All samples."""
        yield CounterMetricFamily(
            "marquee_audit_entered", "Decisions entered before their act", value=self._log.entered
        )
        yield CounterMetricFamily(
            "marquee_audit_entry_failures", "Attempts to enter one that failed", value=self._log.failures
        )


def registry_with(*collectors: Collector) -> CollectorRegistry:
    """A registry of its own: nothing that another library registers globally shows up."""
    registry = CollectorRegistry()
    for collector in collectors:
        registry.register(collector)
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    GCCollector(registry=registry)
    return registry

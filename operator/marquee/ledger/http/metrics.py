"""What the ledger shows of itself to Prometheus."""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry, Counter, GCCollector, Histogram, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from marquee.ledger.auditing import KeptLog
from marquee.ledger.committing import Committer


class Metrics:
    """Counters of what was taken and what was not. Labels are roles and reasons: a fixed set, never a sender."""

    def __init__(self, committer: Committer, audit: KeptLog | None = None) -> None:
        self.registry = CollectorRegistry()
        self.batches = Counter(
            "marquee_ledger_batches",
            "Batches by kind, and whether they were new",
            ["kind", "result"],
            registry=self.registry,
        )
        self.exposures = Counter("marquee_ledger_exposures", "Units in batches that were new", registry=self.registry)
        self.outcomes = Counter(
            "marquee_ledger_outcomes", "Outcomes by status and reason", ["status", "reason"], registry=self.registry
        )
        self.erasures = Counter(
            "marquee_ledger_erasures", "Keys of data subjects that were destroyed on request", registry=self.registry
        )
        self.over_quota = Counter(
            "marquee_ledger_over_quota", "Requests over their sender's quota", ["role"], registry=self.registry
        )
        self.requests = Histogram(
            "marquee_ledger_request_seconds",
            "Time to answer",
            ["route", "status"],
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
            registry=self.registry,
        )
        self.registry.register(CommitterCollector(committer))
        if audit is not None:
            self.registry.register(AuditCollector(audit))
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=self.registry)


class CommitterCollector(Collector):
    """The committer's own counters, read when somebody scrapes."""

    def __init__(self, committer: Committer) -> None:
        self._committer = committer

    def collect(self) -> Iterator[Metric]:
        """All samples."""
        counters = self._committer.counters
        yield GaugeMetricFamily(
            "marquee_ledger_waiting_records", "Records that wait to be written", value=self._committer.waiting_records
        )
        yield CounterMetricFamily("marquee_ledger_commits", "Transactions", value=counters.commits)
        yield CounterMetricFamily("marquee_ledger_commit_failures", "Transactions that failed", value=counters.failures)
        yield CounterMetricFamily("marquee_ledger_committed_records", "Records in them", value=counters.records)


class AuditCollector(Collector):
    """The audit log's size and how far its signature is behind, read when somebody scrapes."""

    def __init__(self, audit: KeptLog) -> None:
        self._audit = audit

    def collect(self) -> Iterator[Metric]:
        """All samples."""
        committer = self._audit.committer
        counters, size = committer.counters, committer.log.size
        signed = committer.log.head.checkpoint.size
        yield GaugeMetricFamily("marquee_audit_entries", "Entries of the log that are durable", value=size)
        yield GaugeMetricFamily("marquee_audit_checkpoint_entries", "Those in its newest checkpoint", value=signed)
        yield GaugeMetricFamily(
            "marquee_audit_unsigned_seconds",
            "How long the oldest entry that is in no checkpoint has waited",
            value=committer.behind_seconds,
        )
        yield GaugeMetricFamily(
            "marquee_audit_checkpoint_timestamp_seconds",
            "When a checkpoint was signed last since the start; 0: none was",
            value=counters.signed_at,
        )
        yield GaugeMetricFamily(
            "marquee_audit_cosigned_entries",
            "Entries in the newest checkpoint that witnesses have cosigned",
            value=self._audit.cosigned_size,
        )
        yield CounterMetricFamily("marquee_audit_appended", "Entries since the start", value=counters.entries)
        yield CounterMetricFamily("marquee_audit_groups", "Durable writes of them", value=counters.groups)
        yield CounterMetricFamily(
            "marquee_audit_failures", "Writes and checkpoints that failed", value=counters.failures
        )

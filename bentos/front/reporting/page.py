"""The reporter's families on the metrics page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from bentos.front.reporting.reporter import Reporter

_PREFIX = "marquee_predictor_report_"


class ReportPage(Collector):
    """Renders what became of the reports of one predictor."""

    def __init__(self, reporter: Reporter, labels: Mapping[str, str]) -> None:
        self._reporter = reporter
        self._names = list(labels)
        self._values = list(labels.values())

    def collect(self) -> Iterator[Metric]:
        """The families; called by the registry."""
        statistics = self._reporter.statistics
        kinds = [*self._names, "kind"]
        for name, text, counts in (
            ("sent", "Units and requests that the ledger has taken.", statistics.sent),
            ("spooled", "Units and requests that had to wait in the spool.", statistics.spooled),
        ):
            counter = CounterMetricFamily(_PREFIX + name, text, labels=kinds)
            for kind, count in counts.items():
                counter.add_metric([*self._values, kind], count)
            yield counter
        dropped = CounterMetricFamily(
            _PREFIX + "dropped", "Units and requests that the ledger will not see.", labels=[*kinds, "reason"]
        )
        for (kind, reason), count in statistics.dropped.items():
            dropped.add_metric([*self._values, kind, reason], count)
        yield dropped
        for name, text, value in (
            ("retries", "Batches that the ledger did not take at once.", statistics.retries),
            ("torn_files", "Files of the spool that were damaged.", statistics.torn_files),
        ):
            counter = CounterMetricFamily(_PREFIX + name, text, labels=self._names)
            counter.add_metric(self._values, value)
            yield counter
        yield from self._gauges()

    def _gauges(self) -> Iterator[Metric]:
        statistics = self._reporter.statistics
        for name, text, value in (
            ("buffered", "Exposures in memory.", self._reporter.counting.units + statistics.fresh_units),
            ("spool_batches", "Batches that wait for the ledger.", statistics.spool_batches),
            ("spool_bytes", "What they take of the spool.", statistics.spool_bytes),
            (
                "last_success_timestamp_seconds",
                "When the ledger last took a batch; 0: never.",
                statistics.last_success_seconds,
            ),
        ):
            gauge = GaugeMetricFamily(_PREFIX + name, text, labels=self._names)
            gauge.add_metric(self._values, value)
            yield gauge

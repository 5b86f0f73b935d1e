"""Retraining on the operator's metrics page: the runs in the models' status."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from marquee.control.observe.resources import Resources


class RetrainingCollector(Collector):
    """Reads what is there at scrape time; of a model there is one outcome, and as many figures as its gate has."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources

    def collect(self) -> Iterator[Metric]:
        """All samples."""
        names = ["namespace", "model"]
        running = GaugeMetricFamily("marquee_model_retraining_running", "Runs under way", labels=names)
        started = GaugeMetricFamily(
            "marquee_model_retraining_start_timestamp_seconds", "When the newest run started", labels=names
        )
        outcome = GaugeMetricFamily(
            "marquee_model_retraining_outcome", "1 for the outcome of the newest run", labels=[*names, "outcome"]
        )
        blocked = GaugeMetricFamily(
            "marquee_model_retraining_blocked", "1 while a broken feed blocks retraining", labels=names
        )
        compared = GaugeMetricFamily(
            "marquee_model_retraining_metric",
            "A metric of the gate in the newest comparison",
            labels=[*names, "metric", "of"],
        )
        for model in self._resources.models():
            status = model.status.retraining
            if status is None:
                continue
            labels = [model.metadata.namespace, model.metadata.name]
            running.add_metric(labels, sum(run.outcome == "" for run in status.runs))
            blocked.add_metric(labels, status.feed_blocked)
            if status.runs:
                started.add_metric(labels, datetime.fromisoformat(status.runs[0].started).timestamp())
            if status.outcome:
                outcome.add_metric([*labels, status.outcome], 1)
            for one in status.comparison:
                contenders = (("challenger", one.challenger), ("champion", one.champion), ("baseline", one.baseline))
                for of, value in contenders:
                    if value is not None:
                        compared.add_metric([*labels, one.metric, of], value)
        yield from (running, started, outcome, blocked, compared)

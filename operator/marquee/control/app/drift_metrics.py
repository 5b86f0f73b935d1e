"""Drift on the operator's metrics page: the verdicts in the models' status, and the reading of the ledger."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from marquee.control.ledger.drifting import DriftFollower
from marquee.control.observe.resources import Resources


class DriftCollector(Collector):
    """Reads what is there at scrape time; a model has one verdict and at most five suspects."""

    def __init__(self, resources: Resources, follower: DriftFollower) -> None:
        self._resources = resources
        self._follower = follower

    def collect(self) -> Iterator[Metric]:
        """All samples."""
        yield from self._models()
        counters = self._follower.counters
        yield GaugeMetricFamily(
            "marquee_drift_followed_models", "Models that are watched for drift", value=self._follower.followed
        )
        yield CounterMetricFamily("marquee_drift_reads", "Answers of the ledger", value=counters.reads)
        yield CounterMetricFamily("marquee_drift_verdicts", "Times that windows were judged", value=counters.verdicts)
        yield CounterMetricFamily(
            "marquee_drift_failures", "Windows that could not be read or judged", value=counters.failures
        )

    def _models(self) -> Iterator[Metric]:
        names = ["namespace", "model", "revision"]
        verdict = GaugeMetricFamily(
            "marquee_model_drift", "1 for a model's verdict on drift", labels=[*names, "verdict"]
        )
        window = GaugeMetricFamily(
            "marquee_model_drift_window_timestamp_seconds", "When the judged window began", labels=names
        )
        index = GaugeMetricFamily(
            "marquee_model_drift_stability_index",
            "Population stability index of the features that the verdict is about",
            labels=[*names, "feature"],
        )
        auc = GaugeMetricFamily(
            "marquee_model_estimated_auc",
            "Area under the score's curve if it is calibrated, of the judged window and of its baseline",
            labels=[*names, "of"],
        )
        for model in self._resources.models():
            drift = model.status.drift
            if drift is None or not drift.verdict:
                continue
            labels = [model.metadata.namespace, model.metadata.name, drift.revision]
            verdict.add_metric([*labels, drift.verdict], 1)
            if drift.window is not None:
                window.add_metric(labels, datetime.fromisoformat(drift.window).timestamp())
            for of, value in (("window", drift.estimated_auc), ("baseline", drift.usual_auc)):
                if value is not None:
                    auc.add_metric([*labels, of], value)
            for suspect in drift.suspects:
                index.add_metric([*labels, suspect.feature], suspect.stability_index)
        yield from (verdict, window, index, auc)

"""Realised performance on the operator's metrics page, from the models' status."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from marquee.control.observe.resources import Resources

_NAMES: Final = ("namespace", "model", "revision", "outcome")
_FIGURES: Final = {
    "promised_auc": ("marquee_model_promised_auc", "Area under the score's curve if it is calibrated"),
    "realised_auc": ("marquee_model_realised_auc", "Area under the score's curve by outcomes"),
    "realised_brier": ("marquee_model_realised_brier", "Mean squared difference of score and outcome"),
    "calibration_error": ("marquee_model_calibration_error", "Mean absolute difference of score and share over bins"),
    "calibration_gap": ("marquee_model_calibration_gap", "Outcomes above those promised, as a share of them"),
    "mean_error": ("marquee_model_mean_error", "Mean of value less score"),
    "root_mean_square_error": ("marquee_model_root_mean_square_error", "Of the score as a value's prediction"),
}
"""By field of the status; of the last measured window."""


class PerformanceCollector(Collector):
    """Reads what is there at scrape time."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources

    def collect(self) -> Iterator[Metric]:
        """All samples."""
        verdict = GaugeMetricFamily(
            "marquee_model_performance", "1 for a model's verdict on performance", labels=[*_NAMES, "verdict"]
        )
        window = GaugeMetricFamily(
            "marquee_model_performance_window_timestamp_seconds", "When the measured window began", labels=_NAMES
        )
        figures = {field: GaugeMetricFamily(*words, labels=_NAMES) for field, words in _FIGURES.items()}
        for model in self._resources.models():
            drift = model.status.drift
            found = drift.performance if drift is not None else None
            if drift is None or found is None:
                continue
            labels = [model.metadata.namespace, model.metadata.name, drift.revision, found.outcome]
            verdict.add_metric([*labels, found.verdict], 1)
            if found.window is not None:
                window.add_metric(labels, datetime.fromisoformat(found.window).timestamp())
            for field, family in figures.items():
                if (value := getattr(found, field)) is not None:
                    family.add_metric(labels, value)
        yield from (verdict, window, *figures.values())

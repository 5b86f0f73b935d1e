"""The explanations' families on the metrics page; requests and their durations are there already."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.registry import Collector

from bentos.front.explaining.beside import Explaining


class ExplainingPage(Collector):
    """Renders what was explained."""

    def __init__(self, explaining: Explaining, labels: Mapping[str, str]) -> None:
        self._explaining = explaining
        self._names = list(labels)
        self._values = list(labels.values())

    def collect(self) -> Iterator[Metric]:
        """The families; called by the registry."""
        for name, text, value in (
            ("explanations", "Explained rows.", self._explaining.rows),
            ("explanation_seconds", "Time spent on explanations, waiting for predictions included.",
             self._explaining.seconds),
        ):  # fmt: skip
            family = CounterMetricFamily(f"marquee_predictor_{name}", text, labels=self._names)
            family.add_metric(self._values, value)
            yield family

"""What predictions cost, from the price of the pod and its own count: the gauges are there when a price is."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from bentos.front.metrics import Metrics

_HOUR_SECONDS = 3_600.0


class CostPage(Collector):
    """Renders the cost of one pod's predictions since it was started.

    Args:
        metrics: counts the predictions.
        price: of the pod for an hour.
        currency: of the price.
        labels: of every family.
        clock: seconds that only grow.

    """

    def __init__(
        self,
        metrics: Metrics,
        *,
        price: float,
        currency: str,
        labels: Mapping[str, str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._metrics = metrics
        self._price = price
        self._labels = {**labels, "currency": currency}
        self._clock = clock
        self._started = clock()

    def collect(self) -> Iterator[Metric]:
        """The families; called by the registry. Without a prediction there is no cost of one."""
        yield self._gauge("marquee_predictor_cost_per_hour", "Price of the pod for an hour.", self._price)
        if self._metrics.predictions:
            spent = self._price * (self._clock() - self._started) / _HOUR_SECONDS
            yield self._gauge(
                "marquee_predictor_cost_per_thousand_predictions",
                "Price of the pod's life so far, by a thousand rows that it predicted.",
                spent / self._metrics.predictions * 1_000,
            )

    def _gauge(self, name: str, text: str, value: float) -> GaugeMetricFamily:
        family = GaugeMetricFamily(name, text, labels=list(self._labels))
        family.add_metric(list(self._labels.values()), value)
        return family

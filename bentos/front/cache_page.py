"""The prediction cache that the settings of a pod ask for, and its families on the metrics page."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from bentos.front.caching import PredictionCache
from bentos.front.predictor import Predictor
from bentos.front.settings import Settings

log = logging.getLogger(__name__)


def cache_of(settings: Settings, predictor: Predictor) -> PredictionCache | None:
    """A cache for a warmed-up model; None: nobody asked for one, or the model answers the same input differently."""
    if settings.prediction_cache_ttl_seconds is None:
        return None
    if not predictor.steady:
        log.warning("predictions are not cached: the model does not answer its own example twice in the same way")
        return None
    return PredictionCache(
        ttl_seconds=settings.prediction_cache_ttl_seconds, max_entries=settings.prediction_cache_max_entries
    )


class CachePage(Collector):
    """Renders what the cache did."""

    def __init__(self, cache: PredictionCache, labels: Mapping[str, str]) -> None:
        self._cache = cache
        self._names = list(labels)
        self._values = list(labels.values())

    def collect(self) -> Iterator[Metric]:
        """The families; called by the registry."""
        cache = self._cache
        requests = CounterMetricFamily(
            "marquee_predictor_cache_requests",
            "Requests by what the cache had for them; the hit ratio is hit / (hit + miss).",
            labels=[*self._names, "result"],
        )
        for result, count in (("hit", cache.hits), ("miss", cache.misses), ("bypass", cache.bypasses)):
            requests.add_metric([*self._values, result], count)
        yield requests
        removed = CounterMetricFamily(
            "marquee_predictor_cache_removed", "Entries that went.", labels=[*self._names, "reason"]
        )
        for reason, count in (("full", cache.evictions), ("expired", cache.expirations)):
            removed.add_metric([*self._values, reason], count)
        yield removed
        entries = GaugeMetricFamily("marquee_predictor_cache_entries", "Entries.", labels=self._names)
        entries.add_metric(self._values, len(cache))
        yield entries

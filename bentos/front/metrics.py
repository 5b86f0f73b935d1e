"""Counters of the hot path: plain integers in fixed lists, turned into Prometheus' text only when scraped."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Final, Literal

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from bentos.front.columns import ERROR_KINDS
from bentos.front.schema import FieldError
from marquee.contract.pod import HEADER_BUCKET, HEADER_COHORT

Endpoint = Literal["predict", "infer", "explain", "probe", "health", "metadata", "service", "unknown"]
ENDPOINTS: Final[tuple[Endpoint, ...]] = (
    "predict", "infer", "explain", "probe", "health", "metadata", "service", "unknown"
)  # fmt: skip
"""``service`` is everything that falls through to the BentoML service, ``unknown`` what nobody serves."""

IGNORED_HEADERS: Final = (
    (HEADER_COHORT, "invalid"), (HEADER_BUCKET, "invalid"), (HEADER_BUCKET, "contradicts-unit")
)  # fmt: skip
"""Headers that do not stop a prediction, with what was wrong with them."""

SHED_REASONS: Final = ("queue", "model", "deadline", "gone")
"""``queue``: too many waited for the event loop; ``model``: for the model's thread; ``deadline``: its own was over;
``gone``: its client left while it waited."""

STATUS_CLASSES: Final = ("1xx", "2xx", "3xx", "4xx", "5xx")
_SERVER_ERRORS: Final = STATUS_CLASSES.index("5xx")
BUCKETS_SECONDS: Final = (
    0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0
)  # fmt: skip
_BUCKETS_NANOSECONDS: Final = tuple(round(bound * 1e9) for bound in BUCKETS_SECONDS)


class _Timings:
    """A latency histogram: one more count than bounds."""

    def __init__(self) -> None:
        self.counts = [0] * (len(BUCKETS_SECONDS) + 1)
        self.nanoseconds = 0


class Metrics:
    """What one front counted since it started."""

    def __init__(self) -> None:
        self.requests = {endpoint: [0] * len(STATUS_CLASSES) for endpoint in ENDPOINTS}
        self.timings = {endpoint: _Timings() for endpoint in ENDPOINTS}
        self.validation_errors = dict.fromkeys(ERROR_KINDS, 0)
        self.ignored_headers = dict.fromkeys(IGNORED_HEADERS, 0)
        self.shed = dict.fromkeys(SHED_REASONS, 0)
        self.predictions = 0
        self.in_flight = 0
        self.ready = False

    def observe(self, endpoint: Endpoint, status: int, nanoseconds: int) -> None:
        """Count one answered request."""
        self.requests[endpoint][status // 100 - 1] += 1
        timings = self.timings[endpoint]
        timings.counts[bisect_left(_BUCKETS_NANOSECONDS, nanoseconds)] += 1
        timings.nanoseconds += nanoseconds

    def observe_turned_away(self, endpoint: Endpoint) -> None:
        """Count a request that was turned away. It says nothing of how long an answer takes."""
        self.requests[endpoint][_SERVER_ERRORS] += 1

    def count_errors(self, errors: Sequence[FieldError]) -> None:
        """Count the errors of one refused request by kind."""
        for error in errors:
            self.validation_errors[error.kind] += 1

    def ignore_header(self, header: str, reason: str) -> None:
        """Count a header that was not used; both are of `IGNORED_HEADERS`."""
        self.ignored_headers[header, reason] += 1


class MetricsPage(Collector):
    """Renders `Metrics`, and those of the process, in Prometheus' text format."""

    def __init__(self, metrics: Metrics, *, model: str, revision: str, namespace: str) -> None:
        self._metrics = metrics
        self.labels = {"model": model, "revision": revision, "namespace": namespace}
        self._info: dict[str, str] = {}
        self._refreshes: list[Callable[[], Awaitable[None]]] = []
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)
        ProcessCollector(registry=self._registry)

    def describe_model(self, *, digest: str, flavour: str) -> None:
        """Name the artifact that is served."""
        self._info = {"artifact_digest": digest, "flavour": flavour}

    def add(self, collector: Collector, *, refresh: Callable[[], Awaitable[None]] | None = None) -> None:
        """Show more families; ``refresh`` is awaited before they are collected."""
        self._registry.register(collector)
        if refresh is not None:
            self._refreshes.append(refresh)

    async def scraped(self) -> bytes:
        """The page, once everything on it is as new as it can be."""
        for refresh in self._refreshes:
            await refresh()
        return self.render()

    def render(self) -> bytes:
        """The page as it is."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """The families of this front; called by the registry."""
        names, values = list(self.labels), list(self.labels.values())
        yield self._requests(names, values)
        yield self._durations(names, values)
        errors = CounterMetricFamily(
            "marquee_predictor_validation_errors", "Input errors by kind.", labels=[*names, "kind"]
        )
        for kind, count in self._metrics.validation_errors.items():
            errors.add_metric([*values, kind], count)
        yield errors
        ignored = CounterMetricFamily(
            "marquee_predictor_ignored_headers", "Headers that could not be used.", labels=[*names, "header", "reason"]
        )
        for (header, reason), count in self._metrics.ignored_headers.items():
            ignored.add_metric([*values, header, reason], count)
        yield ignored
        shed = CounterMetricFamily(
            "marquee_predictor_shed_requests",
            "Requests turned away to keep the others in time.",
            labels=[*names, "reason"],
        )
        for reason, count in self._metrics.shed.items():
            shed.add_metric([*values, reason], count)
        yield shed
        predictions = CounterMetricFamily("marquee_predictor_predictions", "Predicted rows.", labels=names)
        predictions.add_metric(values, self._metrics.predictions)
        yield predictions
        for name, text, value in (
            ("in_flight", "Requests being answered.", self._metrics.in_flight),
            ("ready", "1 while the pod is ready.", int(self._metrics.ready)),
        ):
            gauge = GaugeMetricFamily(f"marquee_predictor_{name}", text, labels=names)
            gauge.add_metric(values, value)
            yield gauge
        if self._info:
            info = InfoMetricFamily("marquee_predictor_model", "What is served.", labels=names)
            info.add_metric(values, self._info)
            yield info

    def _requests(self, names: list[str], values: list[str]) -> Metric:
        family = CounterMetricFamily(
            "marquee_predictor_requests", "Answered requests.", labels=[*names, "endpoint", "status"]
        )
        for endpoint, counts in self._metrics.requests.items():
            for status_class, count in zip(STATUS_CLASSES, counts, strict=True):
                if count or status_class in ("2xx", "5xx"):
                    family.add_metric([*values, endpoint, status_class], count)
        return family

    def _durations(self, names: list[str], values: list[str]) -> Metric:
        family = HistogramMetricFamily(
            "marquee_predictor_request_duration_seconds",
            "From the request's head to the end of the answer.",
            labels=[*names, "endpoint"],
        )
        for endpoint, timings in self._metrics.timings.items():
            if not any(timings.counts):
                continue
            total, buckets = 0, []
            for bound, count in zip((*map(str, BUCKETS_SECONDS), "+Inf"), timings.counts, strict=True):
                total += count
                buckets.append((bound, total))
            family.add_metric([*values, endpoint], buckets, sum_value=timings.nanoseconds / 1e9)
        return family

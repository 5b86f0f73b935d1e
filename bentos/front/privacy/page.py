"""The guard's families on the metrics page."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from bentos.front.privacy.consent import SignedPurposes
from bentos.front.privacy.guarding import Guard
from bentos.front.privacy.tokens import FLAWS


class PrivacyPage(Collector):
    """Renders whom the model was not asked about, and what is known of the suppressed."""

    def __init__(self, guard: Guard, labels: Mapping[str, str]) -> None:
        self._guard = guard
        self._names = list(labels)
        self._values = list(labels.values())

    def collect(self) -> Iterator[Metric]:
        """The families; called by the registry."""
        withheld = CounterMetricFamily(
            "marquee_predictor_withheld", "Requests that the model was not asked for.", labels=[*self._names, "reason"]
        )
        for reason, count in self._guard.withheld.items():
            withheld.add_metric([*self._values, reason], count)
        yield withheld
        if isinstance(self._guard.consent, SignedPurposes):
            refused = CounterMetricFamily(
                "marquee_predictor_purpose_tokens_refused", "Purpose tokens that prove nothing.",
                labels=[*self._names, "flaw"],
            )  # fmt: skip
            for flaw in FLAWS:
                refused.add_metric([*self._values, flaw], self._guard.consent.refused[flaw])
            yield refused
        yield from self._suppressions()

    def _suppressions(self) -> Iterator[Metric]:
        known = self._guard.suppressions
        if known is None:
            return
        for name, text, value in (
            ("known", "1 once the list of suppressed subjects was read.", float(known.known)),
            ("subjects", "Subjects on the list as it is known.", float(len(known))),
            ("read_timestamp_seconds", "When the ledger was last heard about it; 0: never.", known.read_at),
        ):
            gauge = GaugeMetricFamily(f"marquee_predictor_suppressions_{name}", text, labels=self._names)
            gauge.add_metric(self._values, value)
            yield gauge

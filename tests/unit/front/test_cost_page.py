"""What predictions cost."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from bentos.front.cost_page import CostPage
from bentos.front.metrics import Metrics, MetricsPage


def test_the_cost_of_a_thousand_predictions_is_that_of_the_pods_life() -> None:
    """Half an hour at 3 EUR an hour over 6,000 rows; before the first of them there is no such figure."""
    now = [100.0]
    metrics = Metrics()
    page = MetricsPage(metrics, model="m", revision="r", namespace="n")
    page.add(CostPage(metrics, price=3.0, currency="EUR", labels=page.labels, clock=lambda: now[0]))

    def shown() -> dict[str, float]:
        return {
            sample.name.removeprefix("marquee_predictor_cost_"): sample.value
            for family in text_string_to_metric_families(page.render().decode())
            for sample in family.samples
            if sample.labels.get("currency") == "EUR" and sample.labels["model"] == "m"
        }

    assert shown() == {"per_hour": 3.0}
    now[0] += 1_800
    metrics.predictions = 6_000
    assert shown() == {"per_hour": 3.0, "per_thousand_predictions": 0.25}

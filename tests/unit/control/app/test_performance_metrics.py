"""Realised performance on the metrics page."""

from __future__ import annotations

from prometheus_client.exposition import generate_latest
from prometheus_client.registry import CollectorRegistry

from marquee.control.app.performance_metrics import PerformanceCollector
from marquee.control.observe.resources import Resources
from tests.support import samples


def test_what_was_measured_is_shown() -> None:
    """Of models that are measured; the others have no sample."""
    resources = Resources()
    measured = {
        "verdict": "ConceptDrift",
        "outcome": "buy",
        "window": "2026-11-27T00:00:00Z",
        "promisedAuc": 0.8,
        "realisedAuc": 0.7,
        "realisedBrier": 0.1,
        "calibrationError": 0.02,
        "calibrationGap": -0.3,
    }
    for name, performance in (("churn", measured), ("lead", None)):
        body = samples.model(name, revision=f"{name}-1")
        body["metadata"] |= {"namespace": "crm", "uid": name, "resourceVersion": "1"}
        drift = {"revision": f"{name}-1", "verdict": "Stable"}
        body["status"] = {"drift": drift | ({"performance": performance} if performance else {})}
        resources.put_model(body)
    registry = CollectorRegistry()
    registry.register(PerformanceCollector(resources))
    lines = {line for line in generate_latest(registry).decode().splitlines() if not line.startswith("#")}
    who = 'model="churn",namespace="crm",outcome="buy",revision="churn-1"'
    assert lines == {
        f'marquee_model_performance{{{who},verdict="ConceptDrift"}} 1.0',
        f"marquee_model_performance_window_timestamp_seconds{{{who}}} 1.7957376e+09",
        f"marquee_model_promised_auc{{{who}}} 0.8",
        f"marquee_model_realised_auc{{{who}}} 0.7",
        f"marquee_model_realised_brier{{{who}}} 0.1",
        f"marquee_model_calibration_error{{{who}}} 0.02",
        f"marquee_model_calibration_gap{{{who}}} -0.3",
    }

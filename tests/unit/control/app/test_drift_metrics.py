"""Drift on the metrics page."""

from __future__ import annotations

from prometheus_client.exposition import generate_latest
from prometheus_client.registry import CollectorRegistry

from marquee.api.drift import Drift
from marquee.contract.drift import DriftReply
from marquee.control.app.drift_metrics import DriftCollector
from marquee.control.ledger.drifting import DriftFollower
from marquee.control.observe.resources import Resources
from tests.support import samples


async def _nothing(_: str, __: str, ___: Drift, *, etag: str = "") -> tuple[DriftReply, str] | None:  # noqa: ARG001
    return None


def test_verdicts_windows_and_suspects_are_shown() -> None:
    """Of models that have a verdict; the others have no sample."""
    resources = Resources()
    status = {
        "revision": "churn-1",
        "verdict": "Investigate",
        "window": "2026-11-27T00:00:00Z",
        "estimatedAuc": 0.75,
        "usualAuc": 0.8,
        "suspects": [{"feature": "age", "stabilityIndex": 0.02, "pValue": 1e-6}],
    }
    for name, drift in (("churn", status), ("lead", None), ("value", {"revision": "value-1"})):
        body = samples.model(name, revision=f"{name}-1")
        body["metadata"] |= {"namespace": "crm", "uid": name, "resourceVersion": "1"}
        body["status"] = {"drift": drift} if drift else {}
        resources.put_model(body)
    registry = CollectorRegistry()
    registry.register(DriftCollector(resources, DriftFollower(_nothing, lambda _: None)))
    lines = {line for line in generate_latest(registry).decode().splitlines() if not line.startswith("#")}
    who = 'model="churn",namespace="crm",revision="churn-1"'
    assert lines == {
        f'marquee_model_drift{{{who},verdict="Investigate"}} 1.0',
        f"marquee_model_drift_window_timestamp_seconds{{{who}}} 1.7957376e+09",
        'marquee_model_drift_stability_index{feature="age",' + who + "} 0.02",
        'marquee_model_estimated_auc{model="churn",namespace="crm",of="window",revision="churn-1"} 0.75',
        'marquee_model_estimated_auc{model="churn",namespace="crm",of="baseline",revision="churn-1"} 0.8',
        "marquee_drift_followed_models 0.0",
        "marquee_drift_reads_total 0.0",
        "marquee_drift_verdicts_total 0.0",
        "marquee_drift_failures_total 0.0",
    }

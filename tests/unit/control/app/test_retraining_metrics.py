"""Retraining on the metrics page."""

from __future__ import annotations

from prometheus_client.exposition import generate_latest
from prometheus_client.registry import CollectorRegistry

from marquee.control.app.retraining_metrics import RetrainingCollector
from marquee.control.observe.resources import Resources
from tests.support import samples


def test_runs_outcome_and_figures_are_shown() -> None:
    """Of models that may be trained again; the others have no sample."""
    resources = Resources()
    run = {"name": "churn-a", "trigger": "Drift", "asked": "churn-1/1", "started": "2026-11-27T00:00:00Z"}
    status = {
        "since": "2026-11-01T00:00:00Z",
        "outcome": "WorseThanChampion",
        "feedBlocked": True,
        "runs": [run, run | {"name": "churn-b", "outcome": "WorseThanChampion"}],
        "comparison": [{"metric": "auc", "challenger": 0.7, "champion": 0.8}],
    }
    for name, retraining in (("churn", status), ("lead", None)):
        body = samples.model(name, revision=f"{name}-1")
        body["metadata"] |= {"namespace": "crm", "uid": name, "resourceVersion": "1"}
        body["status"] = {"retraining": retraining} if retraining else {}
        resources.put_model(body)
    registry = CollectorRegistry()
    registry.register(RetrainingCollector(resources))
    lines = {line for line in generate_latest(registry).decode().splitlines() if not line.startswith("#")}
    who = 'model="churn",namespace="crm"'
    assert lines == {
        f"marquee_model_retraining_running{{{who}}} 1.0",
        f"marquee_model_retraining_start_timestamp_seconds{{{who}}} 1.7957376e+09",
        f'marquee_model_retraining_outcome{{{who},outcome="WorseThanChampion"}} 1.0',
        f"marquee_model_retraining_blocked{{{who}}} 1.0",
        'marquee_model_retraining_metric{metric="auc",model="churn",namespace="crm",of="challenger"} 0.7',
        'marquee_model_retraining_metric{metric="auc",model="churn",namespace="crm",of="champion"} 0.8',
    }

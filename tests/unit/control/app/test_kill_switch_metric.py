"""The metric of the kill switch: one sample for each model where it is engaged."""

from __future__ import annotations

from typing import Any

from prometheus_client import CollectorRegistry, generate_latest

from marquee.contract.holding import ANNOTATION_KILL, Hold
from marquee.control.app.metrics import OperatorCollector
from marquee.control.observe.resources import Resources
from marquee.control.runtime.queue import WorkQueue
from marquee.control.snapshot import ModelKey
from tests.support import samples


def model(name: str, **metadata: Any) -> dict[str, Any]:
    """One that the API server has."""
    body = samples.model(name, revision=f"{name}-1", namespace="crm")
    body["metadata"] |= {"uid": f"uid-{name}", "resourceVersion": "1", "generation": 1} | metadata
    return body


def test_it_tells_which_models_are_killed_and_whether_they_have_halted() -> None:
    """By the spec or by a person; those where it is lifted have none."""
    resources = Resources()
    by_spec = model("spec")
    by_spec["spec"]["killSwitch"] = {"engaged": True}
    condition = {"type": "SafeState", "status": "True", "reason": "KillSwitch", "message": "", "observedGeneration": 1}
    by_spec["status"] = {"conditions": [condition | {"lastTransitionTime": "2026-11-22T12:00:00Z"}]}
    resources.put_model(by_spec)
    resources.put_model(model("person", annotations={ANNOTATION_KILL: Hold(on=True).to_text()}))
    resources.put_model(model("lifted", annotations={ANNOTATION_KILL: Hold(on=False).to_text()}))

    registry = CollectorRegistry()
    registry.register(OperatorCollector(resources, WorkQueue[ModelKey]()))
    found = {line for line in generate_latest(registry).decode().splitlines() if line.startswith("marquee_kill")}
    assert found == {
        'marquee_kill_switch_engaged{model="spec",namespace="crm",safe="true"} 1.0',
        'marquee_kill_switch_engaged{model="person",namespace="crm",safe="false"} 1.0',
    }

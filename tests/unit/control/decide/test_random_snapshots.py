"""Snapshots that no story would lead to: half-written, contradictory, edited by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from marquee.api.marketing_model import MarketingModelStatus, Phase
from marquee.control.decide import decide
from marquee.control.kinds import DEPLOYMENT
from marquee.control.snapshot import Defaults, PodState, ProbeResult, Snapshot
from tests.support.examples import examples
from tests.unit.control.builders import NOW, Arm, Switched, a_pod, a_revision, snapshot

NAMES = ("churn-1", "churn-2", "churn-3")
REVISIONS = st.sampled_from(NAMES)
TEXTS = st.one_of(st.just(""), st.text(max_size=40), st.just("long " * 900))
WAITING = st.sampled_from(["", "ContainerCreating", "ImagePullBackOff", "CreateContainerConfigError", "Unknown"])


@st.composite
def pods(draw: st.DrawFn, revision: str, index: int) -> PodState:
    """One pod in any condition."""
    return a_pod(
        revision,
        index,
        ready=draw(st.booleans()),
        deleting=draw(st.booleans()),
        restarts=draw(st.integers(0, 5)),
        created=draw(st.sampled_from(["", "2024-11-22T11:00:00Z", "2024-11-22T11:30:00Z"])),
        template=draw(st.sampled_from(["a", "b"])),
        ip=draw(st.sampled_from(["", "198.18.0.7", "fd00::7"])),
        waiting_reason=draw(WAITING),
        waiting_message=draw(TEXTS),
        termination_reason=draw(st.sampled_from(["", "Error", "OOMKilled"])),
        termination_message=draw(TEXTS),
        unschedulable=draw(TEXTS),
    )


@st.composite
def arms(draw: st.DrawFn, revision: str) -> Arm:
    """A Deployment whose numbers need not fit together."""
    return Arm(
        replicas=draw(st.integers(0, 4)),
        ready=draw(st.integers(0, 4)),
        updated=draw(st.integers(0, 4)),
        surplus=draw(st.integers(0, 2)),
        observed=draw(st.booleans()),
        deleting=draw(st.booleans()),
        deadline_exceeded=draw(st.booleans()),
        creation_failure=draw(TEXTS),
        pods=tuple(draw(pods(revision, index)) for index in range(draw(st.integers(0, 3)))),
    )


@st.composite
def snapshots(draw: st.DrawFn) -> Snapshot:
    """Anything that the caches might hold."""
    scaling: dict[str, Any] = {
        "class": draw(st.sampled_from(["None", "HPA", "KEDA", "External"])),
        "minReplicas": draw(st.integers(1, 3)),
        "maxReplicas": 4,
    }
    labels = {"stage": "production"}
    observed = snapshot(
        wanted=draw(st.sampled_from([*NAMES, "churn-missing"])),
        track=draw(st.sampled_from([None, labels, {"stage": "nowhere"}])),
        revisions=tuple(
            a_revision(name, labels=draw(st.sampled_from([{}, labels])))
            for name in draw(st.lists(REVISIONS, unique=True))
        ),
        serving=draw(st.none() | REVISIONS),
        proven=draw(st.none() | REVISIONS),
        arms={name: draw(arms(name)) for name in draw(st.lists(REVISIONS, unique=True))},
        probe=draw(st.none() | st.builds(ProbeResult, st.sampled_from([f"pod-{name}-0" for name in NAMES]),
                                         st.booleans(), TEXTS, st.just(NOW))),
        switched=draw(st.none() | st.builds(Switched, REVISIONS, st.integers(-100, 100))),
        service_deleting=draw(st.booleans()),
        defaults=Defaults(predictor_image=draw(st.sampled_from(["a", "b"]))),
        spec_error=draw(TEXTS),
        scaling=scaling,
    )  # fmt: skip
    kept = tuple(child for child in observed.children if draw(st.booleans()))
    return replace(observed, children=kept)


@given(snapshots())
@settings(max_examples=examples(80))
def test_any_snapshot_has_a_decision_that_keeps_the_promises(observed: Snapshot) -> None:
    """Nothing raises, nothing that serves or is wanted goes, a blocked model is left alone, and the status fits."""
    plan = decide(observed)
    assert decide(observed) == plan
    status = plan.status.model_dump(mode="json", by_alias=True, exclude_none=True)
    assert MarketingModelStatus.model_validate(status) == plan.status
    assert all(len(notice.note) <= 1024 for notice in plan.notices)
    writes = [apply.manifest["metadata"]["name"] for apply in plan.applies if apply.kind == DEPLOYMENT]
    deleted = {delete.name for delete in plan.deletes if delete.kind == DEPLOYMENT}
    assert len(writes) == len(set(writes))
    assert not deleted & {*writes, *(scale.name for scale in plan.scales)}
    assert deleted <= {state.child.name for state in observed.deployments if not state.child.deleting}
    if plan.status.phase is Phase.BLOCKED:
        assert (plan.applies, plan.scales, plan.probe, plan.deletes) == ((), (), None, ())
    if plan.probe is not None:
        probed = next(pod for pod in observed.pods if pod.uid == plan.probe.pod_uid)
        assert probed.ready
        assert not probed.deleting
        assert plan.probe.revision == probed.revision
    if plan.requeue_after_seconds is not None:
        assert plan.requeue_after_seconds > 0

"""How many pods a revision gets, and who says so."""

from __future__ import annotations

from typing import Any

import pytest

from marquee.api.marketing_model import Phase
from marquee.control.decide import decide
from marquee.control.snapshot import Snapshot
from tests.unit.control.builders import READY, STARTING, Arm, a_probe, snapshot

HPA = {"class": "HPA", "minReplicas": 2, "maxReplicas": 9}
EXTERNAL = {"class": "External", "minReplicas": 2}
NONE = {"class": "None", "minReplicas": 2}


def _scales(observed: Snapshot) -> list[tuple[str, int]]:
    return [(scale.name, scale.replicas) for scale in decide(observed).scales]


@pytest.mark.parametrize("scaling", [NONE, HPA, EXTERNAL], ids=lambda scaling: scaling["class"])
def test_a_first_revision_starts_with_the_minimum(scaling: dict[str, Any]) -> None:
    """Whoever scales later, the first pods are minReplicas; the number follows the apply, which leaves it out."""
    observed = snapshot(wanted="churn-1", scaling=scaling)
    assert _scales(observed) == [("churn-1", 2)]
    deployments = [apply.manifest for apply in decide(observed).applies if apply.kind.kind == "Deployment"]
    assert ["replicas" in manifest["spec"] for manifest in deployments] == [False]


def test_one_replica_needs_no_write() -> None:
    """A new Deployment has one pod without being asked."""
    assert _scales(snapshot(wanted="churn-1")) == []


@pytest.mark.parametrize(("current", "expected"), [(1, [("churn-1", 2)]), (2, []), (7, [("churn-1", 2)])])
def test_class_none_means_exactly_the_minimum(current: int, expected: list[tuple[str, int]]) -> None:
    """Without a scaler the number in the spec is the number of pods; a change by hand is undone."""
    observed = snapshot(wanted="churn-1", stable="churn-1", arms={"churn-1": Arm(replicas=current)}, scaling=NONE)
    assert _scales(observed) == expected


@pytest.mark.parametrize("scaling", [HPA, EXTERNAL], ids=lambda scaling: scaling["class"])
@pytest.mark.parametrize("current", [1, 2, 7])
def test_what_a_scaler_has_set_stays(scaling: dict[str, Any], current: int) -> None:
    """The number of a serving revision belongs to its scaler, also below the minimum."""
    observed = snapshot(wanted="churn-1", stable="churn-1", arms={"churn-1": Arm(replicas=current)}, scaling=scaling)
    assert _scales(observed) == []
    assert decide(observed).status.phase is Phase.SERVING


@pytest.mark.parametrize("scaling", [HPA, EXTERNAL], ids=lambda scaling: scaling["class"])
@pytest.mark.parametrize(("stable", "expected"), [(1, 2), (2, 2), (7, 7)])
def test_a_newcomer_gets_what_stable_has(scaling: dict[str, Any], stable: int, expected: int) -> None:
    """The load of seven pods is not given to two."""
    arms = {"churn-1": Arm(replicas=stable), "churn-2": STARTING}
    assert _scales(snapshot(wanted="churn-2", stable="churn-1", arms=arms, scaling=scaling)) == [("churn-2", expected)]


def test_a_newcomer_with_too_few_pods_is_not_ready() -> None:
    """While stable is scaled up, the newcomer follows before it takes over."""
    arms = {"churn-1": Arm(replicas=7), "churn-2": Arm(replicas=3)}
    observed = snapshot(
        wanted="churn-2", stable="churn-1", arms=arms, scaling=HPA, probe=a_probe("churn-2", passed=True)
    )
    plan = decide(observed)
    assert plan.status.phase is Phase.PREPARING
    assert _scales(observed) == [("churn-2", 7)]


@pytest.mark.parametrize("scaling", [HPA, EXTERNAL], ids=lambda scaling: scaling["class"])
def test_who_took_over_is_not_scaled_down_by_a_restart(scaling: dict[str, Any]) -> None:
    """Between the switch and the status the operator knows only from memory that the newcomer is proven.

    Restarted there, it must not send seven pods' load to two.
    """
    arms = {"churn-1": Arm(replicas=7), "churn-2": Arm(replicas=7)}
    observed = snapshot(wanted="churn-2", serving="churn-2", proven="churn-1", arms=arms, scaling=scaling)
    assert _scales(observed) == []


def test_a_first_revision_whose_scaling_was_lost_gets_its_minimum() -> None:
    """The operator died between creating the Deployment and scaling it: the minimum still comes."""
    observed = snapshot(wanted="churn-1", serving="churn-1", arms={"churn-1": READY}, scaling=EXTERNAL)
    assert _scales(observed) == [("churn-1", 2)]


@pytest.mark.parametrize("scaling", [NONE, HPA, EXTERNAL], ids=lambda scaling: scaling["class"])
def test_stable_is_not_scaled_during_a_rollout(scaling: dict[str, Any]) -> None:
    """A new minimum reaches users with the newcomer."""
    arms = {"churn-1": READY, "churn-2": Arm(replicas=2, ready=0)}
    assert _scales(snapshot(wanted="churn-2", stable="churn-1", arms=arms, scaling=scaling)) == []


def test_scaled_to_zero_by_somebody_else_is_told() -> None:
    """With no pod there is no service, whoever decided so."""
    observed = snapshot(wanted="churn-1", stable="churn-1", arms={"churn-1": Arm(replicas=0)}, scaling=EXTERNAL)
    plan = decide(observed)
    assert plan.scales == ()
    assert plan.status.conditions[0].reason == "StableUnavailable"


def test_the_status_tells_the_pods_of_who_serves() -> None:
    """The scale subresource reads status.replicas, and status.selector for the pods."""
    observed = snapshot(wanted="churn-1", stable="churn-1", arms={"churn-1": Arm(replicas=7)}, scaling=EXTERNAL)
    status = decide(observed).status
    assert status.replicas == 7
    assert status.stable is not None
    assert (status.stable.replicas, status.stable.ready_replicas) == (7, 7)
    assert status.selector == "marquee.dev/model=churn"

"""Models that KEDA scales: one writer of each number, and both arms of a rollout by their share."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

import pytest

from marquee.api.marketing_model import Phase
from marquee.control.decide import decide
from marquee.control.decide.plan import Plan
from marquee.control.kinds import HORIZONTAL_POD_AUTOSCALER, SCALED_OBJECT
from marquee.control.snapshot import Keda, Snapshot
from tests.unit.control.builders import READY, Arm, a_probe, a_scaled_object, snapshot
from tests.unit.control.ramps import BOTH, CANARY, GOOD, GOOD_LAST, HARM, NOT_READ, STABLE, UNDECIDED, Ramp, ramp

SOURCE: Final = Keda("http://operator:8081/demand", "marquee-demand")
SCALING: Final[dict[str, Any]] = {"class": "KEDA", "minReplicas": 2, "maxReplicas": 20, "requestsPerSecond": 50}
NIGHTLY: Final[dict[str, Any]] = {
    "class": "KEDA",
    "minReplicas": 0,
    "maxReplicas": 20,
    "schedule": [{"start": "0 8 * * *", "end": "0 20 * * *", "minReplicas": 5}],
}
OTHERS: Final[list[dict[str, Any]]] = [
    {"class": "None"},
    {"class": "HPA", "maxReplicas": 4},
    {"class": "External"},
]


def _scales(plan: Plan) -> list[tuple[str, int]]:
    return [(scale.name, scale.replicas) for scale in plan.scales]


def _floors(plan: Plan) -> dict[str, int]:
    """The ScaledObjects that are written, with their minimum."""
    return {
        apply.manifest["metadata"]["name"]: apply.manifest["spec"]["minReplicaCount"]
        for apply in plan.applies
        if apply.kind == SCALED_OBJECT
    }


def _deleted(plan: Plan) -> list[tuple[str, str]]:
    return [(delete.kind.kind, delete.name) for delete in plan.deletes]


def _autoscaler(plan: Plan) -> tuple[str, str, str]:
    """Status, reason and message of the condition; empty words when there is none."""
    found = [(c.status, c.reason, c.message) for c in plan.status.conditions if c.type == "AutoscalerReady"]
    return found[0] if found else ("", "", "")


def _alone(pods: int = 3, scaling: dict[str, Any] = SCALING, keda: Keda | None = SOURCE, **rest: Any) -> Snapshot:
    return snapshot(stable="churn-1", arms={"churn-1": Arm(replicas=pods)}, scaling=scaling, keda=keda, **rest)


def test_a_first_revision_starts_with_the_minimum_and_is_handed_over() -> None:
    """The operator writes the first number; the ScaledObject keeps it, until a probe has passed, above zero."""
    plan = decide(snapshot(scaling=SCALING, keda=SOURCE))
    assert (_scales(plan), _floors(plan)) == ([("churn-1", 2)], {"churn-1": 2})
    plan = decide(snapshot(scaling=NIGHTLY, keda=SOURCE))
    assert (_scales(plan), _floors(plan)) == ([], {"churn-1": 1})


@pytest.mark.parametrize("pods", [1, 2, 7, 20])
def test_what_keda_has_set_stays(pods: int) -> None:
    """The number of a serving revision is KEDA's, also outside of the bounds: it will see to them."""
    plan = decide(_alone(pods))
    assert (plan.scales, plan.applies, plan.deletes) == ((), (), ())
    assert (plan.status.phase, _autoscaler(plan)) == (
        Phase.SERVING,
        ("True", "Autoscaling", "KEDA scales revision churn-1"),
    )


class TestWithoutKeda:
    """The cluster does not serve ScaledObjects."""

    def test_the_minimum_is_seen_to_and_the_reason_told(self) -> None:
        """The model serves all the same; a condition of its own says what is missing and what to do."""
        plan = decide(_alone(1, keda=None))
        assert (_scales(plan), _floors(plan)) == ([("churn-1", 2)], {})
        status, reason, message = _autoscaler(plan)
        assert (status, reason) == ("False", "KedaUnavailable")
        assert "keeps at least 2 pods" in message
        assert "install KEDA" in message
        assert decide(_alone(2, keda=None)).status.conditions[0].status == "True"

    def test_it_is_looked_for_again(self) -> None:
        """No event tells that a kind was installed."""
        assert decide(_alone(2, keda=None)).requeue_after_seconds == 30

    def test_more_than_the_minimum_stays(self) -> None:
        """Somebody removed KEDA under load: what it had set is not taken away."""
        assert _scales(decide(_alone(9, keda=None))) == []

    def test_nobody_sleeps(self) -> None:
        """Without KEDA nothing would wake a model without pods."""
        plan = decide(_alone(0, NIGHTLY, keda=None))
        assert _scales(plan) == [("churn-1", 1)]
        assert plan.status.phase is Phase.PREPARING


def test_a_sleeper_is_woken_for_a_scaler_that_rests_at_none() -> None:
    """A HorizontalPodAutoscaler never raises what KEDA has brought down to no pod; External does what it likes."""
    assert _scales(decide(_alone(pods=0, scaling={"class": "HPA", "minReplicas": 2, "maxReplicas": 4}))) == [
        ("churn-1", 2)
    ]
    assert _scales(decide(_alone(pods=0, scaling={"class": "External"}))) == []


def test_requests_without_a_source_are_told() -> None:
    """An operator that runs outside of the chart has no address: what else there is to go by still works."""
    plan = decide(_alone(2, SCALING | {"cpuUtilizationPercent": 60}, Keda()))
    assert _autoscaler(plan)[1] == "DemandUnavailable"
    assert [trigger["type"] for trigger in _triggers(decide(snapshot(scaling=NIGHTLY | SCALING, keda=Keda())))] == [
        "cron"
    ]
    plan = decide(_alone(1, keda=Keda()))
    assert (_scales(plan), _floors(plan)) == ([("churn-1", 2)], {})


def _triggers(plan: Plan) -> list[dict[str, Any]]:
    (applied,) = [apply.manifest for apply in plan.applies if apply.kind == SCALED_OBJECT]
    triggers: list[dict[str, Any]] = applied["spec"]["triggers"]
    return triggers


@pytest.mark.parametrize(
    ("trouble", "reason", "words"),
    [
        (None, "AutoscalerPending", "does its operator run?"),
        ("TriggerError unable to load timezone", "AutoscalerFailing", "TriggerError unable to load timezone; see"),
    ],
)
def test_what_keda_says_is_told(trouble: str | None, reason: str, words: str) -> None:
    """Its silence and its errors are the model's condition, in its words, with the command that shows more."""
    observed = _alone()
    observed = replace(observed, scaled_objects=(a_scaled_object(observed.model, "churn-1", SOURCE, trouble=trouble),))
    plan = decide(observed)
    status, told, message = _autoscaler(plan)
    assert (status, told, words in message) == ("False", reason, True), message
    assert plan.status.conditions[0].status == "True"


class TestAsleep:
    """No pods, as the spec allows."""

    def test_it_is_no_failure(self) -> None:
        """The model is as it should be, and its condition says that nobody is answered."""
        plan = decide(_alone(0, NIGHTLY))
        ready = plan.status.conditions[0]
        assert (plan.status.phase, ready.status, ready.reason) == (Phase.SERVING, "True", "Asleep")
        assert "answers nobody; the schedule brings them back" in ready.message
        assert (plan.scales, plan.applies) == ((), ())

    def test_without_permission_it_is_one(self) -> None:
        """A minimum of two and no pod: something is wrong."""
        assert decide(_alone(0)).status.conditions[0].reason == "StableUnavailable"

    def test_a_newcomer_has_a_pod_all_the_same(self) -> None:
        """It has to prove itself, and takes over from a revision that sleeps."""
        arms = {"churn-1": Arm(replicas=0), "churn-2": READY}
        probe = a_probe("churn-2", passed=True)
        observed = snapshot(wanted="churn-2", stable="churn-1", arms=arms, scaling=NIGHTLY, keda=SOURCE, probe=probe)
        plan = decide(observed)
        assert (plan.status.phase, _floors(plan)) == (Phase.SWITCHING, {"churn-2": 0})
        assert _deleted(plan) == [("ScaledObject", "churn-1")]


class TestRollouts:
    """Stable has ten pods; the steps are 10 % and 50 %."""

    def _seen(self, canary: int, record: Ramp | None = None, ledger: Any = NOT_READ, **rest: Any) -> Snapshot:
        arms = {STABLE: Arm(replicas=10), CANARY: Arm(replicas=canary)}
        options: dict[str, Any] = {"scaling": SCALING, "keda": SOURCE} | rest
        return ramp(arms=arms, record=record, ledger=ledger, **options)

    def test_the_canary_comes_up_for_its_first_step(self) -> None:
        """A tenth of ten pods is one; it is the operator's number, as no user has met the canary yet."""
        plan = decide(self._seen(4))
        assert (_scales(plan), _floors(plan)) == ([(CANARY, 1)], {})
        assert decide(self._seen(1)).status.conditions[0].reason == "RolloutStarted"

    def test_on_a_step_it_is_prepared_for_the_next(self) -> None:
        """With the first weight the arms get their ScaledObjects: stable is held, the canary gets half of ten."""
        plan = decide(self._seen(1))
        assert _floors(plan) == {STABLE: 2, CANARY: 5}
        held = next(a.manifest for a in plan.applies if a.manifest["metadata"]["name"] == STABLE and _is_scaler(a))
        behavior = held["spec"]["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
        assert behavior["scaleDown"] == {"selectPolicy": "Disabled"}
        plan = decide(self._seen(1, Ramp(), UNDECIDED))
        assert (_scales(plan), plan.status.conditions[0].reason) == ([(CANARY, 5)], "Scaling")

    @pytest.mark.parametrize("canary", [5, 6, 20])
    def test_what_keda_adds_to_the_canary_stays(self, canary: int) -> None:
        """More than its share is KEDA's to give and to take."""
        plan = decide(self._seen(canary, Ramp(), UNDECIDED))
        assert (_scales(plan), plan.status.conditions[0].reason) == ([], "Collecting")

    def test_on_the_last_step_it_has_what_stable_has(self) -> None:
        """It is about to get everybody: the promotion waits for all of ten pods, and no longer."""
        plan = decide(self._seen(5, Ramp(step=1), GOOD_LAST))
        assert (_scales(plan), plan.status.phase) == ([(CANARY, 10)], Phase.PREPARING)
        plan = decide(self._seen(10, Ramp(step=1), GOOD_LAST))
        assert (plan.status.phase, _floors(plan)) == (Phase.SWITCHING, {CANARY: 2})
        assert ("ScaledObject", STABLE) in _deleted(plan)

    def test_a_weight_is_raised_onto_pods_that_are_there(self) -> None:
        """The step is passed, but half of the pods are missing: the weight stays."""
        assert decide(self._seen(4, Ramp(), GOOD)).status.conditions[0].reason == "Scaling"
        assert decide(self._seen(5, Ramp(), GOOD)).status.conditions[0].reason == "StepPassed"

    def test_after_harm_stable_scales_freely_again(self) -> None:
        """Everybody is back on the pods that were held for them; the canary's scaler goes with the canary."""
        observed = self._seen(5, Ramp(), HARM)
        held = a_scaled_object(observed.model, STABLE, SOURCE)
        canary = a_scaled_object(observed.model, CANARY, SOURCE, floor=5)
        plan = decide(replace(observed, scaled_objects=(held, canary)))
        assert (plan.status.conditions[0].reason, plan.scales, plan.deletes) == ("HarmShown", (), ())
        assert _floors(plan) == {}  # outside of a rollout it is as it is stored here

    def test_the_floor_of_a_share_stays_within_the_bounds(self) -> None:
        """Somebody lowered maxReplicas: a share of more pods than are allowed is asked of nobody."""
        plan = decide(self._seen(5, Ramp(step=1), GOOD_LAST, scaling=SCALING | {"maxReplicas": 6}))
        assert _floors(plan)[CANARY] == 6
        assert _scales(plan) == [(CANARY, 6)]

    def test_a_takeover_at_once_needs_all_pods(self) -> None:
        """Without steps the newcomer gets what stable has."""
        plan = decide(self._seen(1, steps=[], analysis=None))
        assert _scales(plan) == [(CANARY, 10)]

    def test_without_keda_the_shares_are_the_operators(self) -> None:
        """The rollout goes on by the same numbers."""
        plan = decide(self._seen(5, Ramp(step=1), GOOD_LAST, keda=None))
        assert (_scales(plan), _floors(plan)) == ([(CANARY, 10)], {})


def _is_scaler(apply: Any) -> bool:
    return bool(apply.kind == SCALED_OBJECT)


class TestChangesOfClass:
    """Nothing of the class before is left, and two scalers never have one Deployment."""

    @pytest.mark.parametrize("scaling", OTHERS, ids=lambda scaling: scaling["class"])
    def test_from_keda(self, scaling: dict[str, Any]) -> None:
        """First its object goes; the number is touched, and an autoscaler made, when it is gone."""
        before = _alone(7)
        after = replace(_alone(7, scaling), scaled_objects=before.scaled_objects, children=before.children)
        plan = decide(after)
        assert (_deleted(plan), plan.scales) == ([("ScaledObject", "churn-1")], ())
        assert [apply.kind.kind for apply in plan.applies] == []
        plan = decide(replace(after, scaled_objects=()))
        assert _deleted(plan) == []
        assert [apply.kind for apply in plan.applies] == (
            [HORIZONTAL_POD_AUTOSCALER] if scaling["class"] == "HPA" else []
        )
        assert _scales(plan) == ([("churn-1", 1)] if scaling["class"] == "None" else [])

    def test_from_an_autoscaler(self) -> None:
        """The HorizontalPodAutoscaler goes first; the number stays as it is meanwhile."""
        before = _alone(7, {"class": "HPA", "maxReplicas": 9})
        after = replace(_alone(7), children=before.children, scaled_objects=())
        plan = decide(after)
        assert (_deleted(plan), _floors(plan)) == ([("HorizontalPodAutoscaler", "churn")], {})
        gone = tuple(child for child in after.children if child.kind != HORIZONTAL_POD_AUTOSCALER)
        plan = decide(replace(after, children=gone))
        assert (_deleted(plan), _floors(plan), plan.scales) == ([], {"churn-1": 2}, ())

    @pytest.mark.parametrize("scaling", OTHERS, ids=lambda scaling: scaling["class"])
    def test_other_classes_say_nothing_of_keda(self, scaling: dict[str, Any]) -> None:
        """The condition is there for those who asked for it."""
        assert _autoscaler(decide(_alone(1, scaling, None))) == ("", "", "")

    def test_a_paused_rollout_keeps_both_arms_scaled(self) -> None:
        """Weights stay; load does not."""
        plan = decide(ramp(arms=BOTH, record=Ramp(), ledger=UNDECIDED, scaling=SCALING, keda=SOURCE, paused=True))
        assert set(_floors(plan)) == {STABLE, CANARY}

"""Who serves, who comes and who goes: the situations between two revisions."""

from __future__ import annotations

from dataclasses import replace

import pytest

from marquee.api.marketing_model import Phase
from marquee.control.decide import decide
from marquee.control.decide.plan import Apply, Plan
from marquee.control.kinds import DEPLOYMENT, HORIZONTAL_POD_AUTOSCALER, SERVICE, SERVICE_ACCOUNT
from marquee.control.render import names
from marquee.control.render.deployment import deployment
from marquee.control.snapshot import Defaults, Snapshot
from tests.unit.control.builders import (
    DEFAULTS,
    NOW,
    READY,
    STARTING,
    Arm,
    Switched,
    a_model,
    a_pod,
    a_probe,
    a_revision,
    snapshot,
    stored,
)

HPA = {"class": "HPA", "minReplicas": 2, "maxReplicas": 9}
PASSED = a_probe("churn-2", passed=True)


def _applied(plan: Plan) -> list[tuple[str, str]]:
    return [(apply.kind.kind, apply.manifest["metadata"]["name"]) for apply in plan.applies]


def _service(plan: Plan) -> Apply:
    (apply,) = [apply for apply in plan.applies if apply.kind == SERVICE]
    return apply


def _selected(plan: Plan) -> str:
    return str(_service(plan).manifest["spec"]["selector"][names.LABEL_REVISION])


def test_a_new_model_gets_everything_in_the_order_that_lets_pods_start() -> None:
    """Identity and protection come before the pods, the address after them, and nothing else."""
    empty = snapshot(wanted="churn-1")
    plan = decide(replace(empty, children=()))
    assert _applied(plan) == [
        ("ServiceAccount", "churn-predictor"),
        ("NetworkPolicy", "churn"),
        ("PodDisruptionBudget", "churn"),
        ("Deployment", "churn-1"),
        ("Service", "churn"),
    ]
    assert all(apply.create for apply in plan.applies)
    assert (plan.scales, plan.probe, plan.deletes) == ((), None, ())


def test_a_converged_model_is_silent() -> None:
    """A model that says what it should gets no write and no wake-up."""
    observed = snapshot(wanted="churn-1", stable="churn-1", arms={"churn-1": READY})
    plan = decide(observed)
    assert (plan.applies, plan.scales, plan.probe, plan.deletes, plan.notices) == ((), (), None, (), ())
    assert plan.requeue_after_seconds is None
    again = decide(replace(observed, model=observed.model.model_copy(update={"status": plan.status})))
    assert again.status == plan.status


def test_a_newcomer_comes_up_beside_stable() -> None:
    """The wanted revision gets its own Deployment; the Service is not written, stable is not touched."""
    plan = decide(snapshot(wanted="churn-2", stable="churn-1", arms={"churn-1": READY}))
    assert _applied(plan) == [("Deployment", "churn-2")]
    assert plan.deletes == ()


def test_a_proven_newcomer_takes_over_in_one_write() -> None:
    """The Service's selector, the time and the former revision change in the same apply."""
    arms = {"churn-1": READY, "churn-2": READY}
    plan = decide(snapshot(wanted="churn-2", stable="churn-1", arms=arms, probe=PASSED))
    assert _applied(plan) == [("Service", "churn")]
    assert _selected(plan) == "churn-2"
    annotations = _service(plan).manifest["metadata"]["annotations"]
    assert annotations[names.ANNOTATION_PREVIOUS_REVISION] == "churn-1"
    assert annotations[names.ANNOTATION_SWITCHED_AT] == NOW.isoformat(timespec="milliseconds")
    assert plan.deletes == ()
    assert plan.requeue_after_seconds == pytest.approx(0.2)


@pytest.mark.parametrize(("seconds_ago", "deleted"), [(0, False), (9.5, False), (10, True), (3600, True)])
def test_the_former_revision_goes_when_its_time_is_over(seconds_ago: float, deleted: bool) -> None:
    """It stays for spec.rollout.drainSeconds after the switch, not a moment less."""
    observed = snapshot(
        wanted="churn-2",
        serving="churn-2",
        proven="churn-2",
        arms={"churn-1": READY, "churn-2": READY},
        switched=Switched("churn-1", seconds_ago),
        rollout={"drainSeconds": 10},
    )
    plan = decide(observed)
    assert [delete.name for delete in plan.deletes] == (["churn-1"] if deleted else [])
    assert plan.status.phase is (Phase.SERVING if deleted else Phase.DRAINING)
    expected = None if deleted else pytest.approx(10 - seconds_ago)
    assert plan.requeue_after_seconds == expected


def test_a_drain_of_no_time_is_no_drain() -> None:
    """With drainSeconds 0 the former revision goes right after the switch."""
    observed = snapshot(
        wanted="churn-2",
        serving="churn-2",
        proven="churn-2",
        arms={"churn-1": READY, "churn-2": READY},
        switched=Switched("churn-1", 0),
        rollout={"drainSeconds": 0},
    )
    assert [delete.name for delete in decide(observed).deletes] == ["churn-1"]


@pytest.mark.parametrize(
    "written", ["", "yesterday", "2024-11-22T11:59:59", "9999-12-31T23:59:59+00:00", "0001-01-01T00:00:00+14:00"]
)
def test_a_time_that_somebody_else_wrote_drains_nothing(written: str) -> None:
    """An annotation that is no time of ours cannot stop the operator; the former revision goes."""
    observed = snapshot(
        wanted="churn-2",
        serving="churn-2",
        proven="churn-2",
        arms={"churn-1": READY, "churn-2": READY},
        switched=Switched("churn-1", 3),
    )
    service = observed.child(SERVICE, "churn")
    assert service is not None
    annotations = dict(service.annotations) | {names.ANNOTATION_SWITCHED_AT: written}
    edited = tuple(
        replace(child, annotations=annotations) if child is service else child for child in observed.children
    )
    plan = decide(replace(observed, children=edited))
    assert [delete.name for delete in plan.deletes] == ["churn-1"]


def test_a_superseded_newcomer_goes_at_once() -> None:
    """Users never reached it: there is nothing to drain, and stable is untouched."""
    plan = decide(
        snapshot(
            wanted="churn-3",
            revisions=("churn-1", "churn-2", "churn-3"),
            stable="churn-1",
            arms={"churn-1": READY, "churn-2": STARTING},
        )
    )
    assert [delete.name for delete in plan.deletes] == ["churn-2"]
    assert _applied(plan) == [("Deployment", "churn-3")]


def test_going_back_half_way_needs_no_write_but_the_clean_up() -> None:
    """When stable is wanted again before the switch, it serves as if nothing had been."""
    plan = decide(snapshot(wanted="churn-1", stable="churn-1", arms={"churn-1": READY, "churn-2": READY}))
    assert plan.applies == ()
    assert [delete.name for delete in plan.deletes] == ["churn-2"]
    assert plan.status.phase is Phase.SERVING


def test_going_back_after_the_switch_is_a_switch_like_any_other() -> None:
    """The former revision, still draining, must prove itself again before users return to it."""
    observed = snapshot(
        wanted="churn-1",
        serving="churn-2",
        proven="churn-2",
        arms={"churn-1": READY, "churn-2": READY},
        switched=Switched("churn-1", 3),
    )
    plan = decide(observed)
    assert plan.probe is not None
    assert (plan.applies, plan.deletes) == ((), ())
    back = decide(replace(observed, probe=a_probe("churn-1", passed=True)))
    assert _selected(back) == "churn-1"


def test_a_revision_deleted_while_it_serves_keeps_serving() -> None:
    """Without a revision to run nothing is touched, and the status still says who serves."""
    plan = decide(snapshot(wanted="churn-1", revisions=(), stable="churn-1", arms={"churn-1": READY}))
    assert plan.status.phase is Phase.BLOCKED
    assert (plan.applies, plan.scales, plan.deletes) == ((), (), ())
    assert plan.status.stable is not None
    assert plan.status.stable.revision == "churn-1"


def test_a_change_of_the_spec_half_way_goes_to_the_newcomer_alone() -> None:
    """Stable keeps the pods it has; the change is proven on the newcomer."""
    observed = snapshot(
        wanted="churn-2", stable="churn-1", arms={"churn-1": READY, "churn-2": READY}, pod={"threads": 4}
    )
    plan = decide(observed)
    assert _applied(plan) == [("Deployment", "churn-2")]


def test_a_pod_on_its_way_out_proves_nothing() -> None:
    """A probe that a pod of the former template passed does not count for the template that follows."""
    leaving = a_pod("churn-2", 0, deleting=True)
    arm = Arm(pods=(leaving, a_pod("churn-2", 1, template="b")))
    plan = decide(snapshot(wanted="churn-2", stable="churn-1", arms={"churn-1": READY, "churn-2": arm}, probe=PASSED))
    assert plan.applies == ()
    assert plan.probe is not None
    assert plan.probe.pod_uid == "pod-churn-2-1"


def test_a_name_used_again_must_be_proven_again() -> None:
    """A ModelRevision deleted and created again with other bytes is not what has proven itself under that name."""
    observed = snapshot(wanted="churn-1", stable="churn-1", arms={"churn-1": READY})
    assert decide(observed).probe is None
    (first, *_) = observed.revisions
    artifact = first.spec.artifact.model_copy(update={"digest": "sha256:" + "f" * 64})
    other = first.model_copy(update={"spec": first.spec.model_copy(update={"artifact": artifact})})
    plan = decide(replace(observed, revisions=(other,)))
    assert plan.probe is not None
    assert plan.probe.digest == "sha256:" + "f" * 64


class TestLostObjects:
    """Somebody deletes what is ours."""

    def test_a_lost_service_comes_back_as_it_was(self) -> None:
        """In the middle of a rollout a new Service points at stable, not at the newcomer that has proven nothing."""
        observed = snapshot(
            wanted="churn-2", serving=None, proven="churn-1", arms={"churn-1": READY, "churn-2": STARTING}
        )
        plan = decide(observed)
        assert _selected(plan) == "churn-1"
        assert plan.deletes == ()
        assert plan.status.stable is not None
        assert plan.status.stable.revision == "churn-1"

    def test_a_selector_that_somebody_emptied_comes_back_as_it_was(self) -> None:
        """A Service without our label is written again with the revision that serves."""
        observed = snapshot(wanted="churn-2", stable="churn-1", arms={"churn-1": READY, "churn-2": STARTING})
        manifest = next(child for child in observed.children if child.kind == SERVICE).manifest()
        manifest["spec"]["selector"] = {"app": "mine"}
        others = tuple(child for child in observed.children if child.kind != SERVICE)
        plan = decide(replace(observed, children=(*others, stored(SERVICE, manifest))))
        assert _selected(plan) == "churn-1"

    def test_a_selector_that_somebody_moved_is_put_back(self) -> None:
        """Who serves is what we wrote last, not what somebody made of the selector."""
        observed = snapshot(wanted="churn-2", stable="churn-1", arms={"churn-1": READY, "churn-2": STARTING})
        manifest = next(child for child in observed.children if child.kind == SERVICE).manifest()
        manifest["spec"]["selector"][names.LABEL_REVISION] = "churn-2"
        others = tuple(child for child in observed.children if child.kind != SERVICE)
        plan = decide(replace(observed, children=(*others, stored(SERVICE, manifest))))
        assert _selected(plan) == "churn-1"
        assert plan.deletes == ()

    @pytest.mark.parametrize("proven", [None, "churn-1", "churn-2", "churn-3"])
    def test_two_switches_without_a_status_between_them_are_believed(self, proven: str | None) -> None:
        """The operator died twice before it wrote the status: the Service alone says who serves."""
        observed = snapshot(
            wanted="churn-3",
            revisions=("churn-1", "churn-2", "churn-3"),
            serving="churn-3",
            proven=proven,
            arms={"churn-2": READY, "churn-3": READY},
            switched=Switched("churn-2", 1),
        )
        plan = decide(observed)
        assert plan.applies == ()
        assert plan.deletes == ()

    def test_a_service_on_its_way_out_is_waited_for(self) -> None:
        """While it is being deleted there is nothing to apply; stable is not forgotten."""
        observed = snapshot(wanted="churn-1", stable="churn-1", arms={"churn-1": READY}, service_deleting=True)
        plan = decide(observed)
        assert plan.applies == ()
        assert plan.status.stable is not None

    def test_what_is_on_its_way_out_is_not_written(self) -> None:
        """A change waits for the object that follows: the one that goes would take it along."""
        arms = {"churn-1": Arm(deleting=True)}
        observed = snapshot(wanted="churn-1", stable="churn-1", arms=arms, pod={"threads": 4}, service_deleting=True)
        plan = decide(observed)
        assert (plan.applies, plan.scales, plan.deletes) == ((), (), ())

    def test_a_lost_stable_comes_back_during_a_rollout(self) -> None:
        """The serving revision's Deployment is put back before the newcomer's is looked at."""
        plan = decide(snapshot(wanted="churn-2", stable="churn-1", arms={"churn-2": STARTING}))
        assert _applied(plan) == [("Deployment", "churn-1")]

    def test_a_lost_child_comes_back_alone(self) -> None:
        """Only what is missing is written."""
        observed = snapshot(wanted="churn-1", stable="churn-1", arms={"churn-1": READY})
        left = tuple(child for child in observed.children if child.kind != SERVICE_ACCOUNT)
        assert _applied(decide(replace(observed, children=left))) == [("ServiceAccount", "churn-predictor")]


class TestDefaults:
    """Which of the operator's defaults a revision runs with."""

    @pytest.mark.parametrize(
        "newer",
        [
            Defaults("registry.example.com/predictor:2"),
            replace(DEFAULTS, image_pull_policy="Always"),
            replace(DEFAULTS, image_pull_secrets=("another",)),
        ],
        ids=["image", "pull policy", "pull secrets"],
    )
    def test_another_default_of_the_operator_restarts_no_pod(self, newer: Defaults) -> None:
        """An upgrade of the operator writes nothing for a revision that is deployed."""
        plan = decide(snapshot(wanted="churn-1", stable="churn-1", arms={"churn-1": READY}, defaults=newer))
        assert (plan.applies, plan.scales) == ((), ())

    def test_a_new_revision_takes_the_default_of_today(self) -> None:
        """What is deployed for the first time gets the operator's present image."""
        newer = Defaults(predictor_image="registry.example.com/predictor:2")
        plan = decide(snapshot(wanted="churn-2", stable="churn-1", arms={"churn-1": READY}, defaults=newer))
        assert _image(plan) == "registry.example.com/predictor:2"

    def test_the_image_of_the_spec_wins(self) -> None:
        """A model may name its own image, also for a revision that is deployed."""
        observed = snapshot(
            wanted="churn-1", stable="churn-1", arms={"churn-1": READY}, pod={"image": "example.com/own:3"}
        )
        assert _image(decide(observed)) == "example.com/own:3"

    def test_without_an_image_in_the_spec_the_first_default_returns(self) -> None:
        """A model that named an image and no longer does runs what it was first deployed with, not what it named."""
        observed = snapshot(wanted="churn-1", stable="churn-1", arms={"churn-1": READY})
        (state,) = observed.deployments
        named = a_model(revision={"name": "churn-1"}, serving={"image": "example.com/own:3"})
        manifest = deployment(named, a_revision("churn-1"), DEFAULTS)
        before = replace(state, child=stored(DEPLOYMENT, manifest, generation=2))
        newer = Defaults(predictor_image="registry.example.com/predictor:2")
        plan = decide(replace(observed, deployments=(before,), defaults=newer))
        assert _image(plan) == DEFAULTS.predictor_image

    def test_an_image_that_somebody_else_set_is_put_back(self) -> None:
        """`kubectl set image` on a Deployment of ours does not decide what users are served with."""
        observed = snapshot(wanted="churn-1", stable="churn-1", arms={"churn-1": READY})
        (state,) = observed.deployments
        manifest = state.child.manifest()
        manifest["spec"]["template"]["spec"]["containers"][0]["image"] = "example.com/evil"
        edited = replace(state, child=stored(DEPLOYMENT, manifest, generation=2))
        assert _image(decide(replace(observed, deployments=(edited,)))) == DEFAULTS.predictor_image

    def test_a_lost_deployment_comes_back_with_the_default_of_today(self) -> None:
        """Nothing remembers the image of a Deployment that is gone."""
        plan = decide(snapshot(wanted="churn-1", stable="churn-1"))
        assert _image(plan) == DEFAULTS.predictor_image


def _image(plan: Plan) -> str:
    (apply,) = [apply for apply in plan.applies if apply.kind == DEPLOYMENT]
    (container,) = apply.manifest["spec"]["template"]["spec"]["containers"]
    return str(container["image"])


class TestAutoscaler:
    """The HorizontalPodAutoscaler follows who serves."""

    def _of(self, observed: Snapshot) -> list[str]:
        applied = [apply.manifest for apply in decide(observed).applies if apply.kind == HORIZONTAL_POD_AUTOSCALER]
        return [manifest["spec"]["scaleTargetRef"]["name"] for manifest in applied]

    def test_it_is_made_for_who_serves(self) -> None:
        """It comes with the class, and targets the serving revision's Deployment."""
        observed = snapshot(wanted="churn-1", stable="churn-1", arms={"churn-1": Arm(replicas=2)}, scaling=HPA)
        left = tuple(child for child in observed.children if child.kind != HORIZONTAL_POD_AUTOSCALER)
        assert self._of(replace(observed, children=left)) == ["churn-1"]

    def test_it_stays_with_stable_until_the_switch(self) -> None:
        """While the newcomer comes up, load is on stable."""
        arms = {"churn-1": Arm(replicas=5), "churn-2": Arm(replicas=5, ready=1)}
        observed = snapshot(wanted="churn-2", stable="churn-1", arms=arms, scaling=HPA)
        assert self._of(observed) == []

    def test_it_moves_with_the_switch(self) -> None:
        """The same pass that switches users gives the autoscaler its new target, after the Service."""
        arms = {"churn-1": Arm(replicas=5), "churn-2": Arm(replicas=5)}
        observed = snapshot(wanted="churn-2", stable="churn-1", arms=arms, scaling=HPA, probe=PASSED)
        assert self._of(observed) == ["churn-2"]
        assert [kind for kind, _ in _applied(decide(observed))] == ["Service", "HorizontalPodAutoscaler"]

    def test_it_goes_with_the_class(self) -> None:
        """Another class of scaling removes it, and nothing else."""
        with_it = snapshot(wanted="churn-1", stable="churn-1", arms={"churn-1": Arm(replicas=2)}, scaling=HPA)
        without = snapshot(
            wanted="churn-1", stable="churn-1", arms={"churn-1": Arm(replicas=2)}, scaling={"minReplicas": 2}
        )
        plan = decide(replace(without, children=with_it.children))
        assert [delete.kind.kind for delete in plan.deletes] == ["HorizontalPodAutoscaler"]

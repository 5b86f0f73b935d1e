"""A model in a small cluster: whatever happens on the way, it ends where the spec says, and users never suffer."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from marquee.control.decide import decide
from marquee.control.kinds import (
    DEPLOYMENT,
    HORIZONTAL_POD_AUTOSCALER,
    NETWORK_POLICY,
    POD_DISRUPTION_BUDGET,
    SCALED_OBJECT,
    SERVICE,
    SERVICE_ACCOUNT,
    Kind,
)
from marquee.control.render import names
from marquee.control.snapshot import Defaults, Keda
from tests.support.examples import examples
from tests.unit.control.builders import MODEL
from tests.unit.control.world import Behaviour, World

KEDA = Keda("http://operator:8081/demand")
LOSABLE = [
    (SERVICE, MODEL),
    (SERVICE_ACCOUNT, f"{MODEL}-predictor"),
    (NETWORK_POLICY, MODEL),
    (POD_DISRUPTION_BUDGET, MODEL),
    (HORIZONTAL_POD_AUTOSCALER, MODEL),
]
OFFICE = {"start": "0 8 * * 1-5", "end": "0 18 * * 1-5", "minReplicas": 2}
SCALINGS = [
    {"class": "None", "minReplicas": 1},
    {"class": "None", "minReplicas": 3},
    {"class": "HPA", "minReplicas": 2, "maxReplicas": 4},
    {"class": "External", "minReplicas": 1},
    {"class": "KEDA", "minReplicas": 2, "maxReplicas": 4, "requestsPerSecond": 10},
    {"class": "KEDA", "minReplicas": 0, "maxReplicas": 4, "schedule": [OFFICE]},
]
SERVINGS: list[dict[str, Any]] = [
    {},
    {"image": "registry.example.com/predictor:custom"},
    {"resources": {"requests": {"cpu": "1000m", "memory": "0.5"}}},
    {"threads": 4, "nodeSelector": {"pool": "cpu"}},
]


class Rollouts(RuleBasedStateMachine):
    """People, accidents and time, in any order; after each step the promises are looked at."""

    @initialize(behaviour=st.sampled_from(Behaviour), scaling=st.sampled_from(SCALINGS), serves=st.booleans())
    def a_model(self, behaviour: Behaviour, scaling: dict[str, Any], *, serves: bool) -> None:
        """Start with a model whose first revision may be bad, or with one that serves while the next comes."""
        self.world = World()
        self.world.set_spec(scaling=scaling)
        self.world.keda = KEDA
        self.count = 0
        if serves:
            self.new_revision(Behaviour.GOOD)
            self.quiet()
        self.new_revision(behaviour)

    # people

    @rule(behaviour=st.sampled_from(Behaviour))
    def new_revision(self, behaviour: Behaviour) -> None:
        """Train a revision and pin it."""
        self.count += 1
        name = f"{MODEL}-{self.count}"
        self.world.add_revision(name, behaviour)
        self.world.set_spec(revision={"name": name})

    @rule(data=st.data())
    def pin_another(self, data: st.DataObject) -> None:
        """Go back, forth, or to something that does not exist."""
        name = data.draw(st.sampled_from([*self.world.behaviours, f"{MODEL}-missing"]))
        self.world.set_spec(revision={"name": name})

    @rule(data=st.data())
    def delete_a_revision(self, data: st.DataObject) -> None:
        """Remove a ModelRevision, perhaps the one that serves."""
        if self.world.revisions:
            del self.world.revisions[data.draw(st.sampled_from(sorted(self.world.revisions)))]

    @rule(scaling=st.sampled_from(SCALINGS))
    def scale(self, scaling: dict[str, Any]) -> None:
        """Change the scaling."""
        self.world.set_spec(scaling=scaling)

    @rule(serving=st.sampled_from(SERVINGS))
    def edit(self, serving: dict[str, Any]) -> None:
        """Change how pods serve."""
        self.world.set_spec(serving=serving)

    @rule(installed=st.booleans())
    def have_keda(self, *, installed: bool) -> None:
        """Install KEDA, or remove it with its objects."""
        self.world.keda = KEDA if installed else None
        if not installed:
            self.world.objects = {key: body for key, body in self.world.objects.items() if key[0] != SCALED_OBJECT}

    @rule(data=st.data(), pods=st.integers(0, 6))
    def load(self, data: st.DataObject, pods: int) -> None:
        """More or less is to be done."""
        self.world.wished = {data.draw(st.sampled_from(sorted(self.world.behaviours))): pods}

    # accidents

    @rule(lost=st.sampled_from(LOSABLE))
    def lose_a_child(self, lost: tuple[Kind, str]) -> None:
        """Somebody deletes one of our objects."""
        self.world.remove(*lost)

    @precondition(lambda self: self.world.deployments())
    @rule(data=st.data())
    def lose_a_deployment(self, data: st.DataObject) -> None:
        """Somebody deletes a Deployment with its pods."""
        self.world.remove(DEPLOYMENT, data.draw(st.sampled_from(sorted(self.world.deployments()))))

    @precondition(lambda self: self.world.pods)
    @rule(data=st.data())
    def lose_a_pod(self, data: st.DataObject) -> None:
        """A node goes away."""
        del self.world.pods[data.draw(st.sampled_from(sorted(self.world.pods)))]

    @precondition(lambda self: self.world.serving in self.world.deployments())
    @rule(replicas=st.integers(1, 4))
    def scaled_by_somebody(self, replicas: int) -> None:
        """An autoscaler, or a person, sets the replicas of who serves."""
        body = self.world.objects[DEPLOYMENT, str(self.world.serving)]
        body["spec"]["replicas"] = replicas
        body["metadata"]["generation"] += 1

    @rule(version=st.integers(1, 3))
    def upgrade_the_operator(self, version: int) -> None:
        """Another default image, and an empty memory."""
        self.world.defaults = Defaults(predictor_image=f"registry.example.com/predictor:{version}")
        self.world.restart_operator()

    # the operator and time

    @rule()
    def look(self) -> None:
        """One pass of the operator."""
        self._reconcile(None)

    @rule(die_after=st.integers(0, 6))
    def look_and_die(self, die_after: int) -> None:
        """A pass that ends in the middle of its writes."""
        self._reconcile(die_after)

    @rule(seconds=st.sampled_from([0.5, 1, 5, 15]))
    def time_passes(self, seconds: float) -> None:
        """Controllers and kubelets go on."""
        self.world.tick(seconds)

    @rule()
    def quiet(self) -> None:
        """Nothing happens for a long time: the model must be where its spec says."""
        self.world.settle()
        self._is_settled()

    def _reconcile(self, die_after: int | None) -> None:
        world = self.world
        stable, wanted = world.serving, world.model["spec"]["revision"]["name"]
        ready, enough = world.ready_pods(wanted), self._enough_pods()
        before = world.snapshot()
        assert decide(before) == decide(before)
        written = len(world.writes)
        world.reconcile(die_after=die_after)
        new_writes = world.writes[written:]
        assert f"delete Deployment {wanted}" not in new_writes
        assert f"delete Deployment {stable}" not in new_writes
        if stable is not None and world.serving != stable:
            assert world.serving == wanted
            assert ready >= enough
            assert wanted in world.verified
        if wanted not in world.revisions:
            assert set(new_writes) <= {"status"}

    def _enough_pods(self) -> int:
        """Pods that a newcomer needs to take over."""
        world, scaling = self.world, self.world.model["spec"].get("scaling", {})
        minimum = int(scaling.get("minReplicas", 1))
        stable = world.objects.get((DEPLOYMENT, str(world.serving)))
        if scaling.get("class", "None") == "None" or stable is None:
            return minimum
        return max(minimum, int(stable["spec"]["replicas"]))

    def teardown(self) -> None:
        """However the story went, it ends well."""
        if hasattr(self, "world"):
            self.quiet()
            self.users_reach_only_what_has_proven_itself()

    def _is_settled(self) -> None:
        world = self.world
        writes = len(world.writes)
        plan = world.reconcile()
        assert (plan.applies, plan.scales, plan.deletes, len(world.writes)) == ((), (), (), writes)
        wanted = world.model["spec"]["revision"]["name"]
        if wanted not in world.revisions:
            assert world.phase == "Blocked"
        elif world.behaviours[wanted] is Behaviour.GOOD:
            self._is_serving(wanted)
        else:
            self._is_refused(wanted)

    def _is_serving(self, wanted: str) -> None:
        world = self.world
        assert (world.phase, world.serving, world.deployments()) == ("Serving", wanted, {wanted})
        assert world.model["status"]["stable"]["revision"] == wanted
        assert wanted in world.verified
        scaling = world.model["spec"].get("scaling", {})
        if scaling.get("class", "None") == "None":
            assert world.ready_pods(wanted) == scaling.get("minReplicas", 1)
        scaled = {name for kind, name in world.objects if kind == SCALED_OBJECT}
        assert scaled == ({wanted} if scaling.get("class") == "KEDA" and world.keda is not None else set())
        if scaling.get("class") == "KEDA":
            lowest = scaling["minReplicas"] if world.keda is not None else max(1, scaling["minReplicas"])
            assert world.objects[DEPLOYMENT, wanted]["spec"]["replicas"] >= lowest
        autoscaler = world.objects.get((HORIZONTAL_POD_AUTOSCALER, MODEL))
        assert (autoscaler is not None) == (scaling.get("class") == "HPA")
        if autoscaler is not None:
            assert autoscaler["spec"]["scaleTargetRef"]["name"] == wanted

    def _is_refused(self, wanted: str) -> None:
        """A bad revision never serves, but for the very first; who served before has its pods."""
        world = self.world
        assert world.phase in {"Failed", "Preparing"}
        assert wanted not in world.verified
        assert world.serving is not None
        if world.serving != wanted:
            assert world.serving in world.deployments() or world.serving not in world.revisions

    @invariant()
    def users_reach_only_what_has_proven_itself(self) -> None:
        """The Service never points at a revision that no probe has passed, but for the very first."""
        if hasattr(self, "world") and self.world.serving is not None:
            assert self.world.serving in self.world.verified | self.world.first_served


TestRollouts = Rollouts.TestCase
TestRollouts.settings = settings(
    max_examples=examples(30), stateful_step_count=20, deadline=None, report_multiple_bugs=False
)


def _history(bad: Behaviour | None, die_after: int | None) -> list[tuple[Any, ...]]:
    """Where a model stands after its creation, an update and another one, with a kill in each."""
    world = World()
    world.set_spec(scaling={"class": "HPA", "minReplicas": 2, "maxReplicas": 4})
    ends: list[tuple[Any, ...]] = []
    for number, behaviour in enumerate((Behaviour.GOOD, bad or Behaviour.GOOD, Behaviour.GOOD), start=1):
        world.add_revision(f"{MODEL}-{number}", behaviour)
        world.set_spec(revision={"name": f"{MODEL}-{number}"})
        world.reconcile(die_after=die_after)
        world.settle()
        ends.append((world.phase, world.serving, sorted(world.objects, key=str), len(world.pods)))
    return ends


@pytest.mark.parametrize("bad", [None, *(b for b in Behaviour if b is not Behaviour.GOOD)], ids=str)
def test_an_operator_killed_at_any_write_ends_in_the_same_place(bad: Behaviour | None) -> None:
    """Create, update and update again with a kill after the n-th write: the end is the one without a kill."""
    undisturbed = _history(bad, None)
    for write in range(9):
        assert _history(bad, write) == undisturbed, f"killed after {write} writes"


def test_an_upgrade_that_renders_the_same_is_silent() -> None:
    """A new operator with another default image writes nothing for a model that serves."""
    world = World()
    world.add_revision("churn-1")
    world.settle()
    world.writes.clear()
    world.defaults = Defaults(predictor_image="registry.example.com/predictor:2")
    world.restart_operator()
    world.settle()
    assert world.writes == []


def test_a_model_costs_its_children_and_two_status_writes() -> None:
    """From nothing to serving: one write a child, one status when it starts and one when it serves."""
    world = World()
    world.add_revision("churn-1")
    world.settle()
    assert world.writes == [
        "apply ServiceAccount churn-predictor",
        "apply NetworkPolicy churn",
        "apply PodDisruptionBudget churn",
        "apply Deployment churn-1",
        "apply Service churn",
        "status",
        "status",
    ]


def test_an_update_costs_seven_writes() -> None:
    """The newcomer, its switch, the former revision's end, and a status for each phase that people see."""
    world = World()
    world.add_revision("churn-1")
    world.settle()
    world.writes.clear()
    world.add_revision("churn-2")
    world.set_spec(revision={"name": "churn-2"})
    world.settle()
    assert [write for write in world.writes if write != "status"] == [
        "apply Deployment churn-2",
        "apply Service churn",
        "delete Deployment churn-1",
    ]
    assert world.writes.count("status") == 4


def test_a_bad_newcomer_leaves_stable_alone() -> None:
    """Whatever is wrong with it, stable's objects and pods stay the very same."""
    for behaviour in (Behaviour.WRONG, Behaviour.BROKEN, Behaviour.SILENT):
        world = World()
        world.add_revision("churn-1")
        world.settle()
        service, pods = world.objects[SERVICE, MODEL], set(world.pods)
        stable = world.objects[DEPLOYMENT, "churn-1"]["metadata"]
        world.add_revision("churn-2", behaviour)
        world.set_spec(revision={"name": "churn-2"}, serving={"threads": 2})
        world.settle()
        assert world.objects[SERVICE, MODEL] == service
        assert world.objects[DEPLOYMENT, "churn-1"]["metadata"] == stable
        assert pods <= set(world.pods)
        assert world.serving == "churn-1"
        assert names.LABEL_REVISION in service["spec"]["selector"]

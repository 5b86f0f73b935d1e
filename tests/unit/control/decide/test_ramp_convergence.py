"""A model with a ramp in a small cluster: whatever happens on the way, users are safe, and it ends as it should."""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from marquee.api.rollout_status import RolloutResult
from marquee.contract.command import Action
from marquee.control.kinds import DEPLOYMENT, HTTP_ROUTE, SERVICE, Kind
from tests.support.examples import examples
from tests.unit.control.builders import MODEL
from tests.unit.control.ramp_world import RampWorld
from tests.unit.control.world import Behaviour

ANALYSIS = {"primary": {"outcome": "purchase"}}
ROLLOUTS: list[dict[str, Any]] = [
    {},
    {"steps": [{"weight": 10}]},
    {"steps": [{"weight": 10}, {"weight": 40, "minDurationSeconds": 3}]},
    {"steps": [{"weight": 10}], "analysis": ANALYSIS},
    {"steps": [{"weight": 10}, {"weight": 30}, {"weight": 60}], "analysis": ANALYSIS},
    {"steps": [{"weight": 20, "approval": "Manual"}, {"weight": 50}], "analysis": ANALYSIS},
    {"steps": [{"weight": 20, "maxDurationSeconds": 5}], "analysis": ANALYSIS | {"onInconclusive": "Rollback"}},
    {"steps": [{"weight": 20}], "analysis": ANALYSIS, "paused": True},
]
HOLDOUTS = [0, 10]
EFFECTS = {"good": 1.05, "equal": 1.0, "harmful": 0.5}
WAITING = {"Paused", "AwaitingApproval", "LedgerUnavailable", "GatewayUnavailable", "SampleRatioMismatch"}
"""Why a rollout may rest for ever: a person, the ledger or the gateway has to come first. A mismatch is what users of
an arm leave behind who came when its pods had just gone: nobody has counted them."""


class Ramps(RuleBasedStateMachine):
    """People, accidents and time, in any order; after each step the promises are looked at."""

    @initialize(rollout=st.sampled_from(ROLLOUTS), effect=st.sampled_from(sorted(EFFECTS)))
    def a_model(self, rollout: dict[str, Any], effect: str) -> None:
        """A model that serves, and its second revision on its way."""
        self.world = self.make_world()
        self.count = 0
        self.new_revision("equal", Behaviour.GOOD)
        self.world.settle()
        self.world.set_spec(rollout=rollout)
        self.new_revision(effect, Behaviour.GOOD)

    def make_world(self) -> RampWorld:
        """Where it takes place."""
        return RampWorld()

    # people

    @rule(effect=st.sampled_from(sorted(EFFECTS)), behaviour=st.sampled_from([Behaviour.GOOD, *Behaviour]))
    def new_revision(self, effect: str, behaviour: Behaviour) -> None:
        """Train a revision and pin it."""
        self.count += 1
        name = f"{MODEL}-{self.count}"
        self.world.add_revision(name, behaviour)
        self.world.effects[name] = EFFECTS[effect]
        self.world.set_spec(revision={"name": name})

    @rule(data=st.data())
    def pin_another(self, data: st.DataObject) -> None:
        """Go back or forth."""
        self.world.set_spec(revision={"name": data.draw(st.sampled_from(sorted(self.world.revisions)))})

    @rule(rollout=st.sampled_from(ROLLOUTS), holdout=st.sampled_from(HOLDOUTS))
    def another_plan(self, rollout: dict[str, Any], holdout: int) -> None:
        """Edit steps, analysis and assignment."""
        assignment = {"unit": "User", "holdoutPercent": holdout}
        self.world.set_spec(rollout=rollout, traffic={"gateway": {"name": "web"}, "assignment": assignment})

    @rule(action=st.sampled_from(Action), step=st.sampled_from([None, 0, 1]))
    def say(self, action: Action, step: int | None) -> None:
        """A person's command about the newest rollout."""
        self.world.say(action, step=step)

    # accidents

    @rule(away=st.booleans())
    def the_ledger(self, *, away: bool) -> None:
        """It goes, or comes back."""
        self.world.ledger_away = away

    @rule(refusing=st.booleans())
    def the_gateway(self, *, refusing: bool) -> None:
        """It takes no newer route, or takes them again."""
        self.world.refusing = refusing

    @rule(data=st.data())
    def an_arm_goes_down(self, data: st.DataObject) -> None:
        """All pods of one revision, or of none any more, stop to answer."""
        name = data.draw(st.sampled_from(["", *sorted(self.world.deployments())]))
        self.world.down = {name} - {""}

    @rule(lost=st.sampled_from([(SERVICE, MODEL), (HTTP_ROUTE, MODEL)]))
    def lose_a_child(self, lost: tuple[Kind, str]) -> None:
        """Somebody deletes the Service, and with it what it remembers, or the route."""
        self.world.remove(*lost)

    @precondition(lambda self: self.world.deployments())
    @rule(data=st.data())
    def lose_a_deployment(self, data: st.DataObject) -> None:
        """Somebody deletes a Deployment with its pods."""
        self.world.remove(DEPLOYMENT, data.draw(st.sampled_from(sorted(self.world.deployments()))))

    # the operator and time

    @rule()
    def look(self) -> None:
        """One pass of the operator."""
        self._reconcile(None)

    @rule(die_after=st.integers(0, 5))
    def look_and_die(self, die_after: int) -> None:
        """A pass that ends in the middle of its writes."""
        self._reconcile(die_after)

    @rule(seconds=st.sampled_from([0.5, 1, 15]))
    def time_passes(self, seconds: float) -> None:
        """Controllers, kubelets, the gateway and users go on."""
        self.world.tick(seconds)

    @rule(times=st.integers(1, 6))
    def a_while(self, times: int) -> None:
        """The operator and the cluster by turns."""
        for _ in range(times):
            self._reconcile(None)
            self.world.tick()

    def _reconcile(self, die_after: int | None) -> None:
        world = self.world
        before, spec = world.record, _text(world.model["spec"])
        wanted = world.model["spec"]["revision"]["name"]
        proven, serving = wanted in world.verified, world.serving
        away, refused = world.ledger_away, world.refusing and self._route_is_new()
        written = len(world.writes)
        world.reconcile(die_after=die_after)
        after = world.record
        assert _text(world.model["spec"]) == spec
        if serving is not None:
            assert f"delete Deployment {serving}" not in world.writes[written:]
        if after is None or after == before:
            return
        if before is None or before.name != after.name:
            assert (after.step, after.revision, after.result) == (0, wanted, None)
            assert proven or wanted in world.verified
            assert not refused
            assert before is None or before.result is not None
            return
        assert after.weight >= before.weight or after.weight == 0
        judged = "analysis" in world.model["spec"]["rollout"]
        forced = "promote" in str(world.model["metadata"].get("annotations"))
        if after.weight > before.weight and not forced:
            assert not (judged and away)
            assert not world.model["spec"]["rollout"].get("paused")

    def _route_is_new(self) -> bool:
        """Whether the gateway has told that it refuses the newest route."""
        route = self.world.objects.get((HTTP_ROUTE, MODEL))
        if route is None or not route.get("status"):
            return True
        (condition,) = route["status"]["parents"][0]["conditions"]
        return bool(condition["status"] == "False" or condition["observedGeneration"] < route["metadata"]["generation"])

    @invariant()
    def users_reach_only_what_has_proven_itself(self) -> None:
        """Neither the gateway nor the Service sends anybody to a revision that no probe has passed."""
        if hasattr(self, "world"):
            world = self.world
            reached = world.reached() | ({world.serving} - {None})
            assert reached <= world.verified | world.first_served

    @invariant()
    def weights_rise_within_a_rollout(self) -> None:
        """The gateway never carries a weight of a rollout after a larger one of the same."""
        if hasattr(self, "world"):
            highest: dict[str, int] = {}
            for rollout, weight in self.world.weights:
                assert weight >= highest.get(rollout, 0)
                highest[rollout] = weight

    def teardown(self) -> None:
        """When everything is repaired, it ends where spec and evidence say."""
        if not hasattr(self, "world"):
            return
        world = self.world
        world.down, world.refusing, world.ledger_away = set(), False, False
        world.settle()
        writes = len(world.writes)
        plan = world.reconcile()
        assert (plan.applies, plan.scales, plan.deletes) == ((), (), ())
        assert len(world.writes) - writes <= 1  # users who come while a rollout rests are told of
        self.users_reach_only_what_has_proven_itself()
        self._has_ended()

    def _has_ended(self) -> None:
        world, record = self.world, self.world.record
        wanted = world.model["spec"]["revision"]["name"]
        rejected = {RolloutResult.ROLLED_BACK, RolloutResult.ABORTED}
        if world.phase == "RolledBack":
            assert record is not None
            assert (record.revision, record.result in rejected) == (wanted, True)
            assert world.reached() == {world.serving} != {wanted}
            assert world.deployments() == {world.serving}
        elif world.behaviours[wanted] is not Behaviour.GOOD:
            assert world.phase in {"Failed", "Preparing"}
            # a Service that is lost before anybody has proven itself comes back for whoever is wanted
            assert wanted not in world.reached() or wanted in world.first_served
        elif world.reason in WAITING:
            assert world.phase in {"Canary", "Preparing", "Failed"}
            assert wanted != world.serving
        else:
            assert (world.phase, world.serving, world.reached()) == ("Serving", wanted, {wanted})
            assert world.deployments() == {wanted}


def _text(value: Any) -> str:
    """A value to compare with itself later."""
    return repr(value)


TestRamps = Ramps.TestCase
TestRamps.settings = settings(
    max_examples=examples(30), stateful_step_count=20, deadline=None, report_multiple_bugs=False
)

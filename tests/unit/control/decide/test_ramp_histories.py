"""Whole rollouts with steps: what they cost, where they end, and that a kill at any write changes neither."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

import pytest

from marquee.contract.command import Action
from marquee.control.kinds import DEPLOYMENT, HTTP_ROUTE
from tests.unit.control.builders import MODEL
from tests.unit.control.ramp_world import ROLLOUT, STEPS, TRAFFIC, RampWorld
from tests.unit.control.world import Behaviour

History = Callable[[RampWorld, "Look"], None]
Played = TypeVar("Played")


class Look:
    """The operator's passes of a history; after each call of `here` one is killed after so many writes."""

    def __init__(self, world: RampWorld, place: int | None, die_after: int) -> None:
        self._world, self._place, self._die_after, self._calls = world, place, die_after, 0
        self.came = False
        """Whether there was such a moment."""
        self.killed = False
        """Whether the pass had so many writes."""

    def here(self) -> None:
        """A moment that matters: the next passes of the operator, with the kill where it is due."""
        if self._calls == self._place:
            self.came, kills = True, self._world.kills
            self._world.reconcile(die_after=self._die_after)
            self.killed = self._world.kills > kills
        self._calls += 1

    def until(self, reason: str) -> None:
        """Go on until the Ready condition has that reason."""
        self.until_true(lambda: self._world.reason == reason, reason)

    def until_true(self, is_so: Callable[[], bool], what: str) -> None:
        """Go on until something is so."""
        for _ in range(60):
            if is_so():
                return
            plan = self._world.reconcile()
            if not is_so():
                self._world.tick(seconds=min(1, plan.requeue_after_seconds or 1))
        raise AssertionError(f"{self._world.reason}, never {what}")


def killed_anywhere(play: Callable[[int, int], tuple[Look, Played]]) -> Iterator[tuple[str, Played]]:
    """A history with the operator killed before each write of the pass at each moment, and once after the last one.

    Args:
        play: plays it, with the moment and the number of writes before the kill.

    """
    for place in itertools.count():
        for write in itertools.count():
            look, played = play(place, write)
            if not look.came:
                assert place > 1, "a history has moments that matter"
                return
            yield f"killed at moment {place} after {write} writes", played
            if not look.killed:
                break


def newcomer(world: RampWorld, effect: float = 1.0, behaviour: Behaviour = Behaviour.GOOD) -> None:
    """The next revision is wanted."""
    number = len(world.revisions) + 1
    world.add_revision(f"{MODEL}-{number}", behaviour)
    world.effects[f"{MODEL}-{number}"] = effect
    world.set_spec(revision={"name": f"{MODEL}-{number}"})


def promoted(world: RampWorld, look: Look) -> None:
    """Start, both steps, takeover."""
    newcomer(world, 1.05)
    for reason in ("Preparing", "RolloutStarted", "Collecting", "StepPassed", "MinimumNotReached", "Switching"):
        look.here()
        look.until(reason)
    look.here()
    world.settle()


def rolled_back(world: RampWorld, look: Look) -> None:
    """Start, and harm at the first step."""
    newcomer(world, 0.5)
    look.here()
    look.until("RolloutStarted")
    look.here()
    world.tick()
    look.here()
    look.until("HarmShown")
    look.here()
    world.settle()


def superseded(world: RampWorld, look: Look) -> None:
    """Another revision is wanted half-way, and is promoted."""
    newcomer(world)
    look.until("RolloutStarted")
    look.here()
    newcomer(world, 1.05)
    look.here()
    look.until("Preparing")
    look.here()
    look.until("RolloutStarted")
    look.here()
    world.settle()


def aborted(world: RampWorld, look: Look) -> None:
    """A person ends it, and later tries again."""
    newcomer(world)
    look.until("RolloutStarted")
    world.say(Action.ABORT)
    look.here()
    world.settle()
    assert (world.phase, world.serving, world.deployments()) == ("RolledBack", "churn-1", {"churn-1"})
    world.say(Action.RETRY)
    look.here()
    look.until("RolloutStarted")
    look.here()
    world.settle()


def undone(world: RampWorld, look: Look) -> None:
    """A person takes a promotion back."""
    newcomer(world, 1.05)
    world.settle()
    assert world.serving == "churn-2"
    world.say(Action.UNDO)
    look.here()
    look.until("Preparing")
    look.here()
    look.until("Switching")
    look.here()
    world.settle()


def replanned(world: RampWorld, look: Look) -> None:
    """The plan is changed half-way: it begins anew."""
    newcomer(world, 1.05)
    look.until("RolloutStarted")
    world.tick()
    other = {"gateway": {"name": "web"}, "assignment": {"unit": "User", "holdoutPercent": 5}}
    world.set_spec(rollout=ROLLOUT | {"steps": [{"weight": 20}, {"weight": 40}]}, traffic=other)
    look.here()
    look.until("RolloutStarted")
    look.here()
    world.settle()


def broken(world: RampWorld, look: Look) -> None:
    """The canary's pods break half-way."""
    newcomer(world)
    look.until("RolloutStarted")
    world.behaviours["churn-2"] = Behaviour.BROKEN
    world.tick()
    look.here()
    look.until("CanaryUnavailable")
    look.here()
    world.settle()


def misspelled(world: RampWorld, look: Look) -> None:
    """A revision that does not exist is wanted half-way, and the canary does harm; then the name is put right."""
    newcomer(world, 0.5)
    look.until("RolloutStarted")
    world.set_spec(revision={"name": "churn-9"})
    for _ in range(4):
        look.here()
        world.reconcile()
        world.tick()
    assert (world.phase, world.reached()) == ("Blocked", {"churn-1"})
    world.set_spec(revision={"name": "churn-2"})
    look.here()
    world.settle()


ENDS: dict[str, tuple[History, str, str]] = {
    "promoted": (promoted, "Serving", "churn-2"),
    "rolled back": (rolled_back, "RolledBack", "churn-1"),
    "superseded": (superseded, "Serving", "churn-3"),
    "aborted, tried again": (aborted, "Serving", "churn-2"),
    "undone": (undone, "RolledBack", "churn-1"),
    "replanned": (replanned, "Serving", "churn-2"),
    "broken": (broken, "RolledBack", "churn-1"),
    "misspelled": (misspelled, "RolledBack", "churn-1"),
}


def _play(history: History, place: int | None = None, die_after: int = 0) -> tuple[Look, RampWorld]:
    world = RampWorld()
    world.add_revision("churn-1")
    world.settle()
    look = Look(world, place, die_after)
    history(world, look)
    return look, world


def _end(world: RampWorld) -> tuple[Any, ...]:
    """Where a history has come to."""
    record = world.record
    assert record is not None
    status = world.model["status"]
    return (
        world.phase,
        world.serving,
        sorted(world.objects, key=str),
        len(world.pods),
        world.reached(),
        (record.name, record.revision, record.plan, record.stable, record.step, record.result, record.reason),
        (status["stable"]["revision"], status["rollout"]["result"], status["rollout"]["weight"], "canary" in status),
        sorted(world.books),
    )


@pytest.mark.parametrize("name", ENDS)
def test_a_rollout_ends_where_it_should(name: str) -> None:
    """Users reach exactly one revision, alone, and nothing is left of the other one."""
    history, phase, serving = ENDS[name]
    _, world = _play(history)
    assert (world.phase, world.serving, world.reached()) == (phase, serving, {serving})
    assert world.deployments() == {serving}
    assert world.model["status"]["stable"]["revision"] == serving
    writes = len(world.writes)
    world.tick(3600)
    plan = world.reconcile()
    assert (plan.applies, plan.deletes, plan.requeue_after_seconds, len(world.writes)) == ((), (), None, writes)


@pytest.mark.parametrize("name", ENDS)
def test_an_operator_killed_at_any_write_ends_in_the_same_place(name: str) -> None:
    """At each moment that matters, after each write of the pass: the same end, by rollouts of the same names."""
    history, _, _ = ENDS[name]
    undisturbed = _end(_play(history)[1])
    for killed, world in killed_anywhere(lambda place, write: _play(history, place, write)):
        assert _end(world) == undisturbed, killed


@pytest.mark.parametrize("history", [promoted, rolled_back])
def test_the_evidence_of_the_end_is_that_of_the_verdict(history: History) -> None:
    """Also when the operator was killed between the verdict and the status: anybody can compute the verdict again."""
    steps = _steps_told(_play(history)[1])
    assert steps
    for killed, world in killed_anywhere(lambda place, write: _play(history, place, write)):
        assert world.model["status"]["rollout"]["message"], killed
        assert _steps_told(world) == steps, killed


def _steps_told(world: RampWorld) -> list[int]:
    """Of the status's cohorts."""
    return [cohort["step"] for cohort in world.model["status"]["rollout"]["counts"]]


def test_a_person_ends_a_rollout_while_the_spec_names_nothing() -> None:
    """Its users go back to stable, and until the name is put right nothing else is touched."""
    world = RampWorld()
    world.add_revision("churn-1")
    world.settle()
    newcomer(world)
    Look(world, None, 0).until("RolloutStarted")
    world.set_spec(revision={"name": "churn-9"})
    world.settle()
    assert (world.phase, world.reached()) == ("Blocked", {"churn-1", "churn-2"})
    world.say(Action.ABORT)
    world.settle()
    assert (world.phase, world.reason, world.reached()) == ("Blocked", "RevisionNotFound", {"churn-1"})
    assert world.deployments() == {"churn-1", "churn-2"}
    world.set_spec(revision={"name": "churn-2"})
    world.settle()
    assert (world.phase, world.deployments()) == ("RolledBack", {"churn-1"})


def test_weights_rise_step_by_step() -> None:
    """The gateway carries each step's weight once, and never one of before."""
    _, world = _play(promoted)
    (first, ten), (second, fifty) = world.weights
    assert (first, ten, fifty) == (second, 10, 50)


def test_a_plan_changed_half_way_begins_anew_under_a_new_name() -> None:
    """What was counted by the old plan stays with the old name, which the ledger is told to close."""
    _, world = _play(replanned)
    assert [weight for _, weight in world.weights] == [10, 20, 40]
    old, new = dict.fromkeys(name for name, _ in world.weights)
    assert (world.books[old].closed, world.books[new].closed) == (True, False)


def test_a_promotion_costs_its_writes_and_no_more() -> None:
    """Two steps: a declaration, a Service and a route for each move, and what a newcomer costs anyway."""
    world = RampWorld()
    world.add_revision("churn-1")
    world.settle()
    world.writes.clear()
    newcomer(world, 1.05)
    world.settle()
    assert world.record is not None
    assert [write for write in world.writes if write != "status"] == [
        "apply Deployment churn-2",
        "apply Service churn-2",
        f"declare {world.record.name}",
        *("apply Service churn", "apply HTTPRoute churn") * 3,
        "delete Service churn-1",
        "delete Deployment churn-1",
    ]


def test_a_rejected_revision_is_not_tried_again() -> None:
    """However long it takes and however often the operator restarts, until the plan is another one."""
    _, world = _play(rolled_back)
    world.restart_operator()
    world.writes.clear()
    world.settle()
    assert [write for write in world.writes if write != "status"] == []
    world.effects["churn-2"] = 1.05
    world.set_spec(rollout=ROLLOUT | {"steps": [*STEPS, {"weight": 60}]})
    world.settle()
    assert (world.phase, world.serving) == ("Serving", "churn-2")


def test_an_undone_promotion_needs_no_unchanged_plan() -> None:
    """Who takes a promotion back may have edited the steps meanwhile; the revision stays rejected by the new plan."""
    world = RampWorld()
    world.add_revision("churn-1")
    world.settle()
    newcomer(world, 1.05)
    world.settle()
    world.set_spec(rollout=ROLLOUT | {"steps": [{"weight": 30}]})
    world.settle()
    world.say(Action.UNDO)
    world.settle()
    assert (world.phase, world.serving, world.deployments()) == ("RolledBack", "churn-1", {"churn-1"})


def test_without_the_canary_stable_answers_all_and_the_other_way_round() -> None:
    """While one arm has no pod the other answers everybody, uncounted; when it is back, the split is."""
    world = RampWorld()
    world.add_revision("churn-1")
    world.settle()
    newcomer(world)
    look = Look(world, None, 0)
    look.until("RolloutStarted")
    world.tick()
    for down, others in (("churn-2", {"churn-1"}), ("churn-1", {"churn-2"})):
        assert world.reached() == {"churn-1", "churn-2"}
        world.down = {down}
        for _ in range(3):
            world.tick()
            world.reconcile()
        world.tick()
        counted = {name: dict(book.counts) for name, book in world.books.items()}
        world.tick()
        assert world.reached() == others
        assert {name: dict(book.counts) for name, book in world.books.items()} == counted
        world.down = set()
        for _ in range(3):
            world.tick()
            world.reconcile()
        world.tick()


def test_a_lost_ledger_holds_the_weights() -> None:
    """Nothing moves while it is away, however good the canary is; when it answers again, the rollout goes on."""
    world = RampWorld()
    world.add_revision("churn-1")
    world.settle()
    newcomer(world, 1.05)
    Look(world, None, 0).until("RolloutStarted")
    world.ledger_away = True
    world.settle()
    assert (world.reason, world.phase) == ("LedgerUnavailable", "Canary")
    assert [weight for _, weight in world.weights] == [10]
    world.ledger_away = False
    world.settle()
    assert (world.phase, world.serving) == ("Serving", "churn-2")


def test_a_ledger_that_is_away_begins_nothing() -> None:
    """No user sees a canary that nobody counts."""
    world = RampWorld()
    world.add_revision("churn-1")
    world.settle()
    world.ledger_away = True
    newcomer(world)
    for _ in range(12):
        world.reconcile()
        world.tick()
    assert (world.reached(), world.record) == ({"churn-1"}, None)


def test_a_gateway_that_refuses_holds_the_rollout() -> None:
    """Neither the first weight nor a later one is given while the route is not carried."""
    world = RampWorld()
    world.add_revision("churn-1")
    world.settle()
    world.refusing = True
    world.tick()
    newcomer(world, 1.05)
    world.settle()
    assert (world.reason, world.record, world.reached()) == ("GatewayUnavailable", None, {"churn-1"})
    world.refusing = False
    world.settle()
    assert (world.phase, world.serving) == ("Serving", "churn-2")


@pytest.mark.parametrize(("effect", "last_word"), [(1.05, "Switching"), (0.5, "HarmShown")])
def test_an_arm_stays_until_the_gateway_has_heard_that_users_left_it(effect: float, last_word: str) -> None:
    """However long its controller is away, and whatever drainSeconds says; then the arm goes at once."""
    world = RampWorld()
    world.add_revision("churn-1")
    world.settle()
    newcomer(world, effect)
    Look(world, None, 0).until(last_word)
    world.gateway_away = True
    world.settle()
    assert world.reached() == {"churn-1", "churn-2"} == world.deployments()
    world.gateway_away = False
    world.settle()
    assert {world.serving} == world.reached() == world.deployments()


def test_without_steps_a_model_behind_a_gateway_takes_over_at_once() -> None:
    """One write for the Service, one for the route, and no word to the ledger."""
    world = RampWorld()
    world.set_spec(rollout={}, traffic=TRAFFIC)
    world.add_revision("churn-1")
    world.settle()
    assert {(kind, name) for kind, name in world.objects if kind in (DEPLOYMENT, HTTP_ROUTE)} == {
        (DEPLOYMENT, "churn-1"),
        (HTTP_ROUTE, MODEL),
    }
    newcomer(world)
    world.settle()
    assert (world.phase, world.reached(), world.books, world.record) == ("Serving", {"churn-2"}, {}, None)

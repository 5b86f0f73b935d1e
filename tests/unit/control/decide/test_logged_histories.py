"""Log before act: every change of traffic has its entry before it, once, and a kill at any write changes neither."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import orjson
import pytest

from marquee.api.rollout import Analysis, Step
from marquee.contract.command import Action
from marquee.contract.ledger import CohortStatistics, OutcomeStatistics, RolloutStatistics
from marquee.control.decide import decide
from marquee.control.kinds import SERVICE
from marquee.judging.asking import declaration_of, judge, stage_of
from tests.unit.control.builders import MODEL
from tests.unit.control.decide import test_pods_histories, test_ramp_histories
from tests.unit.control.decide.test_ramp_histories import History, Look, killed_anywhere, newcomer
from tests.unit.control.logged_worlds import Logged, LoggedPodsWorld, LoggedRampWorld
from tests.unit.control.ramp_world import RampWorld
from tests.unit.control.world import Behaviour

PROMOTED = [("Start", (("churn-1", 900), ("churn-2", 100))), ("Promote", (("churn-1", 500), ("churn-2", 500)))]
TAKEN_BACK = (("churn-1", 1000),)
VERDICTS: dict[str, list[str]] = {
    "promoted": ["Serve", "Start", "Promote", "Promote"],
    "rolled back": ["Serve", "Start", "Rollback"],
    "superseded": ["Serve", "Start", "Supersede", "Start", "Promote", "Promote"],
    "aborted, tried again": ["Serve", "Start", "Abort", "Start", "Promote", "Promote"],
    "undone": ["Serve", "Start", "Promote", "Promote", "Undo"],
    "replanned": ["Serve", "Start", "Supersede", "Start", "Promote", "Promote"],
    "broken": ["Serve", "Start", "Rollback"],
    "misspelled": ["Serve", "Start", "Rollback"],
}
BY_PODS = test_pods_histories.HISTORIES


def play(history: History, world: Logged, place: int | None = None, die_after: int = 0) -> Logged:
    """A history from a serving model on."""
    return watched(history, world, place, die_after)[1]


def watched(history: History, world: Logged, place: int | None, die_after: int) -> tuple[Look, Logged]:
    """The same, and whether the operator was killed."""
    world.add_revision("churn-1")
    world.settle()
    look = Look(world, place, die_after)
    history(world, look)
    return look, world


def serving() -> LoggedRampWorld:
    """A model that serves, whose first revision is entered."""
    world = LoggedRampWorld()
    world.add_revision("churn-1")
    world.settle()
    return world


def begun(effect: float = 1.0) -> LoggedRampWorld:
    """One whose second revision is on its first step."""
    world = serving()
    newcomer(world, effect)
    Look(world, None, 0).until("RolloutStarted")
    return world


def unrecorded(world: Logged) -> list[tuple[str, str]]:
    """Status and reason of the condition that is there while something is owed."""
    conditions = world.model["status"]["conditions"]
    return [(one["status"], one["reason"]) for one in conditions if one["type"] == "GovernanceRecorded"]


def require_whole(world: Logged) -> None:
    """Nothing happened without its entry, no decision was entered twice, and the log leads where the world is."""
    assert world.unentered == []
    decisions = world.log.decisions
    assert [stamp.stamp.sequence for stamp in world.log.statements] == list(range(1, len(decisions) + 1))
    assert not [two for one, two in pairwise(decisions) if one.leads_where(two)]
    assert world.debts() == ()
    assert dict(decisions[-1].shares) == {world.serving: 1000}


@pytest.mark.parametrize("name", VERDICTS)
def test_a_history_has_one_entry_for_each_decision(name: str) -> None:
    """Who serves, each step, and each end: in order, numbered without a gap."""
    world = play(test_ramp_histories.ENDS[name][0], LoggedRampWorld())
    require_whole(world)
    assert world.log.verdicts == VERDICTS[name]


@pytest.mark.parametrize("name", VERDICTS)
def test_an_operator_killed_at_any_write_enters_nothing_twice(name: str) -> None:
    """At each moment that matters, before and after each write and each entry: the same entries as undisturbed."""
    history = test_ramp_histories.ENDS[name][0]
    undisturbed = play(history, LoggedRampWorld())
    for killed, world in killed_anywhere(lambda place, write: watched(history, LoggedRampWorld(), place, write)):
        require_whole(world)
        assert world.log.decisions == undisturbed.log.decisions, killed
        assert world.log.verdicts == undisturbed.log.verdicts, killed


@pytest.mark.parametrize("name", BY_PODS)
def test_the_same_without_a_gateway(name: str) -> None:
    """Where the numbers of pods are the split, and the Service is what leads users."""
    undisturbed = play(BY_PODS[name], LoggedPodsWorld())
    require_whole(undisturbed)
    for killed, world in killed_anywhere(lambda place, write: watched(BY_PODS[name], LoggedPodsWorld(), place, write)):
        require_whole(world)
        assert world.log.decisions == undisturbed.log.decisions, killed


def test_shares_and_their_reasons() -> None:
    """What the canary gets, what it had before, by which rule and on whose word."""
    world = play(test_ramp_histories.promoted, LoggedRampWorld())
    serve, start, step, end = world.log.events
    assert [
        (one.verdict, decision.shares) for one, decision in zip((start, step), world.log.decisions[1:3], strict=True)
    ] == (PROMOTED)
    assert (serve.before, serve.rollout, serve.stage) == ((), "", "")
    assert (start.rule, step.rule, end.rule) == ("first step", "next step", "proven")
    assert (start.step, step.step, end.step, end.stage) == (0, 1, 1, "Promoted")
    assert step.before == start.shares
    assert (end.before, end.concluded) == (step.shares, "Promote (NonInferior)")
    assert end.reason.startswith("Switching: revision churn-2 takes over from churn-1")
    assert {subject.name for subject in world.log.statements[-1].subjects} == {"spec/churn/3", "revision/churn-2"}
    assert (end.actor, end.code, end.by) == ("operator test/test-0", "0.0.0", "")


@pytest.mark.parametrize("history", ["promoted", "rolled back"])
def test_an_entry_has_what_its_verdict_follows_from(history: str) -> None:
    """The question, the integers and the step's age: whoever has the entry alone comes to the same verdict."""
    world = play(test_ramp_histories.ENDS[history][0], LoggedRampWorld())
    judged = [event for event in world.log.events if event.concluded]
    assert len(judged) == {"promoted": 2, "rolled back": 1}[history]
    for event in judged:
        asked = orjson.loads(event.question)
        analysis = Analysis.model_validate(asked["analysis"])
        cohorts = tuple(
            CohortStatistics(
                step=one.step,
                arm=one.arm,
                exposures=one.exposures,
                requests=one.requests,
                errors=one.errors,
                slow=one.slow,
                outcomes={
                    name: OutcomeStatistics(
                        successes=one.successes[name],
                        sum=int(one.sums[name]),
                        sum_of_squares=int(one.sums_of_squares[name]),
                    )
                    for name in one.successes
                },
            )
            for one in event.evidence
        )
        statistics = RolloutStatistics(
            model="growth/churn",
            rollout=event.rollout,
            revision=0,
            closed=False,
            metrics=declaration_of(analysis).metrics,
            cohorts=cohorts,
        )
        stage = stage_of(Step.model_validate(asked["asks"]), asked["step"], asked["elapsedSeconds"])
        judgement, _ = judge(analysis, asked["weights"], stage, statistics, promised=asked["promised"])
        assert f"{judgement.verdict.value} ({judgement.reason.value})" == event.concluded


def test_a_persons_word_is_entered_with_the_name_that_they_gave() -> None:
    """As far as it is known: anybody who may annotate may write it."""
    world = play(test_ramp_histories.aborted, LoggedRampWorld())
    abort = next(event for event in world.log.events if event.verdict == "Abort")
    assert (abort.by, abort.rule) == ("ana", "aborted")
    assert dict(world.log.decisions[2].shares) == {"churn-1": 1000}


def test_no_step_is_taken_while_the_log_is_away() -> None:
    """Weights stay where they are, however long; when it is back, the rollout goes on where it was."""
    world = begun(1.05)
    world.log.away = True
    for _ in range(30):
        world.reconcile()
        world.tick(5)
    assert [weight for _, weight in world.weights] == [10]
    assert (world.log.verdicts, world.debts()) == (["Serve", "Start"], ())
    world.log.away = False
    world.settle()
    require_whole(world)
    assert world.log.verdicts == VERDICTS["promoted"]


def test_no_first_user_comes_while_the_log_is_away() -> None:
    """A new model waits: what serves must be in the log before it serves."""
    world = LoggedRampWorld()
    world.log.away = True
    world.add_revision("churn-1")
    for _ in range(5):
        world.reconcile()
        world.tick()
    assert (SERVICE, MODEL) not in world.objects
    world.log.away = False
    world.settle()
    require_whole(world)
    assert (world.phase, world.log.verdicts) == ("Serving", ["Serve"])


def _lose_while_away(world: RampWorld, look: Look) -> None:
    assert isinstance(world, Logged)
    newcomer(world, 0.5)
    look.until("RolloutStarted")
    world.log.away = True
    world.tick()
    look.here()
    look.until_true(lambda: world.reached() == {"churn-1"}, "taken back")
    look.here()
    world.settle()
    assert [debt.stage for debt in world.debts()] == ["RolledBack"]
    assert unrecorded(world) == [("False", "AuditUnavailable")]
    look.here()
    world.log.away = False
    world.tick(60)
    look.here()
    world.settle()


def test_harm_takes_users_back_also_without_the_log() -> None:
    """The exception: at once, remembered in the same write, and entered as late when the log is back."""
    world = play(_lose_while_away, LoggedRampWorld())
    require_whole(world)
    assert unrecorded(world) == []
    rollback = world.log.events[-1]
    assert (rollback.verdict, rollback.late, rollback.stage, rollback.rule) == ("Rollback", True, "RolledBack", "harm")
    assert rollback.acted is not None
    assert rollback.acted < world.log.statements[-1].stamp.time
    assert rollback.evidence
    assert rollback.findings


def test_what_is_owed_survives_a_kill_at_any_write() -> None:
    """It is paid once: neither forgotten nor entered twice."""
    undisturbed = play(_lose_while_away, LoggedRampWorld())
    history = _lose_while_away
    for killed, world in killed_anywhere(lambda place, write: watched(history, LoggedRampWorld(), place, write)):
        require_whole(world)
        assert world.log.verdicts == undisturbed.log.verdicts, killed


@pytest.mark.parametrize("action", [Action.ABORT, Action.UNDO])
def test_a_person_takes_users_back_also_without_the_log(action: Action) -> None:
    """Abort and undo do not wait for it."""
    world = LoggedRampWorld()
    world.add_revision("churn-1")
    world.settle()
    newcomer(world, 1.05)
    look = Look(world, None, 0)
    if action is Action.ABORT:
        look.until("RolloutStarted")
    else:
        world.settle()
    world.log.away = True
    world.say(action)
    world.settle()
    assert world.reached() == {"churn-1"}
    world.log.away = False
    world.tick(60)
    world.settle()
    require_whole(world)
    assert (world.log.events[-1].late, world.log.verdicts[-1]) == (True, action.value.capitalize())


def test_an_arm_without_pods_loses_its_users_also_without_the_log() -> None:
    """Each way is entered afterwards, with its own time and in its order."""
    world = begun()
    world.log.away = True
    for down in ({"churn-2"}, set(), {"churn-2"}):
        world.down = set(down)
        for _ in range(3):
            world.tick()
            world.reconcile()
    assert world.unentered == []
    assert len(world.debts()) == 3
    world.log.away, world.down = False, set()
    world.tick(60)
    for _ in range(4):
        world.reconcile()
        world.tick()
    assert world.log.verdicts[:6] == ["Serve", "Start", "Reroute", "Reroute", "Reroute", "Reroute"]
    assert [event.late for event in world.log.events[2:6]] == [True, True, True, False]
    assert world.debts() == ()


def test_an_answer_that_is_lost_is_no_second_entry() -> None:
    """What was entered is found, although nobody heard of it."""
    world = serving()
    newcomer(world, 1.05)
    world.log.loses_answers = True
    for _ in range(12):
        world.reconcile()
        world.tick()
    world.log.loses_answers = False
    world.tick(60)
    world.settle()
    require_whole(world)
    assert world.log.verdicts == VERDICTS["promoted"]


def test_another_operators_entry_is_followed() -> None:
    """Whoever led meanwhile has entered something: it is read, and the next number is taken."""
    world = serving()
    newcomer(world, 1.05)
    hand = world._hand
    world.restart_operator()
    look = Look(world, None, 0)
    look.until("RolloutStarted")
    world._hand = hand  # it knows nothing of the entry since
    world.settle()
    require_whole(world)
    assert world.log.verdicts == VERDICTS["promoted"]


def test_a_converged_model_asks_the_log_nothing() -> None:
    """No entry, no question: silence costs nothing, also after a restart."""
    world = serving()
    world.restart_operator()
    plan = decide(world.snapshot())
    assert (plan.entries, plan.applies, plan.requeue_after_seconds) == ((), (), None)


def test_a_model_that_is_made_anew_begins_anew() -> None:
    """Of the same name with the same revision: it is another one, and its first users are entered again."""
    world = LoggedRampWorld()
    world.set_spec(rollout={})
    world.add_revision("churn-1")
    world.settle()
    (first,) = world.log.decisions
    log = world.snapshot().audit
    assert log is not None
    assert log.has(first, ())
    assert not log.has(replace(first, uid="uid-of-another"), ())


def test_a_takeover_without_steps_is_entered_too() -> None:
    """Traffic moves at once, and the entry comes before."""
    world = LoggedRampWorld()
    world.set_spec(rollout={})
    world.add_revision("churn-1")
    world.settle()
    newcomer(world)
    world.settle()
    require_whole(world)
    assert world.log.verdicts == ["Serve", "Replace"]
    assert world.log.events[-1].question == ""


def test_a_broken_newcomer_without_steps_changes_nothing() -> None:
    """What never gets a user never gets an entry."""
    world = serving()
    newcomer(world, 1.0, Behaviour.BROKEN)
    world.settle()
    assert world.log.verdicts == ["Serve"]


def test_no_log_no_entries() -> None:
    """An operator without a log decides as before."""
    world = LoggedRampWorld()
    world.add_revision("churn-1")
    plan: Any = decide(RampWorld.snapshot(world))
    assert plan.entries == ()

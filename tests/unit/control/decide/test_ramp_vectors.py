"""Every combination of what a rollout depends on, against the promises that hold whatever the situation."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import pytest

from marquee.api.marketing_model import MarketingModelStatus
from marquee.api.rollout_status import RolloutResult
from marquee.contract.command import Action
from marquee.control.decide import decide
from marquee.control.decide.facts import Facts, gather
from marquee.control.decide.plan import Plan
from marquee.control.decide.table import TABLE, Move, Row, match
from marquee.control.kinds import DEPLOYMENT, HTTP_ROUTE, SERVICE
from marquee.control.render import names
from marquee.control.render.record import RolloutRecord, read_record
from marquee.control.snapshot import ProbeResult, Reading, Snapshot
from tests.unit.control.builders import MODEL, READY, STARTING, Arm, a_pod, a_probe
from tests.unit.control.ramps import (
    CANARY,
    EMPTY,
    GOOD,
    GOOD_LAST,
    HARM,
    NOT_READ,
    OTHER_STEPS,
    PASSED,
    STABLE,
    UNDECIDED,
    Ramp,
    a_command,
    away,
    ramp,
    record_of,
    saying,
)

MANUAL = [{"weight": 10, "approval": "Manual"}, {"weight": 50}]
RECORDS: dict[str, Ramp | None] = {
    "none": None,
    "first step": Ramp(),
    "last step": Ramp(step=1),
    "other plan": Ramp(steps=OTHER_STEPS),
    "other revision": Ramp(revision="churn-3"),
    "rolled back": Ramp(result=RolloutResult.ROLLED_BACK, reason="HarmShown", message="rolled back: worse"),
    "promoted": Ramp(step=1, result=RolloutResult.PROMOTED, reason="Switching"),
}
RUNNING = ("first step", "last step")
READINGS: dict[str, Reading | None] = {
    "no ledger": None,
    "not read": NOT_READ,
    "empty": EMPTY,
    "harm": HARM,
    "good": GOOD,
    "good to the end": GOOD_LAST,
    "undecided": UNDECIDED,
    "harm, then away": away(HARM),
    "good, then away": away(GOOD_LAST),
}
COMMANDS: dict[str, tuple[Action, int | None, str] | None] = {
    "none": None,
    "promote the first step": (Action.PROMOTE, 0, ""),
    "abort": (Action.ABORT, None, ""),
    "abort another": (Action.ABORT, None, "churn-9-0"),
    "pause": (Action.PAUSE, None, ""),
    "undo": (Action.UNDO, None, ""),
    "retry": (Action.RETRY, None, ""),
}
CRASHING = Arm(ready=0, pods=(a_pod(CANARY, ready=False, restarts=9),))
ARMS: dict[str, tuple[Arm, Arm, ProbeResult | None]] = {
    "ready": (READY, READY, PASSED),
    "unproven": (READY, READY, None),
    "refuted": (READY, READY, a_probe(CANARY, passed=False)),
    "canary starting": (READY, STARTING, None),
    "canary broken": (READY, CRASHING, None),
    "stable away": (STARTING, READY, PASSED),
}
SPECS: dict[str, dict[str, Any]] = {"automatic": {}, "manual": {"steps": MANUAL}, "paused": {"paused": True}}


@dataclass(frozen=True)
class Case:
    """One combination, what is seen of it and what is decided."""

    record: str
    reading: str
    command: str
    arms: str
    refused: bool
    spec: str
    snapshot: Snapshot
    facts: Facts
    row: Row
    plan: Plan

    @property
    def before(self) -> RolloutRecord | None:
        """What the Service remembers."""
        return record_of(self.snapshot)

    @property
    def after(self) -> RolloutRecord | None:
        """What it will remember."""
        for apply in self.plan.applies:
            if (apply.kind, apply.manifest["metadata"]["name"]) == (SERVICE, MODEL):
                return read_record(apply.manifest["metadata"]["annotations"].get(names.ANNOTATION_ROLLOUT))
        return self.before

    @property
    def named(self) -> str:
        """For a failed assertion."""
        return " | ".join((self.record, self.reading, self.command, self.arms, self.spec, str(self.refused)))


def _combinations() -> Iterator[tuple[str, str, str, str, bool, str]]:
    for combination in itertools.product(RECORDS, READINGS, COMMANDS, ARMS, (False, True), SPECS):
        record, reading, command, arms, refused, spec = combination
        if record not in RUNNING and reading not in {"no ledger", "not read"}:
            continue  # nothing is judged
        if arms in {"unproven", "refuted", "canary starting"} and command not in {"none", "abort", "retry"}:
            continue  # these rows come before those that a command leads to
        if refused and (command not in {"none", "abort", "undo"} or arms not in {"ready", "stable away"}):
            continue
        if spec == "manual" and command not in {"none", "promote the first step"}:
            continue
        yield record, reading, command, arms, refused, spec


@cache
def _bare(record: str, arms: str, refused: bool, spec: str) -> Snapshot:
    stable, canary, probe = ARMS[arms]
    return ramp(
        serving=CANARY if record == "promoted" else STABLE,
        arms={STABLE: stable, CANARY: canary, "churn-3": READY},
        record=RECORDS[record],
        refusal="Gateway crm/web does not accept the route" if refused else "",
        probe=probe,
        **SPECS[spec],
    )


@cache
def _cases() -> list[Case]:
    found = []
    for record, reading, command, arms, refused, spec in _combinations():
        observed = replace(_bare(record, arms, refused, spec), ledger=READINGS[reading])
        if (said := COMMANDS[command]) is not None:
            action, step, rollout = said
            observed = saying(observed, a_command(observed, action, step=step, rollout=rollout))
        facts = gather(observed)
        found.append(
            Case(record, reading, command, arms, refused, spec, observed, facts, match(facts), decide(observed))
        )
    return found


def _route(plan: Plan, observed: Snapshot) -> Any:
    applied = [apply.manifest for apply in plan.applies if apply.kind == HTTP_ROUTE]
    assert observed.route is not None
    return (applied[0] if applied else observed.route.child.manifest())["spec"]["rules"]


def _reached(case: Case) -> set[str]:
    """Revisions that the gateway sends anybody to after this plan."""
    rules = _route(case.plan, case.snapshot)
    return {backend["name"] for rule in rules for backend in rule["backendRefs"] if backend["weight"]}


def test_the_combinations_reach_every_row_of_a_rollout() -> None:
    """Each row that `test_vectors` can't reach is reached here; those without a gateway: `test_pods_vectors`."""
    rows = {case.row.name for case in _cases()}
    others = {"no revision", "withdrawn", "held up", "lost", "changing", "draining", "not alone", "filling up"}
    others |= {"judged only", "unjudged", "asleep", "killed", "safe", "frozen"}
    others |= {"unsigned", "first unsigned", "unmeasured", "first unmeasured", "unfair", "first unfair"}
    assert rows | others == {row.name for row in TABLE}


def test_users_get_weight_only_when_the_canary_is_ready_and_proven() -> None:
    """The first weight, each further one and the takeover need all pods, and a probe that named the right bytes."""
    for case in _cases():
        if case.row.moves & (Move.BEGIN | Move.ADVANCE | Move.SWITCH):
            assert case.facts.target is not None, case.named
            assert case.facts.target.ready, case.named
            assert case.facts.target.verified, case.named


def test_a_split_names_arms_that_answer() -> None:
    """Whoever gets users has an available pod, unless nobody has one; a refuted canary gets nobody."""
    for case in _cases():
        if case.row.moves is Move.NONE:
            continue
        reached = _reached(case)
        available = {
            state.child.name
            for state in case.snapshot.deployments
            if state.available_replicas and not state.child.deleting
        }
        if len(reached) > 1:
            assert reached <= available, case.named
        if case.arms == "refuted" and case.facts.serving != CANARY:
            assert reached == {STABLE}, case.named
        if case.arms == "stable away" and case.after is not None and case.after.result is None:
            assert reached == {CANARY}, case.named


def test_who_may_get_a_request_is_never_deleted() -> None:
    """Neither Deployments nor Services of revisions that the gateway or the model's Service send anybody to."""
    for case in _cases():
        assert case.facts.serving is not None
        deleted = {delete.name for delete in case.plan.deletes}
        assert not deleted & (_reached(case) | {case.facts.serving}), case.named
        before = case.before
        if before is not None and before.result is None:
            assert before.revision not in deleted, case.named  # users are still on their way from it


def test_weight_never_falls_but_to_nothing() -> None:
    """From a step only to the next one, to the takeover, or to zero."""
    for case in _cases():
        before, after = case.before, case.after
        if before is None or after is None or before.name != after.name:
            continue
        steps = before.weights
        allowed = {before.weight, 0, 100 if before.is_last_step else steps[min(before.step + 1, len(steps) - 1)]}
        assert after.weight in allowed, case.named


def test_nothing_advances_without_a_reason() -> None:
    """Not while paused, not without a route, not by stale integers, not without a passed step or a person's word."""
    for case in _cases():
        moves = case.row.moves
        if moves & (Move.BEGIN | Move.ADVANCE) or (Move.SWITCH in moves and not case.facts.rollout.undone):
            assert case.spec != "paused", case.named
            assert not case.refused, case.named
            assert not (case.record in RUNNING and case.command == "pause"), case.named
        if Move.ADVANCE in moves or (Move.SWITCH in moves and case.record in RUNNING):
            forced = case.command == "promote the first step" and case.record == "first step"
            good = {"first step": {"good", "good to the end"}, "last step": {"good to the end"}}[case.record]
            assert (
                forced
                or (case.reading in good and case.spec != "manual")
                or (case.record == "last step" and case.reading == "good to the end")
            ), case.named


def test_harm_withdraws_whatever_else_is_said() -> None:
    """Also while paused, refused by the gateway, or with the ledger gone since: shown harm stays shown."""
    harmful = [case for case in _cases() if case.record in RUNNING and case.reading.startswith("harm")]
    assert harmful
    for case in harmful:
        assert Move.WITHDRAW in case.row.moves, case.named
        assert case.after is not None
        assert case.after.weight == 0, case.named
        assert CANARY not in _reached(case), case.named


def test_there_is_no_verdict_without_data() -> None:
    """Nothing read, nothing seen, or nothing of this step: the weight stays, unless a person decides."""
    for case in _cases():
        if case.record in RUNNING and case.reading in {"not read", "empty"} and case.command in {"none", "retry"}:
            broken = case.arms == "canary broken"
            assert (case.after == case.before) is not broken, case.named


@pytest.mark.parametrize("command", ["abort another", "undo", "retry"])
def test_a_command_that_does_not_fit_does_nothing(command: str) -> None:
    """About another rollout, or about what a running rollout can't do."""
    told = {case.named: case.plan for case in _cases() if case.command == "none" and case.record in RUNNING}
    for case in _cases():
        if case.command == command and case.record in RUNNING:
            assert case.plan == told[replace(case, command="none").named], case.named


def test_a_promotion_of_another_step_does_nothing() -> None:
    """The command names step 0: one that comes late promotes no later step."""
    told = {case.named: case.plan for case in _cases() if case.command == "none"}
    for case in _cases():
        if case.command == "promote the first step" and case.record == "last step":
            assert case.plan == told[replace(case, command="none").named], case.named


def test_an_abort_ends_the_rollout() -> None:
    """Whatever else holds, but for the evidence's own verdict."""
    for case in _cases():
        if case.record in RUNNING and case.command == "abort":
            assert case.after is not None
            assert case.after.result is RolloutResult.ABORTED, case.named


def test_the_status_fits_and_a_second_look_is_silent() -> None:
    """Every status is valid; where nothing was written, another look some time later writes nothing either."""
    for case in _cases():
        status = case.plan.status
        wire = status.model_dump(mode="json", by_alias=True, exclude_none=True)
        assert MarketingModelStatus.model_validate(wire) == status, case.named
    for case in _cases()[::5]:
        plan = case.plan
        if plan.applies or plan.scales or plan.deletes or plan.probe:
            continue
        model = case.snapshot.model.model_copy(update={"status": plan.status})
        again = decide(replace(case.snapshot, model=model))
        assert (again.applies, again.deletes, again.notices) == ((), (), ()), case.named
        assert again.status == plan.status, case.named


def test_stable_is_left_alone_while_a_canary_is_on_its_way() -> None:
    """Its Deployment is neither applied nor scaled: what changes in the spec is proven on the newcomer first."""
    for case in _cases():
        if case.facts.stable is None or case.facts.stable.deployment is None:
            continue
        written = {apply.manifest["metadata"]["name"] for apply in case.plan.applies if apply.kind == DEPLOYMENT}
        scaled = {scale.name for scale in case.plan.scales}
        assert case.facts.stable.name not in written | scaled, case.named


def test_the_ledger_hears_of_a_rollout_before_users_do() -> None:
    """Each beginning declares the very name that the Service and the route will carry."""
    for case in _cases():
        begins = Move.BEGIN in case.row.moves and case.snapshot.ledger is not None
        assert (case.plan.declare is not None) == begins, case.named
        if case.plan.declare is not None and case.after is not None:
            assert case.plan.declare.rollout == case.after.name == case.plan.follow, case.named
            assert case.plan.declare.closes == (case.before.name if case.before else None), case.named

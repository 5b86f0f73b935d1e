"""Combinations of what a rollout without a gateway depends on, against the promises that hold in all of them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from marquee.api.marketing_model import MarketingModel, MarketingModelStatus
from marquee.api.rollout_status import RolloutResult
from marquee.contract.command import Action
from marquee.control.decide import decide
from marquee.control.decide.facts import Facts, gather
from marquee.control.decide.plan import Plan
from marquee.control.decide.table import Move, Row, match
from marquee.control.kinds import DEPLOYMENT, SERVICE
from marquee.control.render import children, names
from marquee.control.render.record import RolloutRecord, read_record
from marquee.control.snapshot import Child, DeploymentState, Reading, Snapshot
from tests.unit.control.builders import DEFAULTS, MODEL, STARTING, Arm, a_probe, snapshot, stored
from tests.unit.control.ramps import (
    ANALYSIS,
    CANARY,
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
    record_of,
    saying,
    statistics,
)

LEDGER_DEFAULTS = replace(DEFAULTS, ledger_url="http://ledger")
STEPS = [{"weight": 10}, {"weight": 40}]
"""One pod, then three, beside four."""
RECORDS: dict[str, tuple[Ramp | None, bool]] = {
    "none": (None, False),
    "first step": (Ramp(), False),
    "last step": (Ramp(step=1), False),
    "filling up": (Ramp(step=1), True),
    "other plan": (Ramp(steps=OTHER_STEPS), False),
    "other revision": (Ramp(revision="churn-3"), False),
    "rolled back": (Ramp(result=RolloutResult.ROLLED_BACK, reason="HarmShown", message="worse"), False),
}
RUNNING = {"first step": 1, "last step": 3, "filling up": 4}
"""Pods that the canary is to have."""
READINGS: dict[str, Reading | None] = {
    "no ledger": None,
    "not read": NOT_READ,
    "harm": HARM,
    "good": GOOD,
    "good to the end": GOOD_LAST,
    "undecided": UNDECIDED,
    "good, then away": away(GOOD_LAST),
}
COMMANDS = {"none": None, "promote": (Action.PROMOTE, 0), "abort": (Action.ABORT, None), "pause": (Action.PAUSE, None)}
PODS = {"one": 1, "three": 3, "four": 4}
ARMS = ("ready", "unproven", "refuted", "starting", "a third's pods", "service deleting")


@dataclass(frozen=True)
class Case:
    """One combination, what is seen of it and what is decided."""

    record: str
    reading: str
    command: str
    pods: int
    arms: str
    snapshot: Snapshot
    facts: Facts
    row: Row
    plan: Plan

    @property
    def named(self) -> str:
        """For a failed assertion."""
        return " | ".join((self.record, self.reading, self.command, str(self.pods), self.arms, self.row.name))

    @property
    def service(self) -> dict[str, Any]:
        """The Service after this plan."""
        written = [apply.manifest for apply in self.plan.applies if apply.manifest["metadata"]["name"] == MODEL]
        found = [body for body in written if body["kind"] == "Service"]
        child = self.snapshot.child(SERVICE, MODEL)
        assert child is not None
        return found[0] if found else child.manifest()

    @property
    def reaches_both(self) -> bool:
        """Whether users reach both arms after this plan."""
        return names.LABEL_REVISION not in self.service["spec"]["selector"]

    @property
    def after(self) -> RolloutRecord | None:
        """What the Service remembers then."""
        return read_record(self.service["metadata"]["annotations"].get(names.ANNOTATION_ROLLOUT))


def by_pods(record: str, pods: int, arms: str) -> Snapshot:
    """A model without a gateway whose rollout, canary and surroundings are those of the tables above."""
    canary = Arm(replicas=pods)
    found = {STABLE: Arm(replicas=4), CANARY: STARTING if arms == "starting" else canary}
    if arms == "a third's pods":
        found["churn-3"] = Arm(replicas=1)
    probes = {"unproven": None, "starting": None, "refuted": a_probe(CANARY, passed=False)}
    observed = snapshot(
        wanted=CANARY,
        serving=STABLE,
        proven=STABLE,
        arms=found,
        revisions=("churn-1", "churn-2", "churn-3"),
        probe=probes.get(arms, PASSED),
        service_deleting=arms == "service deleting",
        defaults=LEDGER_DEFAULTS,
        scaling={"class": "None", "minReplicas": 4},
        rollout={"steps": STEPS, "analysis": ANALYSIS},
    )
    ramp, filling = RECORDS[record]
    if ramp is None:
        return observed
    remembered = replace(ramp.record(observed.model), filling=filling, stamping=True)
    deleting = arms == "service deleting"
    kept = tuple(_remembering(observed.model, child, remembered, deleting) for child in observed.children)
    return replace(observed, children=kept)


def _remembering(model: MarketingModel, child: Child, record: RolloutRecord, deleting: bool) -> Child:
    if child.kind != SERVICE:
        return child
    annotations = {names.ANNOTATION_ROLLOUT: record.to_text()}
    both = record.result is None
    address = children.service(model, revision=STABLE, annotations=annotations, both_arms=both)
    return stored(SERVICE, address, deleting=deleting)


def _combinations() -> Iterator[Case]:
    for record, reading, command, pods, arms in itertools.product(RECORDS, READINGS, COMMANDS, PODS, ARMS):
        if record not in RUNNING and (command != "none" or reading not in {"no ledger", "not read", "good"}):
            continue
        if command != "none" and arms in {"unproven", "starting", "a third's pods"}:
            continue
        observed = replace(by_pods(record, PODS[pods], arms), ledger=READINGS[reading])
        said = COMMANDS[command]
        if said is not None:
            observed = saying(observed, a_command(observed, said[0], step=said[1]))
        facts = gather(observed)
        yield Case(record, reading, command, PODS[pods], arms, observed, facts, match(facts), decide(observed))


@cache
def _cases() -> list[Case]:
    return list(_combinations())


def test_the_rows_of_pods_are_reached() -> None:
    """Those that only rollouts without a gateway have."""
    assert {"not alone", "filling up"} <= {case.row.name for case in _cases()}


def test_both_arms_are_reached_only_by_a_rollout_that_is_under_way() -> None:
    """Of the wanted revision by the present plan, proven, with pods; and with nobody else's."""
    for case in _cases():
        if case.reaches_both and case.arms != "service deleting":
            assert case.after is not None, case.named
            assert (case.after.result, case.after.revision) == (None, CANARY), case.named
            assert not (case.facts.target is not None and case.facts.target.refuted), case.named
            begins = record_of(case.snapshot) is None or case.record not in RUNNING
            assert not (begins and case.arms != "ready"), case.named


def test_the_service_is_closed_before_anything_is_deployed() -> None:
    """Whoever comes up after it is not reached."""
    for case in _cases():
        was_open = case.record in {*RUNNING, "other plan", "other revision"}
        if was_open and not case.reaches_both and case.plan.applies and case.arms != "service deleting":
            assert case.plan.applies[0].manifest["kind"] == "Service", case.named


def test_the_canary_has_the_pods_of_its_step_and_stable_all_of_its_own() -> None:
    """Stable is never scaled: it must be able to take everybody back."""
    for case in _cases():
        scaled = {scale.name: scale.replicas for scale in case.plan.scales}
        assert STABLE not in scaled, case.named
        if case.record in RUNNING and Move.WITHDRAW not in case.row.moves and case.facts.target is not None:
            wanted = RUNNING[case.record]
            current = case.facts.target.deployment.replicas if case.facts.target.deployment else 1
            assert scaled.get(CANARY, current) == wanted, case.named


def test_users_are_given_to_the_canary_alone_only_with_all_its_pods() -> None:
    """However the last step was passed."""
    for case in _cases():
        if Move.SWITCH in case.row.moves:
            assert (case.record, case.pods) == ("filling up", 4), case.named


def test_a_step_needs_its_pods_before_it_is_judged_or_left() -> None:
    """While they are missing nothing advances; harm is acted on all the same."""
    for case in _cases():
        if case.record in RUNNING and case.pods != RUNNING[case.record]:
            assert not case.row.moves & (Move.ADVANCE | Move.SWITCH | Move.FILL), case.named
        if case.record in RUNNING and case.reading == "harm":
            assert Move.WITHDRAW in case.row.moves, case.named


def test_the_ledger_hears_of_a_step_before_pods_change_and_of_the_end_after() -> None:
    """A stamp with every beginning and advance, and the end with every withdrawal and takeover."""
    for case in _cases():
        moves = bool(case.row.moves & (Move.BEGIN | Move.ADVANCE)) and case.snapshot.ledger is not None
        assert (case.plan.stamp is not None) == moves or case.snapshot.ledger is None, case.named
        if case.plan.stamp is not None:
            assert case.after is not None
            stamping = case.plan.stamp.stamping
            told = (case.plan.stamp.rollout, stamping.step, stamping.stable, stamping.canary)
            assert told == (case.after.name, case.after.step, STABLE, CANARY), case.named
        if case.row.moves & (Move.WITHDRAW | Move.SWITCH) and case.snapshot.ledger is not None:
            ended = case.after.name if case.after is not None and case.after.stamping else None
            assert case.plan.end_stamping == ended, case.named


def test_a_deployment_of_the_model_stamps_by_itself() -> None:
    """Also stable's, which therefore restarts when an analysis is asked for."""
    for case in _cases()[::7]:
        for apply in case.plan.applies:
            if apply.kind == DEPLOYMENT:
                (container,) = apply.manifest["spec"]["template"]["spec"]["containers"]
                assert {"name": "MARQUEE_STAMPING", "value": "pod"} in container["env"], case.named


def test_every_status_is_valid_and_tells_what_is_lost() -> None:
    """The condition is there in every phase."""
    for case in _cases():
        wire = case.plan.status.model_dump(mode="json", by_alias=True, exclude_none=True)
        assert MarketingModelStatus.model_validate(wire) == case.plan.status, case.named
        assert "StickyAssignment" in {condition.type for condition in case.plan.status.conditions}, case.named


def test_an_end_is_said_until_it_was_heard_and_remembered_once() -> None:
    """The ledger says that nobody stamps any more: one write, and nobody asks again."""
    observed = by_pods("rolled back", 4, "ready")
    heard = statistics()
    answers = {
        "away": (replace(NOT_READ, failure="connection refused"), True),
        "unread": (replace(NOT_READ, unread=True), True),
        "still stamping": (replace(NOT_READ, statistics=heard.model_copy(update={"stamping": True})), True),
        "unknown": (NOT_READ, False),
        "over": (replace(NOT_READ, statistics=heard), False),
    }
    record = record_of(observed)
    assert record is not None
    for name, (reading, goes_on) in answers.items():
        plan = decide(replace(observed, ledger=reading))
        expected = record.name if goes_on else None
        assert (plan.end_stamping, plan.follow) == (expected, expected), name
        assert (plan.requeue_after_seconds is not None) is goes_on, name
    assert decide(replace(observed, ledger=None)).follow is None


def test_a_stable_that_counts_nothing_is_named() -> None:
    """It was deployed before the analysis was asked for: the message says how to go on."""
    observed = replace(by_pods("first step", 1, "ready"), ledger=NOT_READ)
    empty = replace(NOT_READ, statistics=statistics().model_copy(update={"stamping": True}))
    silent = decide(replace(observed, ledger=empty)).status
    assert silent.rollout is not None
    assert "the pods of churn-1 are from before the analysis and count nothing: " in silent.rollout.message
    told = replace(observed, ledger=empty, deployments=tuple(map(_stamping, observed.deployments)))
    counting = decide(told).status
    assert counting.rollout is not None
    assert "count nothing" not in counting.rollout.message


def _stamping(state: DeploymentState) -> DeploymentState:
    return replace(
        state, child=replace(state.child, body=state.child.body.replace(b"MARQUEE_THREADS", b"MARQUEE_STAMPING"))
    )

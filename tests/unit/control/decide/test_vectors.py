"""Every combination of facts, against the promises that hold whatever the situation."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from marquee.api.conditions import ConditionType
from marquee.api.marketing_model import Phase
from marquee.control.decide import decide
from marquee.control.decide.facts import Facts, gather
from marquee.control.decide.plan import Plan
from marquee.control.decide.table import TABLE, Move, Row, match
from marquee.control.kinds import DEPLOYMENT, SERVICE
from marquee.control.render.names import LABEL_REVISION
from marquee.control.snapshot import ProbeResult, Snapshot
from tests.unit.control.builders import READY, STARTING, Arm, Switched, a_pod, a_probe, snapshot

TARGET, STABLE, OLD = "churn-2", "churn-1", "churn-0"

TARGET_ARMS: dict[str, Arm | None] = {
    "absent": None,
    "starting": STARTING,
    "ready": Arm(replicas=2),
    "deleting": Arm(deleting=True),
    "broken": Arm(replicas=2, ready=0, pods=(a_pod(TARGET, ready=False, restarts=9),)),
    "held up": Arm(replicas=2, ready=0, pods=(a_pod(TARGET, ready=False, unschedulable="no room"),)),
}
PROBES: dict[str, ProbeResult | None] = {
    "none": None,
    "passed": a_probe(TARGET, passed=True),
    "failed": a_probe(TARGET, passed=False),
    "failed long ago": a_probe(TARGET, passed=False, seconds_ago=60),
    "of stable": a_probe(STABLE, passed=True),
}
STABLE_ARMS: dict[str, Arm | None] = {"absent": None, "ready": READY, "starting": STARTING}
SWITCHES: dict[str, Switched | None] = {"never": None, "now": Switched(OLD, 2), "long ago": Switched(OLD, 600)}


@dataclass(frozen=True)
class Case:
    """One combination, what is seen of it and what is decided."""

    vector: tuple[str | bool | None, ...]
    snapshot: Snapshot
    facts: Facts
    row: Row
    plan: Plan


def _combinations() -> Iterator[tuple[tuple[str | bool | None, ...], Snapshot]]:
    space = itertools.product(
        (True, False), TARGET_ARMS, PROBES, STABLE_ARMS, SWITCHES, (None, TARGET, STABLE), (None, TARGET, STABLE)
    )
    for exists, target, probe, stable, switch, serving, proven in space:
        if not exists and (target, probe) not in {("absent", "none"), ("ready", "passed")}:
            continue  # without a revision its pods decide nothing
        if serving is None and switch != "never":
            continue  # the Service remembers the switch
        arms = {TARGET: TARGET_ARMS[target], STABLE: STABLE_ARMS[stable], OLD: READY}
        observed = snapshot(
            wanted=TARGET,
            revisions=(STABLE, TARGET) if exists else (STABLE,),
            serving=serving,
            proven=proven,
            arms={name: arm for name, arm in arms.items() if arm is not None},
            probe=PROBES[probe],
            switched=SWITCHES[switch],
            scaling={"minReplicas": 2},
        )
        yield (exists, target, probe, stable, switch, serving, proven), observed


@cache
def _cases() -> list[Case]:
    found = []
    for vector, observed in _combinations():
        facts = gather(observed)
        found.append(Case(vector, observed, facts, match(facts), decide(observed)))
    return found


def _selected(plan: Plan) -> str | None:
    """The revision that the plan makes the Service point at, when it writes the Service."""
    applied = [apply.manifest for apply in plan.applies if apply.kind == SERVICE]
    return applied[0]["spec"]["selector"][LABEL_REVISION] if applied else None


def test_there_are_enough_cases_to_reach_every_row() -> None:
    """All but the rows of ramps, of KEDA and of the kill switch, which have tests of their own."""
    ramps = {"superseded", "aborted", "harm", "canary broken", "paused", "no ledger", "no route", "first step"}
    ramps |= {"unapproved", "on a step", "next step", "rolled back", "withdrawn", "not alone", "filling up"}
    others = {"judged only", "unjudged", "asleep", "killed", "safe", "frozen"}
    others |= {"unsigned", "first unsigned", "unmeasured", "first unmeasured", "unfair", "first unfair"}
    assert {case.row.name for case in _cases()} == {row.name for row in TABLE} - ramps - others


def test_users_are_switched_only_to_what_is_ready_and_proven() -> None:
    """`SWITCH` needs all pods of the wanted revision, and a probe that named the right bytes."""
    for case in _cases():
        if Move.SWITCH in case.row.moves:
            assert case.facts.target is not None, case.vector
            assert case.facts.target.ready, case.vector
            assert case.facts.target.verified, case.vector


def test_the_service_points_at_who_serves_until_the_switch() -> None:
    """Only a switch changes the revision in the Service; a Service that is lost comes back as it was.

    The very first revision of a model is the exception: there is nothing else to point at.
    """
    for case in _cases():
        selected = _selected(case.plan)
        if selected is None or Move.SWITCH in case.row.moves:
            continue
        is_first = case.facts.service is None and case.snapshot.model.status.stable is None
        proven = case.snapshot.model.status.stable
        expected = TARGET if is_first else case.facts.serving
        assert selected == expected, case.vector
        if case.facts.service is None and proven is not None:
            assert selected == proven.revision, case.vector


def test_a_switch_points_at_the_wanted_revision() -> None:
    """The write that switches names the wanted revision, and remembers whom users came from and when."""
    switches = [case for case in _cases() if Move.SWITCH in case.row.moves]
    assert switches
    for case in switches:
        assert _selected(case.plan) == TARGET, case.vector


def test_nothing_that_serves_or_is_wanted_is_deleted() -> None:
    """Neither the wanted revision, nor the serving one, nor the proven one that has lost its Service."""
    for case in _cases():
        deleted = {delete.name for delete in case.plan.deletes}
        assert not deleted & {TARGET, case.facts.serving}, case.vector
        proven = case.snapshot.model.status.stable
        if case.facts.service is None and proven is not None:
            assert proven.revision not in deleted, case.vector


def test_a_drain_is_waited_for() -> None:
    """What users left a moment ago stays, and the model is looked at again when its time is over."""
    for case in _cases():
        if case.facts.draining:
            assert OLD not in {delete.name for delete in case.plan.deletes}, case.vector
            if case.row.phase is not Phase.BLOCKED:
                assert case.plan.requeue_after_seconds is not None, case.vector
                assert case.plan.requeue_after_seconds <= 8, case.vector


def test_a_blocked_model_is_not_touched() -> None:
    """Without a revision to run there is no write but the status."""
    blocked = [case for case in _cases() if case.row.phase is Phase.BLOCKED]
    assert blocked
    for case in blocked:
        plan = case.plan
        assert (plan.applies, plan.scales, plan.probe, plan.deletes) == ((), (), None, ()), case.vector


def test_stable_is_left_alone_during_a_rollout() -> None:
    """Its Deployment is neither applied nor scaled nor deleted; only a lost one is put back."""
    for case in _cases():
        if case.facts.stable is None:
            continue
        applied = {apply.manifest["metadata"]["name"] for apply in case.plan.applies if apply.kind == DEPLOYMENT}
        is_lost = case.facts.stable.deployment is None
        assert STABLE not in applied or is_lost, case.vector
        assert STABLE not in {scale.name for scale in case.plan.scales}, case.vector
        if is_lost and case.row.phase is not Phase.BLOCKED and case.facts.stable.name == STABLE:
            assert STABLE in applied, case.vector


def test_only_a_ready_pod_that_is_not_proven_is_probed() -> None:
    """A probe asks one ready pod of the wanted revision; a wrong answer rests for ten seconds."""
    probes = [case for case in _cases() if case.plan.probe is not None]
    assert probes
    for case in probes:
        assert case.facts.target is not None
        assert case.facts.target.ready, case.vector
        assert not case.facts.target.verified, case.vector
        assert case.plan.probe is not None
        assert case.plan.probe.pod_uid.startswith(f"pod-{TARGET}-"), case.vector
        assert case.vector[2] != "failed", case.vector


def test_what_is_on_its_way_out_is_not_written() -> None:
    """An object with a deletion timestamp is neither applied nor scaled: it comes back when it is gone."""
    deleting = [case for case in _cases() if case.vector[1] == "deleting" and case.row.phase is not Phase.BLOCKED]
    assert deleting
    for case in deleting:
        applied = {apply.manifest["metadata"]["name"] for apply in case.plan.applies if apply.kind == DEPLOYMENT}
        assert TARGET not in applied | {scale.name for scale in case.plan.scales}, case.vector


def test_exactly_one_of_ready_reconciling_and_stalled_is_true() -> None:
    """kstatus: a model is ready, or on its way, or stuck; never two of them."""
    for case in _cases():
        true = [condition.type for condition in case.plan.status.conditions if condition.status == "True"]
        assert len(true) == 1, case.vector
        assert case.plan.status.conditions[0].type == ConditionType.READY, case.vector


def test_who_serves_is_never_forgotten() -> None:
    """status.stable stays as long as that revision serves, whatever else goes wrong."""
    for case in _cases():
        proven = case.snapshot.model.status.stable
        if proven is not None and case.facts.serving == proven.revision:
            assert case.plan.status.stable is not None, case.vector
            assert case.plan.status.stable.revision == proven.revision, case.vector


def test_a_decision_depends_on_nothing_but_the_snapshot() -> None:
    """The same snapshot gives the same plan."""
    for case in _cases()[::50]:
        assert decide(case.snapshot) == case.plan, case.vector

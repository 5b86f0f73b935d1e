"""The status and the events that people read."""

from __future__ import annotations

from dataclasses import replace

import pytest

from marquee.api.conditions import Reason
from marquee.api.marketing_model import MarketingModel, MarketingModelStatus, Phase
from marquee.api.types import timestamp
from marquee.control.decide import decide
from marquee.control.snapshot import Snapshot
from tests.unit.control.builders import (
    EARLIER,
    NOW,
    READY,
    STARTING,
    Arm,
    Switched,
    a_pod,
    a_probe,
    digest_of,
    snapshot,
)
from tests.unit.control.ramps import NOT_READ, of_others

CRASHING = Arm(ready=0, pods=(a_pod("churn-2", ready=False, restarts=3),))
PASSED = a_probe("churn-2", passed=True)

STORIES = {
    "starting": (
        snapshot(wanted="churn-2", stable="churn-1", arms={"churn-1": READY, "churn-2": STARTING}),
        Reason.PREPARING,
        "revision churn-2 is coming up: 0 of 1 pods ready; revision churn-1 keeps serving",
    ),
    "starting for the first time": (
        snapshot(wanted="churn-1"),
        Reason.PREPARING,
        "revision churn-1 is coming up: 0 of 1 pods ready",
    ),
    "broken": (
        snapshot(wanted="churn-2", stable="churn-1", arms={"churn-1": READY, "churn-2": CRASHING}),
        Reason.CRASH_LOOPING,
        (
            "revision churn-2: restarted 3 times; see `kubectl logs -n crm --previous churn-2-0`; "
            "revision churn-1 keeps serving"
        ),
    ),
    "broken, and stable too": (
        snapshot(wanted="churn-2", stable="churn-1", arms={"churn-1": STARTING, "churn-2": CRASHING}),
        Reason.CRASH_LOOPING,
        "revision churn-2: restarted 3 times; see `kubectl logs -n crm --previous churn-2-0`",
    ),
    "blocked": (
        snapshot(wanted="churn-9", stable="churn-1", arms={"churn-1": READY}),
        Reason.REVISION_NOT_FOUND,
        (
            "spec.revision.name: ModelRevision 'churn-9' does not exist in namespace 'crm'; create it, or name one "
            "that `kubectl get mrev` lists; revision churn-1 keeps serving"
        ),
    ),
    "scaling": (
        snapshot(wanted="churn-1", stable="churn-1", arms={"churn-1": READY}, scaling={"minReplicas": 3}),
        Reason.SCALING,
        "revision churn-1: 1 of 3 pods ready and current",
    ),
    "lost": (
        snapshot(wanted="churn-1", stable="churn-1", arms={"churn-1": STARTING}),
        Reason.STABLE_UNAVAILABLE,
        "revision churn-1 has no ready pod",
    ),
    "probing": (
        snapshot(wanted="churn-2", stable="churn-1", arms={"churn-1": READY, "churn-2": READY}),
        Reason.PROBING,
        "revision churn-2 is ready; waiting for its probe prediction; revision churn-1 keeps serving",
    ),
    "refuted": (
        snapshot(
            wanted="churn-2",
            stable="churn-1",
            arms={"churn-1": READY, "churn-2": READY},
            probe=a_probe("churn-2", passed=False),
        ),
        Reason.PROBE_FAILED,
        "revision churn-2: says 3, not 2; revision churn-1 keeps serving",
    ),
    "switching": (
        snapshot(wanted="churn-2", stable="churn-1", arms={"churn-1": READY, "churn-2": READY}, probe=PASSED),
        Reason.SWITCHING,
        "revision churn-2 takes over from churn-1",
    ),
    "draining": (
        snapshot(
            wanted="churn-2",
            stable="churn-2",
            arms={"churn-1": READY, "churn-2": READY},
            switched=Switched("churn-1", 1),
        ),
        Reason.DRAINING,
        "revision churn-2 serves; churn-1 finishes open connections",
    ),
    "serving": (
        snapshot(wanted="churn-1", stable="churn-1", arms={"churn-1": READY}),
        Reason.SERVING,
        "revision churn-1 serves",
    ),
}


def _later(observed: Snapshot, status: MarketingModelStatus) -> Snapshot:
    return replace(observed, model=observed.model.model_copy(update={"status": status}))


@pytest.mark.parametrize(("observed", "reason", "message"), STORIES.values(), ids=STORIES)
def test_a_phase_is_told_in_a_sentence(observed: Snapshot, reason: Reason, message: str) -> None:
    """The Ready condition says what is going on, about which revision, and whether users are served."""
    ready = decide(observed).status.conditions[0]
    assert (ready.type, ready.reason, ready.message) == ("Ready", reason.value, message)
    assert ready.observed_generation == observed.model.metadata.generation


@pytest.mark.parametrize(("observed", "reason", "message"), STORIES.values(), ids=STORIES)
def test_kstatus_follows_the_phase(observed: Snapshot, reason: Reason, message: str) -> None:
    """Stuck phases are `Stalled`, phases that pass are `Reconciling`, the others are `Ready`."""
    status = decide(observed).status
    conditions = {condition.type: condition for condition in status.conditions}
    expected = {
        Phase.SERVING: {"Ready"},
        Phase.DRAINING: {"Ready"},
        Phase.BLOCKED: {"Ready", "Stalled"},
        Phase.FAILED: {"Ready", "Stalled"},
    }
    assert status.phase is not None
    assert set(conditions) == expected.get(status.phase, {"Ready", "Reconciling"})
    assert {(condition.reason, condition.message) for condition in conditions.values()} == {(reason.value, message)}


@pytest.mark.parametrize(("observed", "reason", "message"), STORIES.values(), ids=STORIES)
def test_telling_it_again_changes_nothing(observed: Snapshot, reason: Reason, message: str) -> None:
    """A second look at the same things gives the same status, later too, so that nothing is written."""
    status = decide(observed).status
    assert status.conditions[0].message == message
    assert status.conditions[0].reason == reason
    again = decide(_later(observed, status))
    assert again.status == status or again.status.phase is not status.phase


def test_the_status_fits_its_schema() -> None:
    """Every status can be read back as the API server stores it."""
    for observed, _, _ in STORIES.values():
        status = decide(observed).status
        wire = status.model_dump(mode="json", by_alias=True, exclude_none=True)
        assert MarketingModelStatus.model_validate(wire) == status


def test_a_promotion_is_dated() -> None:
    """status.stable changes with the first look after the switch, and says since when."""
    observed = snapshot(
        wanted="churn-2",
        serving="churn-2",
        proven="churn-1",
        switched=Switched("churn-1", 0),
        arms={"churn-2": READY},
        probe=PASSED,
    )
    stable = decide(observed).status.stable
    assert stable is not None
    assert (stable.revision, stable.digest, stable.since) == ("churn-2", digest_of("churn-2"), timestamp(NOW))
    kept = decide(_later(observed, decide(observed).status)).status.stable
    assert kept == stable


def test_who_serves_keeps_its_date() -> None:
    """A look at a model that serves does not make it younger."""
    stable = decide(snapshot(wanted="churn-1", stable="churn-1", arms={"churn-1": READY})).status.stable
    assert stable is not None
    assert stable.since == EARLIER


def test_the_canary_is_told_until_it_serves() -> None:
    """status.canary is the revision on its way, and nothing before or after."""
    on_its_way = decide(STORIES["starting"][0]).status
    assert on_its_way.canary is not None
    assert on_its_way.canary.revision == "churn-2"
    assert on_its_way.stable is not None
    assert on_its_way.stable.revision == "churn-1"
    assert decide(STORIES["draining"][0]).status.canary is None
    assert decide(STORIES["serving"][0]).status.canary is None
    assert decide(STORIES["scaling"][0]).status.canary is None


def test_a_failure_is_announced_once() -> None:
    """People get one warning when a revision fails, not one at every look."""
    observed = STORIES["broken"][0]
    plan = decide(observed)
    assert [(notice.warning, notice.reason) for notice in plan.notices] == [(True, Reason.CRASH_LOOPING)]
    assert decide(_later(observed, plan.status)).notices == ()


def test_another_failure_is_announced_again() -> None:
    """A new reason is news."""
    observed = STORIES["broken"][0]
    blocked = decide(STORIES["blocked"][0]).status
    assert [notice.reason for notice in decide(_later(observed, blocked)).notices] == [Reason.CRASH_LOOPING]


def test_a_switch_is_announced() -> None:
    """The event says who takes over from whom."""
    (notice,) = decide(STORIES["switching"][0]).notices
    assert not notice.warning
    assert notice.note == "revision churn-2 takes over from churn-1"


def test_ordinary_progress_makes_no_events() -> None:
    """Conditions are enough for what passes by itself."""
    for name in ("starting", "scaling", "probing", "draining", "serving"):
        assert decide(STORIES[name][0]).notices == (), name


def test_words_of_any_length_fit() -> None:
    """Long labels, long answers and long errors never make a status that the API server refuses."""
    labels = {f"example.com/{'k' * 300}-{index}": "v" * 63 for index in range(16)}
    long = "x" * 20_000
    name = "churn-" + "9" * 57
    crashed = a_pod(name, ready=False, restarts=9, name=f"{name}-1234567890-abcde", namespace="n" * 63)
    crashed = replace(crashed, termination_message=long)
    observed = [
        snapshot(track=labels, stable="churn-1", arms={"churn-1": READY}),
        snapshot(spec_error=long, stable="churn-1", arms={"churn-1": READY}),
        snapshot(
            wanted=name,
            revisions=("churn-1", name),
            stable="churn-1",
            arms={"churn-1": READY, name: READY},
            probe=a_probe(name, passed=False, message=long),
        ),
        snapshot(
            wanted=name,
            revisions=("churn-1", name),
            stable="churn-1",
            arms={"churn-1": READY, name: Arm(ready=0, pods=(crashed,))},
        ),
    ]
    for seen in observed:
        message = decide(seen).status.conditions[0].message
        assert len(message) <= 1024
        assert message.endswith("revision churn-1 keeps serving")


def test_an_older_status_is_understood() -> None:
    """A model without any status is one that nobody has looked at yet."""
    model: MarketingModel = snapshot().model
    assert model.status == MarketingModelStatus()
    assert decide(snapshot()).status.observed_generation == 1


def test_what_others_serve_is_ready_and_nothing_is_written() -> None:
    """The status says who answers for verdicts; no address and no pods are claimed."""
    plan = decide(of_others(NOT_READ))
    assert (plan.applies, plan.scales, plan.deletes, plan.probe, plan.declare, plan.follow) == (
        (),
        (),
        (),
        None,
        None,
        None,
    )
    status = plan.status
    assert (status.phase, status.url, status.selector, status.stable, status.canary) == (
        Phase.EXTERNAL, "", "", None, None,
    )  # fmt: skip
    (ready,) = status.conditions
    assert (ready.type, ready.status, ready.reason) == ("Ready", "True", "ServedByOthers")
    assert ready.message.endswith("the ledger answers for verdicts at /judge/crm/churn")


def test_what_others_serve_without_a_ledger_is_stalled() -> None:
    """Nobody could be asked for a verdict: the words say what to install."""
    status = decide(of_others(None)).status
    assert status.phase is Phase.BLOCKED
    assert [(condition.type, condition.reason) for condition in status.conditions] == [
        ("Ready", "LedgerUnavailable"),
        ("Stalled", "LedgerUnavailable"),
    ]
    assert "install the chart with ledger.enabled" in status.conditions[0].message

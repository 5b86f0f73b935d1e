"""The state table, row by row: for each row a situation that reaches it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from marquee.api.conditions import Reason
from marquee.api.marketing_model import Phase
from marquee.control.decide.facts import gather
from marquee.control.decide.table import TABLE, Move, Row, match
from marquee.control.snapshot import Snapshot
from tests.unit.control.builders import READY, STARTING, Arm, Switched, a_pod, a_probe, snapshot

CRASHING = Arm(ready=0, pods=(a_pod("churn-2", ready=False, restarts=3),))
UNSCHEDULABLE = Arm(ready=0, pods=(a_pod("churn-2", ready=False, unschedulable="0/3 nodes are available"),))

SITUATIONS = {
    "there is no such revision": (
        "no revision",
        snapshot(wanted="churn-9", serving="churn-1", proven="churn-1", arms={"churn-1": READY}),
    ),
    "the first revision crashes": (
        "broken",
        snapshot(wanted="churn-2", serving="churn-2", arms={"churn-2": CRASHING}),
    ),
    "the newcomer crashes": (
        "broken",
        snapshot(wanted="churn-2", stable="churn-1", arms={"churn-1": READY, "churn-2": CRASHING}),
    ),
    "no node has room for the newcomer": (
        "held up",
        snapshot(wanted="churn-2", stable="churn-1", arms={"churn-1": READY, "churn-2": UNSCHEDULABLE}),
    ),
    "no node has room, and the deadline is over": (
        "broken",
        snapshot(
            wanted="churn-2",
            stable="churn-1",
            arms={"churn-1": READY, "churn-2": replace(UNSCHEDULABLE, deadline_exceeded=True)},
        ),
    ),
    "all pods of the serving revision are gone": (
        "lost",
        snapshot(wanted="churn-1", stable="churn-1", arms={"churn-1": STARTING}),
    ),
    "somebody deleted the Deployment of the serving revision": (
        "lost",
        snapshot(wanted="churn-1", stable="churn-1"),
    ),
    "a new model": ("starting", snapshot(wanted="churn-1")),
    "the newcomer's pods start": (
        "starting",
        snapshot(wanted="churn-2", stable="churn-1", arms={"churn-1": READY, "churn-2": STARTING}),
    ),
    "the newcomer has one pod of two": (
        "starting",
        snapshot(
            wanted="churn-2",
            stable="churn-1",
            arms={"churn-1": Arm(replicas=2), "churn-2": Arm(replicas=2, ready=1)},
            scaling={"minReplicas": 2},
        ),
    ),
    "the newcomer's Deployment is on its way out": (
        "starting",
        snapshot(wanted="churn-2", stable="churn-1", arms={"churn-1": READY, "churn-2": Arm(deleting=True)}),
    ),
    "the serving revision is scaled up": (
        "changing",
        snapshot(wanted="churn-1", stable="churn-1", arms={"churn-1": READY}, scaling={"minReplicas": 3}),
    ),
    "the serving revision gets another image": (
        "changing",
        snapshot(wanted="churn-1", stable="churn-1", arms={"churn-1": Arm(replicas=2, updated=1, surplus=1)}),
    ),
    "the serving revision's controller has not seen the change yet": (
        "changing",
        snapshot(wanted="churn-1", stable="churn-1", arms={"churn-1": Arm(observed=False)}),
    ),
    "the newcomer answers wrongly": (
        "refuted",
        snapshot(
            wanted="churn-2",
            stable="churn-1",
            arms={"churn-1": READY, "churn-2": READY},
            probe=a_probe("churn-2", passed=False),
        ),
    ),
    "the newcomer is ready": (
        "unproven",
        snapshot(wanted="churn-2", stable="churn-1", arms={"churn-1": READY, "churn-2": READY}),
    ),
    "the first revision is ready": (
        "unproven",
        snapshot(wanted="churn-1", serving="churn-1", arms={"churn-1": READY}),
    ),
    "the operator restarted right after the switch": (
        "unproven",
        snapshot(wanted="churn-2", serving="churn-2", proven="churn-1", arms={"churn-1": READY, "churn-2": READY}),
    ),
    "the newcomer has proven itself": (
        "proven",
        snapshot(
            wanted="churn-2",
            stable="churn-1",
            arms={"churn-1": READY, "churn-2": READY},
            probe=a_probe("churn-2", passed=True),
        ),
    ),
    "users were switched a moment ago": (
        "draining",
        snapshot(
            wanted="churn-2",
            serving="churn-2",
            proven="churn-2",
            arms={"churn-1": READY, "churn-2": READY},
            switched=Switched("churn-1", seconds_ago=3),
        ),
    ),
    "the former revision has had its time": (
        "serving",
        snapshot(
            wanted="churn-2",
            serving="churn-2",
            proven="churn-2",
            arms={"churn-1": READY, "churn-2": READY},
            switched=Switched("churn-1", seconds_ago=11),
        ),
    ),
    "nothing is to be done": ("serving", snapshot(wanted="churn-1", stable="churn-1", arms={"churn-1": READY})),
}


@pytest.mark.parametrize(("name", "observed"), SITUATIONS.values(), ids=SITUATIONS)
def test_a_situation_is_recognised(name: str, observed: Snapshot) -> None:
    """The first row of the table that holds is the one that describes the situation."""
    assert match(gather(observed)).name == name


def test_every_row_is_reached() -> None:
    """A row that no situation reaches is dead or untested."""
    assert {name for name, _ in SITUATIONS.values()} == {row.name for row in TABLE}


def test_rows_have_names_of_their_own() -> None:
    """A name in a log or in the documentation means one row."""
    assert len({row.name for row in TABLE}) == len(TABLE)


def test_the_last_row_holds_always() -> None:
    """There is no snapshot without a row."""
    assert all(TABLE[-1].when.holds(gather(observed)) for _, observed in SITUATIONS.values())


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_a_row_allows_only_what_its_phase_means(row: Row) -> None:
    """Users are switched in one phase; a failed or blocked model is never switched, a blocked one not touched."""
    assert (Move.SWITCH in row.moves) == (row.phase is Phase.SWITCHING)
    assert (row.moves is Move.NONE) == (row.phase is Phase.BLOCKED)
    assert (row.reason is None) == (row.name in {"no revision", "broken", "held up"})
    if row.phase is Phase.FAILED:
        assert row.reason in {None, Reason.PROBE_FAILED}

"""Drift in the audit log: one entry for each change of the verdict, whatever is killed, and nothing waits for it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from marquee.audit.events import DriftJudged
from marquee.control.kinds import SERVICE
from marquee.control.render import names
from marquee.control.snapshot import DriftReading, Snapshot
from marquee.evidence.drift.counting import Histogram, Window
from marquee.judging.drifting import DriftState, DriftVerdict, counters_digest
from tests.unit.control.builders import MODEL
from tests.unit.control.logged_worlds import LoggedRampWorld

WINDOW = Window(20_000, "Mon", {"age": Histogram((3, 4), missing=1)}, 9)


@dataclass
class Watched(LoggedRampWorld):
    """A model that asks for drift; what the ledger's windows say is set by the test."""

    state: DriftState | None = None

    def snapshot(self) -> Snapshot:
        """With the verdict on the serving revision."""
        found = super().snapshot()
        if self.state is None or self.serving is None:
            return found
        verdict = DriftVerdict(self.state, "in words", WINDOW, self.now - timedelta(days=1))
        return replace(found, drift=DriftReading(self.serving, verdict))

    @property
    def remembered(self) -> str | None:
        """What the Service says is entered."""
        found: str | None = self.objects[SERVICE, MODEL]["metadata"].get("annotations", {}).get(names.ANNOTATION_DRIFT)
        return found

    @property
    def judged(self) -> list[tuple[str, str]]:
        """What was entered, in short."""
        events = [one.event for one in self.log.statements]
        return [(event.revision, event.verdict) for event in events if isinstance(event, DriftJudged)]


def a_world() -> Watched:
    """``churn-1`` serves."""
    world = Watched()
    world.add_revision(f"{MODEL}-1")
    world.set_spec(drift={})
    world.settle()
    assert world.serving == f"{MODEL}-1"
    return world


@pytest.mark.parametrize("die_after", [None, 0, 1, 2])
def test_each_change_is_entered_once(die_after: int | None) -> None:
    """With the digest of the counters that it was judged by; the Service remembers it, and a killed operator too."""
    world = a_world()
    world.state = DriftState.STABLE
    world.reconcile(die_after=die_after)
    world.restart_operator()
    world.settle()
    assert world.judged == [(f"{MODEL}-1", "Stable")]
    world.state = DriftState.RETRAIN
    world.settle()
    world.settle()
    assert world.judged == [(f"{MODEL}-1", "Stable"), (f"{MODEL}-1", "Retrain")]
    (subject,) = world.log.statements[-1].subjects
    assert (subject.name, subject.sha256) == ("drift/counters", counters_digest(WINDOW))
    event = world.log.statements[-1].event
    assert isinstance(event, DriftJudged)
    assert (event.rows, event.window_end - event.window_start) == (9, timedelta(days=1))


@pytest.mark.parametrize("state", [DriftState.INSUFFICIENT_DATA, DriftState.NO_PROFILE, None])
def test_what_is_not_known_is_no_verdict(state: DriftState | None) -> None:
    """Nothing is entered, and what was entered before stays remembered."""
    world = a_world()
    world.state = DriftState.STABLE
    world.settle()
    world.state = state
    world.settle()
    world.state = DriftState.STABLE
    world.settle()
    assert world.judged == [(f"{MODEL}-1", "Stable")]


def test_nothing_waits_for_a_log_that_is_away() -> None:
    """A rollout's own words come first, and drift is entered when the log is back."""
    world = a_world()
    world.log.away = True
    world.state = DriftState.BROKEN_FEED
    world.settle()
    assert (world.judged, world.serving, world.reason) == ([], f"{MODEL}-1", "Serving")
    world.log.away = False
    world.now += timedelta(minutes=5)
    world.settle()
    assert world.judged == [(f"{MODEL}-1", "BrokenFeed")]


def test_a_model_that_asks_no_more_forgets() -> None:
    """The annotation goes with ``spec.drift``."""
    world = a_world()
    world.state = DriftState.STABLE
    world.settle()
    assert world.remembered == f"{MODEL}-1 Stable"
    world.set_spec(drift=None)
    world.settle()
    assert world.remembered is None


def test_the_digest_is_of_the_counters_alone() -> None:
    """Another count gives another one, another label the same."""
    other = replace(WINDOW, features={"age": Histogram((3, 5), missing=1)})
    assert counters_digest(other) != counters_digest(WINDOW) == counters_digest(replace(WINDOW, label="sale"))

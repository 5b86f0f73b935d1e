"""Whatever people, accidents and kills do in any order: no traffic changes without its entry, and none has two."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, rule

from tests.support.examples import examples
from tests.unit.control.decide.test_pods_convergence import Pods
from tests.unit.control.decide.test_ramp_convergence import Ramps
from tests.unit.control.logged_worlds import Logged, LoggedPodsWorld, LoggedRampWorld
from tests.unit.control.ramp_world import RampWorld


class _Promises:
    """What holds with a log at every moment, beside what holds without."""

    world: RampWorld

    @rule(away=st.booleans())
    def the_log(self, *, away: bool) -> None:
        """It goes, or comes back."""
        self._logged().log.away = away

    @rule(lost=st.booleans())
    def answers_of_the_log(self, *, lost: bool) -> None:
        """They are lost on their way: entries are durable, and nobody hears of it."""
        self._logged().log.loses_answers = lost

    @invariant()
    def every_change_has_its_entry(self) -> None:
        """Before it, or owed by the very write; numbered without a gap; never twice for one decision."""
        if not hasattr(self, "world"):
            return
        world = self._logged()
        assert world.unentered == []
        assert [one.stamp.sequence for one in world.log.statements] == list(range(1, len(world.log.statements) + 1))
        decisions = world.log.decisions
        assert not [two for one, two in pairwise(decisions) if one == two]

    def repair(self) -> None:
        """The log is to be had again."""
        world = self._logged()
        world.log.away = world.log.loses_answers = False
        world.tick(60)

    def _logged(self) -> Logged:
        assert isinstance(self.world, Logged)
        return self.world


class LoggedRamps(_Promises, Ramps):
    """With a gateway."""

    def make_world(self) -> RampWorld:
        """With a log."""
        return LoggedRampWorld()

    def teardown(self) -> None:
        """In the end nothing is owed."""
        if hasattr(self, "world"):
            self.repair()
            super().teardown()
            assert self._logged().debts() == ()


class LoggedPods(_Promises, Pods):
    """Without one."""

    def make_world(self) -> RampWorld:
        """With a log."""
        return LoggedPodsWorld()

    def teardown(self) -> None:
        """In the end nothing is owed."""
        if hasattr(self, "world"):
            self.repair()
            super().teardown()
            assert self._logged().debts() == ()


TestLoggedRamps = LoggedRamps.TestCase
TestLoggedRamps.settings = settings(
    max_examples=examples(30), stateful_step_count=20, deadline=None, report_multiple_bugs=False
)
TestLoggedPods = LoggedPods.TestCase
TestLoggedPods.settings = settings(
    max_examples=examples(30), stateful_step_count=20, deadline=None, report_multiple_bugs=False
)

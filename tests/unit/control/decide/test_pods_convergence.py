"""The same promises without a gateway, where numbers of pods are the split."""

from __future__ import annotations

from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, rule

from tests.support.examples import examples
from tests.unit.control.decide.test_ramp_convergence import EFFECTS, Ramps
from tests.unit.control.pods_world import PodsWorld
from tests.unit.control.ramp_world import RampWorld
from tests.unit.control.world import Behaviour

ANALYSIS = {"primary": {"outcome": "purchase"}}
ROLLOUTS: list[dict[str, Any]] = [
    {},
    {"steps": [{"weight": 10}]},
    {"steps": [{"weight": 10}, {"weight": 40, "minDurationSeconds": 3}]},
    {"steps": [{"weight": 50}], "analysis": ANALYSIS},
    {"steps": [{"weight": 10}, {"weight": 30}, {"weight": 50}], "analysis": ANALYSIS},
    {"steps": [{"weight": 20, "approval": "Manual"}, {"weight": 50}], "analysis": ANALYSIS},
    {"steps": [{"weight": 20, "maxDurationSeconds": 5}], "analysis": ANALYSIS | {"onInconclusive": "Rollback"}},
    {"steps": [{"weight": 20}], "analysis": ANALYSIS, "paused": True},
]


class Pods(Ramps):
    """People, accidents and time, in any order."""

    the_gateway = None  # type: ignore[assignment]
    """There is none."""

    def make_world(self) -> RampWorld:
        """Without a gateway."""
        return PodsWorld()

    @initialize(rollout=st.sampled_from(ROLLOUTS), effect=st.sampled_from(sorted(EFFECTS)))
    def a_model(self, rollout: dict[str, Any], effect: str) -> None:
        """A model that serves, and its second revision on its way."""
        self.world = self.make_world()
        self.count = 0
        self.new_revision("equal", Behaviour.GOOD)
        self.world.settle()
        self.world.set_spec(rollout=rollout)
        self.new_revision(effect, Behaviour.GOOD)

    @rule(rollout=st.sampled_from(ROLLOUTS), replicas=st.integers(1, 5))
    def another_plan(self, rollout: dict[str, Any], replicas: int) -> None:
        """Edit steps, analysis and the number of pods."""
        self.world.set_spec(rollout=rollout, scaling={"class": "None", "minReplicas": replicas})

    @invariant()
    def no_third_revision_is_reached(self) -> None:
        """While the Service reaches both arms there are no others."""
        if hasattr(self, "world"):
            assert len(self.world.reached()) <= 2


TestPods = Pods.TestCase
TestPods.settings = settings(
    max_examples=examples(30), stateful_step_count=20, deadline=None, report_multiple_bugs=False
)

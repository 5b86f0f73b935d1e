"""Rollouts without a gateway: the model's Service, real pods and a real ledger; numbers of pods are the split."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from demo.target import Target
from tests.support.place import fresh_place
from tests.support.ramp import ANALYSIS, GOOD, HARMFUL, MODEL, STABLE, STEPS, Rolling
from tests.support.waiting import wait_for

pytestmark = pytest.mark.first
PODS = 2


@dataclass(frozen=True, slots=True)
class ByPods(Rolling):
    """Users ask the model's Service."""

    @property
    def url(self) -> str:
        """Its virtual address."""
        return self.place.url(MODEL)

    def apply(self, revision: str, **rollout: Any) -> None:
        """Name the wanted revision."""
        self.place.apply_model(
            MODEL,
            revision,
            scaling={"minReplicas": PODS},
            rollout={"drainSeconds": 3, "steps": STEPS, "analysis": ANALYSIS} | rollout,
        )


@dataclass
class Endpoints:
    """How many addresses the Service had at least, and what the status said of shares meanwhile."""

    least: int = PODS
    shares: set[str] = field(default_factory=set)


@contextmanager
def watching(ramp: ByPods) -> Iterator[Endpoints]:
    """Look at the Service's endpoints while the block runs."""
    seen, over = Endpoints(), threading.Event()

    def look() -> None:
        while not over.wait(1.0):
            slices = ramp.place.target.list(
                "endpointslices", ramp.place.namespace, f"kubernetes.io/service-name={MODEL}"
            )
            ready = [e for found in slices for e in found.get("endpoints") or () if e["conditions"].get("ready")]
            seen.least = min(seen.least, len(ready))
            if share := ramp.rollout.get("realised"):
                seen.shares.add(share)

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        over.set()
        thread.join()


@pytest.fixture(scope="module")
def ramp(operator: Target) -> Iterator[ByPods]:
    """A model whose first revision serves with two pods; each test goes on from what the one before has left."""
    with fresh_place(operator, "pods") as place:
        made = ByPods(place)
        made.serve()
        yield made


def test_users_decide_and_none_of_them_is_lost(ramp: ByPods) -> None:
    """A better revision is promoted pod by pod, a harmful one is taken back, and every request is answered."""
    stable, good, harmful = ramp.serving, ramp.another(), ramp.another()
    with ramp.users({stable: STABLE, good: GOOD, harmful: HARMFUL}) as users, watching(ramp) as seen:
        ramp.apply(good)
        promoted = ramp.until(good, timeout_seconds=180, result="Promoted")
        ramp.gone(stable)
        ramp.apply(harmful)
        taken_back = ramp.until(harmful, timeout_seconds=180, result="RolledBack")
        ramp.gone(harmful)
    assert users.failures == []
    assert users.purchases.refused == users.purchases.given_up == []
    assert seen.least == PODS
    assert "33 % of connections, by 1 of 3 pods; 20 % are asked for" in seen.shares
    assert "50 % of connections, by 2 of 4 pods" in seen.shares
    assert {cohort["step"] for cohort in promoted["counts"]} == {0, 1}
    for cohort in promoted["counts"]:  # every request is a unit; the verdict may fall between a pod's two batches
        assert cohort["exposures"] == pytest.approx(cohort["requests"], rel=0.2)
    assert "e-value of harm" in taken_back["message"]
    assert f"{good} serves" in ramp.place.wait_for_reason(MODEL, "HarmShown")["message"]
    assert "agree" in ramp.plugin("evidence")


def test_people_decide_too(ramp: ByPods) -> None:
    """Promote goes on whatever the evidence says, abort gives everybody back to all of stable's pods."""
    stable, canary = ramp.serving, ramp.another()
    with ramp.users({stable: STABLE, canary: STABLE}) as users, watching(ramp) as seen:
        ramp.apply(canary)
        ramp.until(canary, weight=20)
        ramp.plugin("pause")
        ramp.place.wait_for_reason(MODEL, "Paused")
        # kept connections stay where they are: the canary's share comes as they are made anew
        wait_for("its first answer", lambda: True if canary in users.answered else None, timeout_seconds=60)
        ramp.plugin("promote")
        ramp.until(canary, step=1)
        ramp.plugin("abort")
        ramp.until(canary, result="Aborted")
        ramp.gone(canary)
    assert users.failures == []
    assert set(users.answered) == {stable, canary}
    assert seen.least == PODS

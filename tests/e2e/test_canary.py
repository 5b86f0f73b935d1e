"""Rollouts that are decided by what users do: real gateway, real pods, real ledger; only the purchases are drawn."""

from __future__ import annotations

import pytest

from demo.story import SYSTEM
from tests.support.ramp import GOOD, HARMFUL, MODEL, STABLE, Ramp

pytestmark = pytest.mark.first


def test_users_decide_and_none_of_them_is_lost(ramp: Ramp) -> None:
    """A better revision is promoted step by step, a harmful one is taken back, and every request is answered."""
    stable, good, harmful = ramp.serving, ramp.another(), ramp.another()
    with ramp.users({stable: STABLE, good: GOOD, harmful: HARMFUL}) as users:
        ramp.apply(good)
        promoted = ramp.until(good, result="Promoted")
        ramp.gone(stable)
        ramp.apply(harmful)
        taken_back = ramp.until(harmful, result="RolledBack")
        ramp.gone(harmful)
    assert users.failures == []
    assert users.purchases.refused == users.purchases.given_up == []
    assert {cohort["step"] for cohort in promoted["counts"]} == {0, 1}
    assert "non-inferiority" in promoted["message"]
    assert "e-value of harm" in taken_back["message"]
    assert taken_back["weight"] == 0
    condition = ramp.place.wait_for_reason(MODEL, "HarmShown")
    assert f"{good} serves" in condition["message"]
    assert "agree" in ramp.plugin("evidence")
    assert "ERROR" not in ramp.place.target.kubectl("logs", "-n", SYSTEM, "marquee-ledger-0"), "all was written at once"


def test_people_decide_too(ramp: Ramp) -> None:
    """A pause holds the weight, promote goes on whatever the evidence says, abort takes the canary back."""
    stable, canary = ramp.serving, ramp.another()
    with ramp.users({stable: STABLE, canary: STABLE}) as users:
        ramp.apply(canary)
        ramp.until(canary, weight=20)
        ramp.plugin("pause")
        ramp.place.wait_for_reason(MODEL, "Paused")
        ramp.plugin("promote")
        ramp.until(canary, step=1)
        ramp.plugin("abort")
        ramp.until(canary, result="Aborted")
        ramp.gone(canary)
    assert users.failures == []
    assert set(users.answered) == {stable, canary}

"""Rollouts that are decided by what users do: real gateway, real pods, real ledger; only the purchases are drawn."""

from __future__ import annotations

import pytest

from demo.story import SYSTEM
from demo.target import wait_for
from localcluster.gateway import Gateway
from tests.support.place import Place
from tests.support.ramp import GOOD, HARMFUL, MODEL, STABLE, Ramp


@pytest.fixture
def ramp(place: Place, gateway: Gateway) -> Ramp:
    """A namespace with a model whose first revision serves."""
    made = Ramp(place, gateway)
    made.serve()
    return made


@pytest.mark.first
def test_users_decide_and_none_of_them_is_lost(ramp: Ramp) -> None:
    """A better revision is promoted step by step, a harmful one is taken back, and every request is answered."""
    with ramp.users(v1=STABLE, v2=GOOD, v3=HARMFUL) as users:
        ramp.apply(ramp.revise(2))
        promoted = ramp.until("lead-v2", result="Promoted")
        wait_for("v1's end", lambda: True if not ramp.pods("lead-v1") else None, timeout_seconds=60)
        ramp.apply(ramp.revise(3))
        taken_back = ramp.until("lead-v3", result="RolledBack")
        wait_for("v3's end", lambda: True if not ramp.pods("lead-v3") else None, timeout_seconds=60)
    assert users.failures == []
    assert users.purchases.refused == users.purchases.given_up == []
    assert {cohort["step"] for cohort in promoted["counts"]} == {0, 1}
    assert "non-inferiority" in promoted["message"]
    assert "e-value of harm" in taken_back["message"]
    assert taken_back["weight"] == 0
    condition = ramp.place.wait_for_reason(MODEL, "HarmShown")
    assert "lead-v2 serves" in condition["message"]
    assert "agree" in ramp.plugin("evidence")
    assert "ERROR" not in ramp.place.target.kubectl("logs", "-n", SYSTEM, "marquee-ledger-0"), "all was written at once"


def test_people_decide_too(ramp: Ramp) -> None:
    """A pause holds the weight, promote goes on whatever the evidence says, abort takes the canary back."""
    with ramp.users(v1=STABLE, v2=STABLE) as users:
        ramp.apply(ramp.revise(2))
        ramp.until("lead-v2", weight=20)
        ramp.plugin("pause")
        ramp.place.wait_for_reason(MODEL, "Paused")
        ramp.plugin("promote")
        ramp.until("lead-v2", step=1)
        ramp.plugin("abort")
        ramp.until("lead-v2", result="Aborted")
        wait_for("v2's end", lambda: True if not ramp.pods("lead-v2") else None, timeout_seconds=60)
    assert users.failures == []
    assert set(users.answered) == {"lead-v1", "lead-v2"}


@pytest.mark.xdist_group("leader")
def test_an_operator_killed_half_way_goes_on(ramp: Ramp) -> None:
    """Both replicas are killed on the first step; the rollout keeps its name and its evidence, and ends promoted."""
    with ramp.users(v1=STABLE, v2=GOOD) as users:
        ramp.apply(ramp.revise(2))
        begun = ramp.until("lead-v2", weight=20)
        ramp.place.target.kubectl(
            "delete", "pod", "-n", SYSTEM, "-l", "app.kubernetes.io/name=marquee-operator",
            "--grace-period=0", "--force",
        )  # fmt: skip
        ended = ramp.until("lead-v2", result="Promoted")
    assert ended["name"] == begun["name"]
    assert users.failures == []

"""The operator's leader is killed, by itself or with its standby: what it began is finished, and nothing restarts."""

from __future__ import annotations

import pytest

from demo.story import SYSTEM
from demo.target import Target
from tests.support.place import Place
from tests.support.ramp import GOOD, STABLE, Ramp
from tests.support.waiting import wait_for

pytestmark = pytest.mark.first


def _holder(target: Target) -> str | None:
    lease = target.get("lease", "marquee", SYSTEM)
    return lease["spec"].get("holderIdentity") or None if lease else None


def test_leader_killed_standby_takes_over(serving: Place, place: Place) -> None:
    """With the leading pod gone the standby leads, finishes what is new and restarts nothing."""
    before = serving.pods()
    leader = wait_for("a leader", lambda: _holder(place.target), timeout_seconds=30)
    pod = leader.rsplit("_", 1)[0]
    place.target.kubectl("delete", "pod", pod, "-n", SYSTEM, "--grace-period=0", "--force")
    wait_for(
        "another leader",
        lambda: True if (_holder(place.target) or leader) != leader else None,
        timeout_seconds=60,
    )
    place.serve("other")
    assert serving.pods() == before


def test_an_operator_killed_half_way_goes_on(ramp: Ramp) -> None:
    """Both replicas are killed on the first step; the rollout keeps its name and its evidence, and ends promoted."""
    stable, good = ramp.serving, ramp.another()
    with ramp.users({stable: STABLE, good: GOOD}) as users:
        ramp.apply(good)
        begun = ramp.until(good, weight=20)
        ramp.place.target.kubectl(
            "delete", "pod", "-n", SYSTEM, "-l", "app.kubernetes.io/name=marquee-operator",
            "--grace-period=0", "--force",
        )  # fmt: skip
        ended = ramp.until(good, result="Promoted")
    assert ended["name"] == begun["name"]
    assert users.failures == []

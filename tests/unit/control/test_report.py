"""Statuses are written when they differ, to the very version of the model that they are about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

import pytest

from marquee.api.conditions import Reason
from marquee.api.marketing_model import MarketingModelStatus
from marquee.control.act import Refusal
from marquee.control.cluster.client import Client
from marquee.control.cluster.errors import ApiError, Conflict, NotFound
from marquee.control.decide import decide
from marquee.control.decide.plan import Plan
from marquee.control.kinds import Kind
from marquee.control.observe.resources import Resources
from marquee.control.report import Reporter
from marquee.control.snapshot import Snapshot
from tests.unit.control.builders import a_model, snapshot
from tests.unit.control.ramps import Ramp, counted, ramp, reading


class Statuses:
    """Takes status writes, unless told to refuse them."""

    def __init__(self, refusal: ApiError | None) -> None:
        self.refusal = refusal
        self.written: list[Mapping[str, Any]] = []
        self.events: list[str] = []

    async def apply_status(self, _: Kind, manifest: Mapping[str, Any]) -> dict[str, Any]:
        if self.refusal is not None:
            raise self.refusal
        self.written.append(manifest)
        stored = a_model(revision={"name": "churn-1"}).model_dump(mode="json", by_alias=True)
        stored["metadata"]["resourceVersion"] = "11"
        return stored | {"status": manifest["status"]}

    async def emit_event(self, *, reason: str, **_: object) -> None:
        self.events.append(reason)


async def _report(refusal: ApiError | None = None) -> tuple[Statuses, Resources]:
    statuses, resources = Statuses(refusal), Resources()
    observed = snapshot(wanted="churn-9")
    await Reporter(cast("Client", statuses), resources).report(observed, decide(observed), None)
    return statuses, resources


async def test_the_answer_to_a_status_write_is_known_at_once() -> None:
    """The next decision sees the status that was written, before any watch tells of it."""
    statuses, resources = await _report()
    known = resources.model("crm", "churn")
    assert known is not None
    assert known.model.status.phase == statuses.written[0]["status"]["phase"]
    assert statuses.events == ["RevisionNotFound"]


async def test_a_status_names_the_version_that_it_is_about() -> None:
    """The API server refuses it for any other, be it a newer spec or a new model of the same name."""
    statuses, _ = await _report()
    version = snapshot().model.metadata.resource_version
    assert version != ""
    assert statuses.written[0]["metadata"]["resourceVersion"] == version


@pytest.mark.parametrize(
    "refusal",
    [NotFound(404, "NotFound", "gone", "/"), Conflict(409, "Conflict", "changed", "/")],
    ids=["gone", "changed"],
)
async def test_a_model_that_has_gone_or_changed_is_not_told_about(refusal: ApiError) -> None:
    """The watch brings what is now; until then nothing is claimed, neither in a status nor in an event."""
    statuses, resources = await _report(refusal)
    assert (statuses.written, statuses.events) == ([], [])
    assert resources.model("crm", "churn") is None


async def _refused(observed: Snapshot) -> tuple[Plan, dict[str, Any]]:
    """What was planned, and the status that is written when none of it may be done."""
    plan, statuses = decide(observed), Statuses(None)
    refusal = Refusal(Reason.AUDIT_UNAVAILABLE, "the audit log is not to be had")
    await Reporter(cast("Client", statuses), Resources()).report(observed, plan, refusal)
    (written,) = statuses.written
    return plan, written["status"]


def _with_status(observed: Snapshot, status: MarketingModelStatus) -> Snapshot:
    return replace(observed, model=observed.model.model_copy(update={"status": status}))


async def test_a_rollout_whose_beginning_was_refused_is_not_told() -> None:
    """The next try is the same rollout: its name follows from the one before, and that has not changed."""
    observed = ramp(ledger=reading())
    plan, written = await _refused(observed)
    assert plan.status.rollout is not None
    assert "rollout" not in written
    again = decide(_with_status(observed, MarketingModelStatus.model_validate(written))).status.rollout
    assert again is not None
    assert again.name == plan.status.rollout.name


async def test_a_step_that_was_refused_is_not_told() -> None:
    """The weight is that of the step before, where users are; it was told when it began."""
    before = ramp(record=Ramp(), ledger=reading())
    observed = ramp(record=Ramp(), ledger=reading(*counted(0, (4_000, 900), (36_000, 5_000))))
    plan, written = await _refused(_with_status(observed, decide(before).status))
    assert plan.status.rollout is not None
    assert (plan.status.rollout.step, plan.status.rollout.weight) == (1, 50)
    assert (written["rollout"]["step"], written["rollout"]["weight"]) == (0, 10)


async def test_a_rollout_under_way_is_told_whatever_was_refused() -> None:
    """The Service remembers it, also where the status does not yet."""
    plan, written = await _refused(ramp(record=Ramp(), ledger=reading()))
    assert plan.status.rollout is not None
    assert written["rollout"]["name"] == plan.status.rollout.name

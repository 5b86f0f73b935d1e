"""Statuses are written when they differ, to the very version of the model that they are about."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import pytest

from marquee.control.cluster.client import Client
from marquee.control.cluster.errors import ApiError, Conflict, NotFound
from marquee.control.decide import decide
from marquee.control.kinds import Kind
from marquee.control.observe.resources import Resources
from marquee.control.report import Reporter
from tests.unit.control.builders import a_model, snapshot


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

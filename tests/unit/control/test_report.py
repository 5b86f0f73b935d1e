"""Statuses are written when they differ, and tell when the decision behind them is out of date."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from marquee.control.cluster.client import Client
from marquee.control.cluster.errors import NotFound
from marquee.control.decide import decide
from marquee.control.kinds import Kind
from marquee.control.observe.resources import Resources
from marquee.control.report import Reporter
from tests.unit.control.builders import a_model, snapshot


class Statuses:
    """Takes status writes; the stored model has the given generation by then, 0 for a deleted one."""

    def __init__(self, generation: int) -> None:
        self.generation = generation
        self.written: list[Mapping[str, Any]] = []

    async def apply_status(self, _: Kind, manifest: Mapping[str, Any]) -> dict[str, Any]:
        if self.generation == 0:
            raise NotFound(404, "NotFound", "no such model", "/")
        self.written.append(manifest)
        model = a_model(revision={"name": "churn-1"}, generation=self.generation)
        stored = model.model_dump(mode="json", by_alias=True)
        stored["metadata"]["resourceVersion"] = "11"
        return stored | {"status": manifest["status"]}


async def _report(generation: int) -> tuple[bool, Statuses, Resources]:
    statuses, resources = Statuses(generation), Resources()
    observed = snapshot()
    reporter = Reporter(cast("Client", statuses), resources)
    return await reporter.report(observed, decide(observed), None), statuses, resources


async def test_the_answer_to_a_status_write_is_known_at_once() -> None:
    """The next decision sees the status that was written, before any watch tells of it."""
    overtaken, statuses, resources = await _report(generation=1)
    known = resources.model("crm", "churn")
    assert not overtaken
    assert known is not None
    assert known.model.status.phase == statuses.written[0]["status"]["phase"]


async def test_a_spec_that_changed_meanwhile_is_looked_at_again() -> None:
    """The answer brings the new spec into the cache, so that the watch's later word of it is no news any more."""
    overtaken, _, resources = await _report(generation=2)
    known = resources.model("crm", "churn")
    assert overtaken
    assert known is not None
    assert known.model.metadata.generation == 2


async def test_a_model_deleted_meanwhile_has_no_status() -> None:
    """Nobody is left to tell, and nothing is to be done about it."""
    overtaken, statuses, resources = await _report(generation=0)
    assert not overtaken
    assert statuses.written == []
    assert resources.model("crm", "churn") is None

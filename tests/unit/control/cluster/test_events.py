from __future__ import annotations

import asyncio
import re
from typing import Any

import pytest
import structlog

from marquee.control.cluster import events as events_module
from marquee.control.cluster.client import Client
from marquee.control.cluster.connection import Connection
from marquee.control.cluster.events import EventRecorder, EventSettings, object_reference
from tests.unit.control.cluster.scripted_api import ScriptedApi, hang, json, refusal

MODEL: dict[str, Any] = {
    "apiVersion": "marquee.dev/v1alpha1",
    "kind": "MarketingModel",
    "metadata": {"namespace": "ns", "name": "lead-scoring", "uid": "u-1", "resourceVersion": "9", "labels": {}},
    "spec": {"useCase": "lead-scoring"},
}


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The recorder's clock, to be turned by the test."""
    clock = [1000.0]
    monkeypatch.setattr(events_module, "monotonic_seconds", lambda: clock[0])
    return clock


async def emit(recorder: EventRecorder, note: str = "it happened", **fields: Any) -> None:
    news = {"regarding": MODEL, "type": "Normal", "reason": "Promoted", "action": "Promote"} | fields
    await recorder.emit(note=note, **news)


async def test_an_event_has_all_that_the_api_wants(api: ScriptedApi, connection: Connection) -> None:
    """The event refers to its object, names its reporter, and lies in the object's namespace."""
    api.then(json({}))

    await Client(connection).emit_event(
        regarding=MODEL, type="Warning", reason="RolledBack", note="e-value 0.01", action="Rollback"
    )

    seen = api.seen[0]
    body = seen.json
    assert (seen.method, seen.path) == ("POST", "/apis/events.k8s.io/v1/namespaces/ns/events")
    assert re.fullmatch(r"lead-scoring\.[0-9a-f]{16}", body["metadata"]["name"])
    assert body["regarding"] == {
        "apiVersion": "marquee.dev/v1alpha1",
        "kind": "MarketingModel",
        "namespace": "ns",
        "name": "lead-scoring",
        "uid": "u-1",
        "resourceVersion": "9",
    }
    assert (body["type"], body["reason"], body["note"], body["action"]) == (
        "Warning",
        "RolledBack",
        "e-value 0.01",
        "Rollback",
    )
    assert body["reportingController"] == "marquee.dev/operator"
    assert body["reportingInstance"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", body["eventTime"])


async def test_a_reference_may_be_given_instead_of_the_object() -> None:
    """Object and reference lead to the same reference."""
    reference = object_reference(MODEL)

    assert object_reference(reference) == reference


@pytest.mark.usefixtures("now")
async def test_repetitions_become_a_series(api: ScriptedApi, connection: Connection) -> None:
    """The same again is counted on the first event; the count is written at powers of two."""
    recorder = EventRecorder(connection)
    api.then(*[json({})] * 4)

    for _ in range(8):
        await emit(recorder)

    created, *updates = api.seen
    assert "series" not in created.json
    assert [seen.method for seen in updates] == ["PATCH"] * 3
    assert {seen.path for seen in updates} == {f"{created.path}/{created.json['metadata']['name']}"}
    assert [seen.json["series"]["count"] for seen in updates] == [2, 4, 8]
    assert (recorder.counters.created, recorder.counters.updated) == (1, 3)


async def test_a_loop_costs_a_write_a_minute(api: ScriptedApi, connection: Connection, now: list[float]) -> None:
    """An event repeated every second for an hour costs about a write a minute and keeps its count."""
    recorder = EventRecorder(connection)
    api.then(*[json({})] * 1000)

    for _ in range(3600):
        await emit(recorder)
        now[0] += 1

    assert 60 <= len(api.seen) <= 75
    assert recorder.counters.created == 1
    assert 3600 - 60 <= api.seen[-1].json["series"]["count"] <= 3600


async def test_after_a_long_pause_it_is_a_new_event(api: ScriptedApi, connection: Connection, now: list[float]) -> None:
    """The same after more than ten quiet minutes is an event of its own."""
    recorder = EventRecorder(connection)
    api.then(*[json({})] * 3)

    await emit(recorder)
    now[0] += 599
    await emit(recorder)
    now[0] += 601
    await emit(recorder)

    assert [seen.method for seen in api.seen] == ["POST", "PATCH", "POST"]


@pytest.mark.parametrize(
    "other",
    [
        {"reason": "RolledBack"},
        {"note": "something else"},
        {"type": "Warning"},
        {"action": "Rollback"},
        {"regarding": MODEL | {"metadata": MODEL["metadata"] | {"uid": "u-2"}}},
    ],
)
async def test_what_differs_is_no_repetition(api: ScriptedApi, connection: Connection, other: dict[str, Any]) -> None:
    """Another reason, note, type, action or object makes another event."""
    recorder = EventRecorder(connection)
    api.then(*[json({})] * 2)

    await emit(recorder)
    await emit(recorder, **other)

    assert [seen.method for seen in api.seen] == ["POST", "POST"]


async def test_a_new_version_of_the_object_is_the_same_object(api: ScriptedApi, connection: Connection) -> None:
    """The object's resourceVersion does not break a series."""
    recorder = EventRecorder(connection)
    api.then(*[json({})] * 2)

    await emit(recorder)
    await emit(recorder, regarding=MODEL | {"metadata": MODEL["metadata"] | {"resourceVersion": "10"}})

    assert [seen.method for seen in api.seen] == ["POST", "PATCH"]


async def test_an_event_that_the_server_dropped_is_made_anew(api: ScriptedApi, connection: Connection) -> None:
    """When the series' event is gone, a new one starts."""
    recorder = EventRecorder(connection)
    api.then(json({}), refusal(404, "NotFound"), json({}), json({}))

    for _ in range(3):
        await emit(recorder)

    assert [seen.method for seen in api.seen] == ["POST", "PATCH", "POST", "PATCH"]
    assert api.seen[3].path.endswith(api.seen[2].json["metadata"]["name"])
    assert api.seen[3].json["series"]["count"] == 2


async def test_a_failure_is_counted_and_logged_not_raised(api: ScriptedApi, connection: Connection) -> None:
    """A refused event does not fail the caller; the next one is tried anew."""
    recorder = EventRecorder(connection)
    api.then(refusal(403, "Forbidden", "no events for you"), json({}))

    with structlog.testing.capture_logs() as logs:
        await emit(recorder)
        await emit(recorder)

    assert [seen.method for seen in api.seen] == ["POST", "POST"]
    assert (recorder.counters.failed, recorder.counters.created) == (1, 1)
    assert [log["event"] for log in logs] == ["event not recorded"]
    assert "no events for you" in logs[0]["error"]


async def test_the_same_from_two_sides_at_once_is_one_event(api: ScriptedApi, connection: Connection) -> None:
    """Two reconciles that report the same at the same moment make one event, not two."""
    recorder = EventRecorder(connection)
    api.then(json({}), json({}))

    await asyncio.gather(emit(recorder), emit(recorder))

    assert [seen.method for seen in api.seen] == ["POST", "PATCH"]


async def test_one_slow_event_does_not_hold_up_another(api: ScriptedApi, connection: Connection) -> None:
    """Only the same event waits for its first write; others pass."""
    recorder = EventRecorder(connection)
    api.then(hang(), json({}))

    slow = asyncio.create_task(emit(recorder))
    await asyncio.sleep(0.02)
    await asyncio.wait_for(emit(recorder, note="another"), 20)
    slow.cancel()
    with pytest.raises(asyncio.CancelledError):
        await slow

    assert recorder.counters.created == 1


async def test_memory_is_bounded(api: ScriptedApi, connection: Connection) -> None:
    """Of many different events only the latest are remembered."""
    recorder = EventRecorder(connection, settings=EventSettings(remembered=3))
    api.then(*[json({})] * 7)

    for note in ("1", "2", "3", "1", "4", "1", "2"):
        await emit(recorder, note)

    assert len(recorder._series) == 3
    assert [seen.method for seen in api.seen] == ["POST", "POST", "POST", "PATCH", "POST", "POST"]


async def test_long_texts_are_cut_to_what_the_api_takes(api: ScriptedApi, connection: Connection) -> None:
    """Note, reason, action and the event's name stay within the API's bounds, characters stay whole."""
    long_name = MODEL | {"metadata": MODEL["metadata"] | {"name": "n" * 253}}
    api.then(json({}))

    await emit(EventRecorder(connection), note="é" * 2000, reason="R" * 200, action="A" * 200, regarding=long_name)

    body = api.seen[0].json
    assert body["note"] == "é" * 512
    assert (len(body["reason"]), len(body["action"]), len(body["metadata"]["name"])) == (128, 128, 253)


async def test_events_about_cluster_scoped_objects_lie_in_default(api: ScriptedApi, connection: Connection) -> None:
    """An object without namespace has its events in the namespace that the API prescribes."""
    api.then(json({}))

    await emit(EventRecorder(connection), regarding={"apiVersion": "v1", "kind": "Node", "name": "n1"})

    assert api.seen[0].path == "/apis/events.k8s.io/v1/namespaces/default/events"

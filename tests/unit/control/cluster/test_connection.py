from __future__ import annotations

import asyncio
from contextlib import aclosing
from typing import Any

import pytest

from marquee.control.cluster.access import Access
from marquee.control.cluster.connection import OBJECT_METADATA, Connection, ConnectionSettings
from marquee.control.cluster.errors import (
    ApiError,
    Forbidden,
    Gone,
    Invalid,
    LeadershipLost,
    MalformedAnswer,
    ServerFault,
    TooManyRequests,
    Unauthorized,
    Unreachable,
)
from marquee.control.cluster.routes import RequestRecord
from tests.unit.control.cluster.scripted_api import (
    ScriptedApi,
    cut,
    event,
    hang,
    json,
    refusal,
    status,
    text,
    watch,
)

PODS = "/api/v1/namespaces/ns/pods"


async def events_of(connection: Connection, **options: Any) -> list[dict[str, Any]]:
    async with aclosing(connection.stream(PODS, **options)) as events:
        return [event async for event in events]


async def test_a_request_carries_body_types_and_query(api: ScriptedApi, connection: Connection) -> None:
    """Method, path, query, body and types arrive as given, and the answer's object comes back."""
    api.then(json({"kind": "Pod"}))

    answer = await connection.request(
        "PATCH",
        f"{PODS}/a%2Fb",
        params={"fieldManager": "x y", "force": "true"},
        body={"a": [1]},
        content_type="application/apply-patch+yaml",
        accept=OBJECT_METADATA,
    )

    seen = api.seen[0]
    assert answer == {"kind": "Pod"}
    assert (seen.method, seen.path, seen.query) == (
        "PATCH",
        f"{PODS}/a%2Fb",
        {"fieldManager": "x y", "force": "true"},
    )
    assert (seen.json, seen.headers["Content-Type"]) == ({"a": [1]}, "application/apply-patch+yaml")
    assert seen.headers["Accept"] == OBJECT_METADATA
    assert seen.headers["Accept-Encoding"] == "identity"
    assert "Authorization" not in seen.headers


async def test_a_refusal_is_raised_with_the_server_s_words(api: ScriptedApi, connection: Connection) -> None:
    """A Status becomes the fitting error with its fields."""
    causes = [{"field": "spec.replicas", "message": "must be positive"}]
    api.then(refusal(422, "Invalid", "bad", details={"causes": causes}))

    with pytest.raises(Invalid, match=f"POST {PODS}: 422 Invalid: bad") as raised:
        await connection.request("POST", PODS, body={})

    assert raised.value.causes == [("spec.replicas", "must be positive")]


async def test_a_busy_server_says_when_to_come_back(api: ScriptedApi, connection: Connection) -> None:
    """429 carries the Retry-After seconds to the caller, who decides; nothing is retried here."""
    api.then(refusal(429, "TooManyRequests", headers={"Retry-After": "4"}))

    with pytest.raises(TooManyRequests) as raised:
        await connection.request("GET", PODS)

    assert raised.value.retry_after == 4
    assert len(api.seen) == 1


async def test_a_refusal_without_status_keeps_its_text(api: ScriptedApi, connection: Connection) -> None:
    """A proxy's HTML page ends up, shortened, in the error's message."""
    api.then(text("<html>bad gateway" + "x" * 1000, status=502), text("[1]", status=403))

    with pytest.raises(ServerFault, match="502 ServerFault: <html>bad gateway") as raised:
        await connection.request("GET", PODS)
    with pytest.raises(Forbidden, match=r"\[1\]"):
        await connection.request("GET", PODS)

    assert len(raised.value.message) == 200


@pytest.mark.parametrize("body", ["<html>", "[]", "", "3", '{"a":'])
async def test_an_answer_that_is_no_object_is_malformed(api: ScriptedApi, connection: Connection, body: str) -> None:
    """An answer that is no JSON object is an error that shows it, not a crash later."""
    api.then(text(body))

    with pytest.raises(MalformedAnswer, match=f"GET {PODS}: no JSON"):
        await connection.request("GET", PODS)


async def test_a_redirect_is_not_followed(api: ScriptedApi, connection: Connection) -> None:
    """A redirect is not the API server speaking: the token is not carried elsewhere."""
    api.then(text("", status=302, headers={"Location": "/other"}))

    with pytest.raises(ApiError, match="302"):
        await connection.request("GET", PODS)

    assert len(api.seen) == 1


async def test_no_server_is_unreachable() -> None:
    """A refused connection names the address that was tried."""
    api = ScriptedApi(url="http://127.0.0.1:1")
    connection = api.connect()
    try:
        with pytest.raises(Unreachable, match=r"GET http://127\.0\.0\.1:1/version: .*onnect"):
            await connection.request("GET", "/version")
        assert connection.requests == {("get", "/version", 0): 1}
    finally:
        await connection.close()


async def test_a_cut_connection_is_unreachable(api: ScriptedApi, connection: Connection) -> None:
    """A connection that breaks before the answer leaves the outcome unknown, and is not repeated for a write."""
    api.then(cut(), json({}))

    with pytest.raises(Unreachable, match=f"POST .*{PODS}"):
        await connection.request("POST", PODS, body={})

    assert len(api.seen) == 1


async def test_an_answer_that_takes_too_long_is_unreachable(api: ScriptedApi, connection: Connection) -> None:
    """The time-out covers the whole exchange and is named."""
    api.then(hang())

    with pytest.raises(Unreachable, match=r"no answer within 0\.05 s"):
        await connection.request("GET", PODS, timeout_seconds=0.05)

    assert connection.requests == {("list", "pods", 0): 1}


async def test_requests_are_counted_and_told(api: ScriptedApi, connection: Connection) -> None:
    """Every request is counted by verb, resource and status, and told to the hook; a watch when it opens."""
    records: list[RequestRecord] = []
    connection.on_request = records.append
    api.then(json({}), refusal(404, "NotFound"), watch(event("ADDED", "a", 1)), refusal(410, "Gone"))

    await connection.request("GET", PODS)
    with pytest.raises(Exception, match="404"):
        await connection.request("DELETE", f"{PODS}/a")
    await events_of(connection)
    with pytest.raises(Gone):
        await events_of(connection)

    assert connection.requests == {
        ("list", "pods", 200): 1,
        ("delete", "pods", 404): 1,
        ("watch", "pods", 200): 1,
        ("watch", "pods", 410): 1,
    }
    assert [(record.verb, record.status) for record in records] == [
        ("list", 200),
        ("delete", 404),
        ("watch", 200),
        ("watch", 410),
    ]
    assert all(0 < record.seconds < 5 for record in records)


async def test_slow_requests_cannot_delay_an_urgent_one(api: ScriptedApi) -> None:
    """Requests wait for a slot, and the wait counts into their time-out; an urgent one takes none."""
    connection = api.connect(ConnectionSettings(requests_at_once=1))
    try:
        api.then(hang(), json({"urgent": True}))
        slow = asyncio.create_task(connection.request("GET", PODS))
        await asyncio.sleep(0.05)
        with pytest.raises(Unreachable):
            await connection.request("GET", PODS, timeout_seconds=0.05)
        assert await connection.request("PUT", PODS, body={}, urgent=True) == {"urgent": True}
        assert [seen.method for seen in api.seen] == ["GET", "PUT"]
        slow.cancel()
        with pytest.raises(asyncio.CancelledError):
            await slow
    finally:
        await connection.close()


async def test_who_lost_the_lead_writes_nothing(api: ScriptedApi, connection: Connection) -> None:
    """Once the lead is lost no change is sent, but what is urgent, the Lease itself, and reads are."""
    connection.may_write = lambda: False

    for method in ("POST", "PUT", "PATCH", "DELETE"):
        with pytest.raises(LeadershipLost, match=f"{method} {PODS}: not sent"):
            await connection.request(method, PODS, body={})
    assert api.seen == []

    api.then(json({}), json({}))
    await connection.request("GET", PODS)
    await connection.request("PUT", PODS, body={}, urgent=True)
    assert len(api.seen) == 2


async def test_the_lead_is_asked_for_after_the_wait_for_a_slot(api: ScriptedApi) -> None:
    """A change that waited behind others while the lead was lost is not sent."""
    connection = api.connect(ConnectionSettings(requests_at_once=1))
    try:
        leads = True
        connection.may_write = lambda: leads
        api.then(hang())
        slow = asyncio.create_task(connection.request("GET", PODS))
        await asyncio.sleep(0.02)
        waiting = asyncio.create_task(connection.request("POST", PODS, body={}))
        await asyncio.sleep(0.02)
        leads = False
        slow.cancel()
        with pytest.raises(LeadershipLost):
            await waiting
        assert len(api.seen) == 1
    finally:
        await connection.close()


async def test_watches_take_no_slots(api: ScriptedApi) -> None:
    """Open watches leave the slots to requests."""
    connection = api.connect(ConnectionSettings(requests_at_once=1))
    try:
        api.then(watch(event("ADDED", "a", 1), end="hang"), json({"free": True}))
        async with aclosing(connection.stream(PODS)) as events:
            await anext(events)
            assert await connection.request("GET", PODS, timeout_seconds=20) == {"free": True}
    finally:
        await connection.close()


async def test_connections_are_reused(api: ScriptedApi, connection: Connection) -> None:
    """A thousand requests one after the other open one connection, not a thousand."""
    ports: set[Any] = set()

    async def reply(request: Any) -> Any:
        ports.add(request.transport.get_extra_info("peername"))
        return await json({})(request)

    api.then(*[reply] * 200)
    for _ in range(200):
        await connection.request("GET", PODS)

    assert len(ports) == 1


async def test_a_watch_yields_events_until_the_server_ends_it(api: ScriptedApi, connection: Connection) -> None:
    """Events come in order, lines may be cut anywhere, and the end of the stream is no error."""
    lines = b'{"type":"ADDED","object":{"metadata":{}}}\n{"type":"MOD', b'IFIED","object":{"metadata":{}}}\n\n'
    api.then(watch(event("ADDED", "a", 1), *lines))

    events = await events_of(connection, params={"resourceVersion": "5"})

    assert [found["type"] for found in events] == ["ADDED", "ADDED", "MODIFIED"]
    assert api.seen[0].query == {"resourceVersion": "5", "watch": "1"}


async def test_an_error_event_ends_the_watch(api: ScriptedApi, connection: Connection) -> None:
    """An ERROR event is raised as the error that its Status tells of, after the events before it."""
    api.then(watch(event("ADDED", "a", 1), {"type": "ERROR", "object": status(410, "Expired", "too old")}))

    async with aclosing(connection.stream(PODS)) as events:
        assert (await anext(events))["type"] == "ADDED"
        with pytest.raises(Gone, match=f"WATCH {PODS}: 410 Expired: too old"):
            await anext(events)


async def test_an_error_event_without_code_is_the_server_s_fault(api: ScriptedApi, connection: Connection) -> None:
    """An ERROR event that says nothing counts as the server's failure."""
    api.then(watch({"type": "ERROR", "object": {}}))

    with pytest.raises(ServerFault):
        await events_of(connection)


@pytest.mark.parametrize(
    "line", [b"{broken\n", b"[]\n", b"7\n", b'{"type":"ADDED"}\n', b'{"object":{}}\n', b'{"type":"A","object":[]}\n']
)
async def test_a_line_that_is_no_event_is_malformed(api: ScriptedApi, connection: Connection, line: bytes) -> None:
    """A broken line ends the watch with an error that shows it."""
    api.then(watch(line))

    with pytest.raises(MalformedAnswer, match=f"WATCH {PODS}: no event but"):
        await events_of(connection)


async def test_an_endless_line_is_malformed(api: ScriptedApi) -> None:
    """A line beyond the bound ends the watch before it fills the memory."""
    connection = api.connect(ConnectionSettings(max_line_bytes=1000))
    try:
        api.then(watch(b"x" * 700, b"x" * 700, end="hang"))
        with pytest.raises(MalformedAnswer, match="longer than 1000 bytes"):
            await events_of(connection)
    finally:
        await connection.close()


async def test_a_cut_watch_is_unreachable(api: ScriptedApi, connection: Connection) -> None:
    """A connection that breaks in the middle of a watch is told from the watch's end."""
    api.then(watch(event("ADDED", "a", 1), end="cut"))

    with pytest.raises(Unreachable, match=PODS):
        await events_of(connection)


async def test_a_silent_watch_ends_with_its_time(api: ScriptedApi, connection: Connection) -> None:
    """A watch that the server forgets is ended by this side."""
    api.then(watch(event("ADDED", "a", 1), end="hang"))

    with pytest.raises(Unreachable):
        await events_of(connection, timeout_seconds=0.1)


async def test_leaving_a_watch_closes_its_connection(api: ScriptedApi, connection: Connection) -> None:
    """A watch that is left early does not go on in the background."""
    api.then(watch(event("ADDED", "a", 1), end="hang"))

    async with aclosing(connection.stream(PODS)) as events:
        await anext(events)
        assert len(connection._session.connector._acquired) == 1  # type: ignore[union-attr]

    assert not connection._session.connector._acquired  # type: ignore[union-attr]


async def test_closing_ends_open_watches(api: ScriptedApi) -> None:
    """Closing the session ends its watches instead of leaving them waiting, and leaves no socket open."""
    connection = api.connect()
    api.then(watch(event("ADDED", "a", 1), end="hang"), json({}))
    async with aclosing(connection.stream(PODS)) as events:
        await anext(events)
        waiting = asyncio.ensure_future(anext(events))
        await connection.request("GET", PODS)
        sockets = list(connection._sockets._open)
        await connection.close()
        with pytest.raises(Unreachable):
            await asyncio.wait_for(waiting, 20)

    assert [sock.fileno() for sock in sockets] == [-1, -1]
    with pytest.raises(Unreachable, match=f"GET {PODS}: not sent, the connection is closed"):
        await connection.request("GET", PODS)


async def test_a_renewed_token_is_used_after_a_refusal(api: ScriptedApi) -> None:
    """A 401 has the token's source asked once; with a new token the request is repeated."""
    configuration = api.configuration("Bearer old")

    async def renew() -> None:
        configuration.api_key["BearerToken"] = "Bearer new"

    connection = Connection(Access(configuration, reload=renew))
    try:
        api.then(refusal(401, "Unauthorized"), json({"fine": True}))
        assert await connection.request("GET", PODS) == {"fine": True}
        assert [seen.headers["Authorization"] for seen in api.seen] == ["Bearer old", "Bearer new"]
    finally:
        await connection.close()


async def test_a_refused_token_that_stays_is_not_repeated(api: ScriptedApi) -> None:
    """Without another token a 401 is raised at once."""
    connection = api.connect(token="Bearer only")
    try:
        api.then(refusal(401, "Unauthorized"))
        with pytest.raises(Unauthorized):
            await connection.request("GET", PODS)
        assert len(api.seen) == 1
    finally:
        await connection.close()


async def test_a_watch_refused_for_its_token_asks_for_a_new_one(api: ScriptedApi) -> None:
    """A watch that meets 401 has the token renewed before its next attempt."""
    configuration = api.configuration("Bearer old")

    async def renew() -> None:
        configuration.api_key["BearerToken"] = "Bearer new"

    connection = Connection(Access(configuration, reload=renew))
    try:
        api.then(refusal(401, "Unauthorized"), watch(event("ADDED", "a", 1)))
        with pytest.raises(Unauthorized):
            await events_of(connection)
        assert len(await events_of(connection)) == 1
        assert api.seen[1].headers["Authorization"] == "Bearer new"
    finally:
        await connection.close()

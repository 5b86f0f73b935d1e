from __future__ import annotations

import asyncio
import socket
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
from aiohttp import web

from marquee.contract.ledger import MetricDeclaration, MetricKind, RolloutDeclaration
from marquee.control.ledger import client as client_module
from marquee.control.ledger.client import LedgerClient
from marquee.control.ledger.errors import (
    DeclaredOtherwiseError,
    LedgerError,
    LedgerNotUnderstoodError,
    LedgerRefusedError,
    LedgerUnavailableError,
    RolloutUnknownError,
    TokenUnreadableError,
)
from tests.unit.control.cluster.scripted_api import Reply, ScriptedApi, cut, hang, json, text
from tests.unit.control.ledger.integers import MODEL, counted, document, statistics

DECLARATION = RolloutDeclaration(
    metrics=(
        MetricDeclaration(outcome="purchase"),
        MetricDeclaration(outcome="revenue", kind=MetricKind.MEAN, cap=200.0),
    )
)


def problem(status: int, kind: str, detail: str = "the ledger's words") -> Reply:
    """A refusal as the ledger words it."""
    return json({"type": f"urn:marquee:problem:{kind}", "title": "", "status": status, "detail": detail}, status=status)


def tagged(tag: str, body: Any) -> Reply:
    """Statistics with an ETag."""
    return text(orjson.dumps(body).decode(), headers={"etag": tag})


def made(session: aiohttp.ClientSession, server: ScriptedApi, token: Path | None = None) -> LedgerClient:
    return LedgerClient(session, server.url, token, timeout_seconds=5.0)


@pytest.mark.parametrize("status", [200, 201])
async def test_declaring_puts_the_metrics(session: aiohttp.ClientSession, server: ScriptedApi, status: int) -> None:
    """A declaration is the contract's JSON under the rollout's path; known or new, it is done."""
    server.then(json({}, status=status))

    await LedgerClient(session, server.url + "/", None).declare(MODEL, "leads-r7", DECLARATION)

    (seen,) = server.seen
    assert (seen.method, seen.path) == ("PUT", "/v1/rollouts/shop/leads/leads-r7")
    assert seen.headers["Content-Type"] == "application/json"
    assert RolloutDeclaration.model_validate_json(seen.body) == DECLARATION
    assert "Authorization" not in seen.headers


async def test_declared_otherwise_has_its_own_error(session: aiohttp.ClientSession, server: ScriptedApi) -> None:
    """409 says which request was refused, and gives the ledger's reason."""
    server.then(problem(409, "declaration-changed", "leads-r7 was declared with other metrics"))

    with pytest.raises(DeclaredOtherwiseError) as caught:
        await made(session, server).declare(MODEL, "leads-r7", DECLARATION)

    assert (caught.value.status, caught.value.kind) == (409, "declaration-changed")
    assert str(caught.value) == (
        f"PUT {server.url}/v1/rollouts/shop/leads/leads-r7: 409 declaration-changed: "
        "leads-r7 was declared with other metrics"
    )


async def test_closing_posts_without_a_body(session: aiohttp.ClientSession, server: ScriptedApi) -> None:
    """Closing is one POST; that the rollout is unknown has its own error."""
    server.then(text("", status=204), problem(404, "rollout-unknown"))
    client = made(session, server)

    await client.close(MODEL, "r1")
    with pytest.raises(RolloutUnknownError):
        await client.close(MODEL, "r2")

    assert [(seen.method, seen.path, seen.body) for seen in server.seen] == [
        ("POST", "/v1/rollouts/shop/leads/r1/close", b""),
        ("POST", "/v1/rollouts/shop/leads/r2/close", b""),
    ]


async def test_statistics_are_read_exactly(session: aiohttp.ClientSession, server: ScriptedApi) -> None:
    """Sums beyond 2^53 arrive to the last digit, over several slices of rollouts."""
    huge = 2**63 + 1
    wanted = tuple(
        statistics(
            counted(0, "stable", 5, purchase=(1, huge, huge**2)), counted(0, "canary", 4), rollout=f"r{n}", revision=n
        )
        for n in range(50)
    )
    server.then(tagged('"a"', document(*wanted)))

    assert await made(session, server).statistics() == wanted
    assert server.seen[0].path == "/v1/statistics"
    assert server.seen[0].query == {}


async def test_reading_a_long_answer_lets_others_run(session: aiohttp.ClientSession, server: ScriptedApi) -> None:
    """Between slices of rollouts the event loop turns."""
    server.then(tagged('"a"', document(*(statistics(rollout=f"r{n}") for n in range(200)))))
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += len(server.script) == 0

    answer = LedgerClient(session, server.url, None).statistics()
    other = asyncio.create_task(others())
    found = await answer
    other.cancel()

    assert found is not None
    assert len(found) == 200
    assert turns >= 200 / client_module._SLICE


async def test_unchanged_statistics_are_not_sent_again(session: aiohttp.ClientSession, server: ScriptedApi) -> None:
    """The tag of the last full answer goes with the next request, and 304 is None."""
    server.then(
        tagged('"a"', document(statistics())),
        text("", status=304),
        tagged('"b"', document(statistics(revision=2))),
        text("", status=304),
    )
    client = made(session, server)

    answers = [await client.statistics() for _ in range(4)]

    assert answers == [(statistics(),), None, (statistics(revision=2),), None]
    assert [seen.headers.get("If-None-Match") for seen in server.seen] == [None, '"a"', '"a"', '"b"']


async def test_answer_that_was_not_understood_is_asked_for_again(
    session: aiohttp.ClientSession, server: ScriptedApi
) -> None:
    """Only an answer that was understood is named as known: no change gets lost behind a bad one."""
    server.then(
        tagged('"a"', document(statistics())), tagged('"b"', {"rollouts": [{}]}), tagged('"b"', document(statistics()))
    )
    client = made(session, server)
    await client.statistics()

    with pytest.raises(LedgerNotUnderstoodError, match=r"rollouts\.0\.model: Field required; is MARQUEE_OPERATOR_"):
        await client.statistics()
    await client.statistics()

    assert server.seen[2].headers["If-None-Match"] == '"a"'


async def test_not_modified_without_a_tag_is_refused(session: aiohttp.ClientSession, server: ScriptedApi) -> None:
    """A proxy that answers 304 to a first request has nothing that could stay as it was."""
    server.then(text("", status=304))

    with pytest.raises(LedgerNotUnderstoodError, match="status 304"):
        await made(session, server).statistics()


@pytest.mark.parametrize("body", ["", "<html>", "[]", "null", '{"rollouts": 1}', '{"rollouts": "text"}', "{}"])
async def test_what_is_no_ledger_is_not_understood(
    session: aiohttp.ClientSession, server: ScriptedApi, body: str
) -> None:
    """Another service's 200 raises what says so, whatever its body."""
    server.then(text(body))

    with pytest.raises(LedgerNotUnderstoodError, match=r"GET http://127\.0\.0\.1:\d+/v1/statistics: not understood"):
        await made(session, server).statistics()


async def test_redirect_is_not_followed(session: aiohttp.ClientSession, server: ScriptedApi, tmp_path: Path) -> None:
    """A token goes to the ledger's address and nowhere else."""
    (tmp_path / "token").write_text("secret")
    server.then(text("", status=307, headers={"location": f"{server.url}/elsewhere"}))

    with pytest.raises(LedgerNotUnderstoodError, match="status 307"):
        await made(session, server, tmp_path / "token").statistics()

    assert len(server.seen) == 1


async def test_longer_answer_than_any_ledgers_is_cut(
    session: aiohttp.ClientSession, server: ScriptedApi, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading stops at the bound, whatever else would come."""
    monkeypatch.setattr(client_module, "MAX_REPLY_BYTES", 100_000)
    server.then(text("x" * 100_001), text("x" * 100_000))
    client = made(session, server)

    with pytest.raises(LedgerNotUnderstoodError, match="more than 100,000 bytes"):
        await client.statistics()
    with pytest.raises(LedgerNotUnderstoodError, match="no JSON"):
        await client.statistics()


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (problem(503, "store-unavailable", "the database is away"), "503 store-unavailable: the database is away"),
        (problem(429, "over-quota", "too many"), "429 over-quota: too many"),
        (text("upstream connect error", status=502), "502: upstream connect error"),
        (text("", status=500), "500: no reason was given"),
        (cut(), "Disconnected"),
    ],
)
async def test_what_passes_is_told_from_what_stays(
    session: aiohttp.ClientSession, server: ScriptedApi, reply: Reply, words: str
) -> None:
    """5xx, 429 and a broken connection are worth another attempt, for a read and for a write."""
    for attempt in ("read", "write"):
        server.then(reply, reply)  # aiohttp itself repeats an idempotent request whose connection broke, once
        client = made(session, server)
        with pytest.raises(LedgerUnavailableError, match=words):
            await (client.statistics() if attempt == "read" else client.declare(MODEL, "r1", DECLARATION))


async def test_ledger_that_does_not_answer_is_given_up(session: aiohttp.ClientSession, server: ScriptedApi) -> None:
    """After the timeout the request is over."""
    server.then(hang())

    with pytest.raises(LedgerUnavailableError, match=r"no answer within 0\.05 s"):
        await LedgerClient(session, server.url, None, timeout_seconds=0.05).statistics()


async def test_nobody_listens(session: aiohttp.ClientSession) -> None:
    """A refused connection is an outage."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(LedgerUnavailableError, match="ClientConnectorError"):
            await LedgerClient(session, url, None).statistics()


async def test_impossible_address_is_an_error_of_the_tree(session: aiohttp.ClientSession) -> None:
    """A URL that is none does not end the follower's task."""
    with pytest.raises(LedgerError, match="InvalidUrl"):
        await LedgerClient(session, "ledger", None).statistics()


@pytest.mark.parametrize(
    ("status", "kind", "remedy"),
    [
        (400, "malformed-name", ""),
        (401, "unauthenticated", "; project the operator's token for the audience marquee-ledger"),
        (403, "forbidden", "; name the operator's service account in the ledger's MARQUEE_LEDGER_OPERATORS"),
        (422, "invalid-input", "; run the operator and the ledger in the same version"),
    ],
)
async def test_refusal_says_what_to_do(
    session: aiohttp.ClientSession, server: ScriptedApi, status: int, kind: str, remedy: str
) -> None:
    """A 4xx carries the ledger's words and what its reader can change."""
    server.then(problem(status, kind))

    with pytest.raises(LedgerRefusedError) as caught:
        await made(session, server).statistics()

    assert (caught.value.status, caught.value.kind, caught.value.detail) == (status, kind, "the ledger's words")
    assert f"{status} {kind}: the ledger's words{remedy}" in str(caught.value)


async def test_refusal_of_a_stranger_shows_its_beginning(session: aiohttp.ClientSession, server: ScriptedApi) -> None:
    """Where the body is no problem, its first 300 bytes are all there is to say."""
    server.then(text("<h1>nothing here</h1>" + "x" * 1_000, status=404))

    with pytest.raises(LedgerRefusedError) as caught:
        await made(session, server).statistics()

    assert not isinstance(caught.value, RolloutUnknownError)
    assert caught.value.detail.startswith("<h1>nothing here</h1>")
    assert len(caught.value.detail) == 300


async def test_every_request_carries_the_token_of_now(
    session: aiohttp.ClientSession, server: ScriptedApi, tmp_path: Path
) -> None:
    """A token that the kubelet has replaced is used with the next request."""
    path = tmp_path / "token"
    client = made(session, server, path)
    with pytest.raises(TokenUnreadableError):
        await client.statistics()
    for token in ("first", "second-longer"):
        path.write_text(token)
        server.then(text("", status=204))
        await client.close(MODEL, "r1")

    assert [seen.headers["Authorization"] for seen in server.seen] == ["Bearer first", "Bearer second-longer"]


async def test_message_never_holds_the_token(
    session: aiohttp.ClientSession, server: ScriptedApi, tmp_path: Path
) -> None:
    """Errors are logged and shown in a model's status: the token is in none of them."""
    path = tmp_path / "token"
    path.write_text("top-secret")
    server.then(problem(403, "forbidden"), text("", status=500), cut(), text("{}"))
    client = made(session, server, path)

    messages = []
    for _ in range(4):
        with pytest.raises(LedgerError) as caught:
            await client.statistics()
        messages.append(str(caught.value))

    assert "top-secret" not in " ".join(messages)


async def test_session_can_be_used_after_an_error(session: aiohttp.ClientSession, server: ScriptedApi) -> None:
    """A broken answer leaves no connection behind that would spoil the next."""

    async def torn(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-length": "100"})
        await response.prepare(request)
        await response.write(b"{")
        assert request.transport is not None
        request.transport.close()
        return response

    server.then(torn, tagged('"a"', document(statistics())))
    client = made(session, server)

    with pytest.raises(LedgerUnavailableError, match="ClientPayloadError"):
        await client.statistics()

    assert await client.statistics() == (statistics(),)

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import structlog

from marquee.control.cluster.connection import LIST_METADATA, OBJECT, OBJECT_METADATA, Connection
from marquee.control.cluster.informer import Informer, InformerSettings
from marquee.control.kinds import DEPLOYMENT
from marquee.control.runtime.backoff import Backoff
from tests.unit.control.cluster.scripted_api import (
    ScriptedApi,
    event,
    group_of,
    hang,
    made,
    page,
    refusal,
    status,
    text,
    watch,
)

FAST = InformerSettings(backoff=Backoff(initial_seconds=0.01, maximum_seconds=0.05), settled_seconds=0.02)


def text_of(raw: dict[str, Any]) -> str:
    return f"{raw['metadata']['name']}@{raw['metadata']['resourceVersion']}"


class Subject:
    """An informer with what it told."""

    def __init__(self, connection: Connection, settings: InformerSettings = FAST, **options: Any) -> None:
        self.changes: list[tuple[str | None, str | None]] = []
        self.on_change: Callable[[str | None, str | None], None] = lambda old, new: self.changes.append((old, new))
        self.informer: Informer[str] = Informer(
            connection,
            DEPLOYMENT,
            transform=options.pop("transform", text_of),
            on_change=self._told,
            index=group_of,
            settings=settings,
            rng=random.Random(5),
            **options,
        )

    def _told(self, old: str | None, new: str | None) -> None:
        self.on_change(old, new)


@asynccontextmanager
async def running(subject: Subject) -> AsyncIterator[Informer[str]]:
    task = asyncio.create_task(subject.informer.run())
    try:
        yield subject.informer
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def until(condition: Callable[[], object]) -> None:
    """Wait until something is so, or fail after some seconds."""
    async with asyncio.timeout(30):
        while not condition():
            await asyncio.sleep(0.002)


async def test_lists_then_watches_from_there(api: ScriptedApi, connection: Connection) -> None:
    """The list fills the cache, the watch goes on from the list's version, and every object is told once."""
    api.then(
        page([made("a", 3), made("b", 7)], 9),
        watch(event("MODIFIED", "a", 11), event("ADDED", "c", 12), event("DELETED", "b", 13), end="hang"),
    )
    subject = Subject(connection)

    async with running(subject) as informer:
        await until(lambda: len(subject.changes) == 5)
        assert informer.synced.is_set()
        assert sorted(informer) == ["a@11", "c@12"]
        assert informer.get("ns", "b") is None

    assert subject.changes == [(None, "a@3"), (None, "b@7"), ("a@3", "a@11"), (None, "c@12"), ("b@7", None)]
    listed, watched = api.seen
    assert listed.path == watched.path == "/apis/apps/v1/deployments"
    assert listed.query == {"limit": "250"}
    assert watched.query["resourceVersion"] == "9"
    assert watched.query["allowWatchBookmarks"] == "true"
    assert 240 <= int(watched.query["timeoutSeconds"]) <= 300


async def test_asks_for_its_namespace_selector_and_metadata(api: ScriptedApi, connection: Connection) -> None:
    """Namespace, label selector and the metadata form are asked of the server, in the list and the watch."""
    api.then(page([], 1), watch(end="hang"))
    subject = Subject(connection, namespace="ns", label_selector="app=x,tier in (a, b)", metadata_only=True)

    async with running(subject):
        await until(lambda: len(api.seen) == 2)

    assert [seen.path for seen in api.seen] == ["/apis/apps/v1/namespaces/ns/deployments"] * 2
    assert [seen.query["labelSelector"] for seen in api.seen] == ["app=x,tier in (a, b)"] * 2
    assert [seen.headers["Accept"] for seen in api.seen] == [LIST_METADATA, OBJECT_METADATA]


async def test_asks_for_whole_objects_by_default(api: ScriptedApi, connection: Connection) -> None:
    """Without the metadata form, whole objects are asked for."""
    api.then(page([], 1), watch(end="hang"))

    async with running(Subject(connection)):
        await until(lambda: len(api.seen) == 2)

    assert [seen.headers["Accept"] for seen in api.seen] == [OBJECT, OBJECT]


async def test_reads_long_lists_in_pages(api: ScriptedApi, connection: Connection) -> None:
    """A list in pages is one list: the watch starts at the first page's version, and it syncs after the last."""
    synced_during: list[bool] = []

    async def second(request: Any) -> Any:
        synced_during.append(subject.informer.synced.is_set())
        return await page([made("b", 2)], 8)(request)

    subject = Subject(connection)
    api.then(page([made("a", 1)], 5, more="token/=&"), second, watch(end="hang"))

    async with running(subject) as informer:
        await until(lambda: len(api.seen) == 3)
        assert sorted(informer) == ["a@1", "b@2"]

    assert synced_during == [False]
    assert api.seen[1].query["continue"] == "token/=&"
    assert api.seen[2].query["resourceVersion"] == "5"


async def test_a_list_that_expires_between_pages_starts_over(api: ScriptedApi, connection: Connection) -> None:
    """When the continue token is too old, the list is taken from the start and nothing is taken for deleted."""
    api.then(
        page([made("a", 1)], 5, more="t"),
        refusal(410, "Expired"),
        page([made("a", 1), made("b", 2)], 9),
        watch(end="hang"),
    )
    subject = Subject(connection)

    async with running(subject) as informer:
        await until(lambda: len(api.seen) == 4)
        assert sorted(informer) == ["a@1", "b@2"]

    assert "continue" not in api.seen[2].query
    assert subject.changes == [(None, "a@1"), (None, "b@2")]


async def test_resumes_after_the_watch_ended(api: ScriptedApi, connection: Connection) -> None:
    """When the server ends the watch, the next goes on from the last version seen, without a list."""
    api.then(page([made("a", 3)], 9), watch(event("MODIFIED", "a", 15)), watch(end="hang"))
    subject = Subject(connection)

    async with running(subject) as informer:
        await until(lambda: len(api.seen) == 3)
        assert informer.counters.lists == 1
        assert informer.counters.failures == 0

    assert api.seen[2].query["resourceVersion"] == "15"
    assert len(subject.changes) == 2


async def test_bookmarks_move_the_version_only(api: ScriptedApi, connection: Connection) -> None:
    """A bookmark is no object: it is where the next watch goes on."""
    bookmark = {"type": "BOOKMARK", "object": {"kind": "Deployment", "metadata": {"resourceVersion": "77"}}}
    api.then(page([], 9), watch(bookmark), watch(end="hang"))
    subject = Subject(connection)

    async with running(subject) as informer:
        await until(lambda: len(api.seen) == 3)
        assert (len(informer), informer.counters.events, informer.counters.rejected) == (0, 0, 0)

    assert api.seen[2].query["resourceVersion"] == "77"
    assert subject.changes == []


async def test_a_cut_connection_resumes_without_a_list(api: ScriptedApi, connection: Connection) -> None:
    """A broken connection loses nothing: the watch goes on from the last version that arrived."""
    api.then(
        page([made("a", 3)], 9),
        watch(event("MODIFIED", "a", 10), end="cut"),
        watch(end="cut"),
        refusal(503, "ServiceUnavailable"),
        watch(event("MODIFIED", "a", 11), end="hang"),
    )
    subject = Subject(connection)

    async with running(subject) as informer:
        await until(lambda: informer.get("ns", "a") == "a@11")
        assert informer.counters.failures == 3

    assert [seen.query.get("resourceVersion") for seen in api.seen[2:]] == ["10", "10", "10"]


async def test_a_broken_line_resumes_after_the_last_good_one(api: ScriptedApi, connection: Connection) -> None:
    """A line that is no event ends the watch; the next one goes on after the last event that was."""
    api.then(page([], 9), watch(event("ADDED", "a", 10), b"{nonsense\n"), watch(end="hang"))

    async with running(Subject(connection)) as informer:
        await until(lambda: len(api.seen) == 3)
        assert informer.get("ns", "a") == "a@10"

    assert api.seen[2].query["resourceVersion"] == "10"


async def test_a_version_too_old_is_listed_again(api: ScriptedApi, connection: Connection) -> None:
    """410 in the middle of a watch has all listed again; what vanished and what changed meanwhile is told."""
    api.then(
        page([made("stays", 1), made("changes", 2), made("goes", 3)], 9),
        watch({"type": "ERROR", "object": status(410, "Expired", "too old resource version")}),
        page([made("stays", 1), made("changes", 22), made("comes", 23)], 30),
        watch(end="hang"),
    )
    subject = Subject(connection)

    async with running(subject) as informer:
        await until(lambda: len(api.seen) == 4)
        assert sorted(informer) == ["changes@22", "comes@23", "stays@1"]
        assert informer.counters.lists == 2

    assert subject.changes[3:] == [("changes@2", "changes@22"), (None, "comes@23"), ("goes@3", None)]
    assert api.seen[3].query["resourceVersion"] == "30"


async def test_a_refused_resume_is_listed_again(api: ScriptedApi, connection: Connection) -> None:
    """410 as the watch's answer counts like one in its middle."""
    api.then(page([], 9), refusal(410, "Gone"), page([made("a", 12)], 20), watch(end="hang"))

    async with running(Subject(connection)) as informer:
        await until(lambda: len(api.seen) == 4)
        assert informer.get("ns", "a") == "a@12"


async def test_waits_as_long_as_a_busy_server_asks(api: ScriptedApi, connection: Connection) -> None:
    """Retry-After is kept, up to the longest backoff."""
    settings = InformerSettings(backoff=Backoff(initial_seconds=0.001, maximum_seconds=0.3))
    api.then(refusal(429, "TooManyRequests", headers={"Retry-After": "60"}), page([], 1), watch(end="hang"))
    loop = asyncio.get_running_loop()

    async with running(Subject(connection, settings)) as informer:
        await until(lambda: len(api.seen) == 1)
        started = loop.time()
        await informer.synced.wait()

    assert 0.25 < loop.time() - started < 20


async def test_never_gives_up(api: ScriptedApi, connection: Connection) -> None:
    """Refusals that look final, as of a kind that is not installed yet, are tried again until they pass."""
    api.then(
        refusal(404, "NotFound"),
        refusal(403, "Forbidden"),
        refusal(401, "Unauthorized"),
        text("<html>"),
        refusal(500, "InternalError"),
        page([made("a", 1)], 2),
        watch(end="hang"),
    )

    async with running(Subject(connection)) as informer:
        await informer.synced.wait()
        assert informer.get("ns", "a") == "a@1"
        assert informer.counters.failures == 5


OPTIONAL = InformerSettings(backoff=FAST.backoff, settled_seconds=0.02, absent_seconds=0.05)
NOT_SERVED = "kind is not served; carrying on without it"


async def test_an_optional_kind_that_is_not_served_is_an_empty_set(api: ScriptedApi, connection: Connection) -> None:
    """Nobody waits for it and nobody is alarmed: it is synced, healthy, no failure, and told once."""
    api.then(*[refusal(404, "NotFound")] * 3, hang())
    subject = Subject(connection, OPTIONAL, optional=True)

    with structlog.testing.capture_logs() as logs:
        async with running(subject) as informer:
            await until(lambda: len(api.seen) == 4)
            assert informer.synced.is_set()
            assert informer.healthy
            assert len(informer) == 0
            assert (informer.counters.failures, informer.counters.lists, informer.counters.watches) == (0, 0, 0)

    assert [(log["log_level"], log["event"]) for log in logs] == [
        ("info", "kind is not served; carrying on without it")
    ]
    assert subject.changes == []


async def test_an_absent_kind_is_asked_for_in_its_own_time(api: ScriptedApi, connection: Connection) -> None:
    """Not in the rhythm of failures: a cluster without the kind is no outage."""
    settings = InformerSettings(backoff=FAST.backoff, absent_seconds=0.2)
    api.then(*[refusal(404, "NotFound")] * 9)

    async with running(Subject(connection, settings, optional=True)):
        await asyncio.sleep(0.5)
        assert 2 <= len(api.seen) <= 3


async def test_an_optional_kind_is_found_when_it_comes(api: ScriptedApi, connection: Connection) -> None:
    """Installed later, it is listed and watched without a restart, and both is told."""
    api.then(refusal(404, "NotFound"), page([made("a", 3)], 9), watch(event("ADDED", "b", 11), end="hang"))
    subject = Subject(connection, OPTIONAL, optional=True)

    with structlog.testing.capture_logs() as logs:
        async with running(subject) as informer:
            await until(lambda: informer.get("ns", "b"))
            assert sorted(informer) == ["a@3", "b@11"]

    assert subject.changes == [(None, "a@3"), (None, "b@11")]
    assert [log["event"] for log in logs] == [NOT_SERVED, "informer synced"]


async def test_an_optional_kind_that_goes_takes_its_objects_along(api: ScriptedApi, connection: Connection) -> None:
    """When the kind is removed while it is watched, its objects are told as gone; when it returns, all is listed."""
    api.then(
        page([made("a", 3)], 9),
        watch(event("ADDED", "b", 11)),
        refusal(404, "NotFound"),
        refusal(404, "NotFound"),
        page([made("b", 21)], 22),
        watch(end="hang"),
    )
    subject = Subject(connection, OPTIONAL, optional=True)

    with structlog.testing.capture_logs() as logs:
        async with running(subject) as informer:
            await until(lambda: len(api.seen) == 6)
            assert sorted(informer) == ["b@21"]
            assert informer.counters.failures == 0

    assert subject.changes[2:] == [("a@3", None), ("b@11", None), (None, "b@21")]
    assert "resourceVersion" not in api.seen[3].query
    assert api.seen[5].query["resourceVersion"] == "22"
    assert [log["event"] for log in logs].count(NOT_SERVED) == 1


async def test_an_optional_kind_may_fail_like_any_other(api: ScriptedApi, connection: Connection) -> None:
    """A server in trouble says nothing of whether the kind is served: nothing is synced then."""
    api.then(refusal(503, "ServiceUnavailable"), refusal(403, "Forbidden"), hang())

    async with running(Subject(connection, OPTIONAL, optional=True)) as informer:
        await until(lambda: len(api.seen) == 3)
        assert not informer.synced.is_set()
        assert informer.counters.failures == 2


async def test_a_server_that_ends_watches_at_once_is_not_hammered(api: ScriptedApi, connection: Connection) -> None:
    """Watches that end right away are opened again with growing pauses."""
    settings = InformerSettings(backoff=Backoff(initial_seconds=0.05, maximum_seconds=1, jitter=0))
    api.then(page([], 1), *[watch()] * 50)

    async with running(Subject(connection, settings)) as informer:
        await asyncio.sleep(0.5)
        assert 2 <= informer.counters.watches <= 5
        assert informer.counters.failures == 0


async def test_a_long_outage_does_not_fill_the_log(api: ScriptedApi, connection: Connection) -> None:
    """Of many failures in a row the 1st, 2nd, 4th and so on are logged."""
    api.then(*[refusal(503, "ServiceUnavailable")] * 20, page([], 1), watch(end="hang"))

    with structlog.testing.capture_logs() as logs:
        async with running(Subject(connection)) as informer:
            await informer.synced.wait()

    warnings = [log["failures"] for log in logs if log["event"] == "watch interrupted"]
    assert warnings == [1, 2, 4, 8, 16]


async def test_an_object_that_our_code_stumbles_over_hides_no_other(api: ScriptedApi, connection: Connection) -> None:
    """A transform or callback that raises is logged with the object's name; the watch goes on."""

    def transform(raw: dict[str, Any]) -> str:
        if raw["metadata"]["name"] == "odd":
            raise KeyError("spec")
        return text_of(raw)

    def on_change(old: str | None, new: str | None) -> None:
        if new == "bad@12":
            raise RuntimeError("callback")
        subject.changes.append((old, new))

    api.then(
        page([made("odd", 1), made("a", 2)], 9),
        watch(event("MODIFIED", "odd", 11), event("ADDED", "bad", 12), event("ADDED", "b", 13), end="hang"),
    )
    subject = Subject(connection, transform=transform)
    subject.on_change = on_change

    with structlog.testing.capture_logs() as logs:
        async with running(subject) as informer:
            await until(lambda: informer.get("ns", "b"))
            assert informer.counters.rejected == 3
            assert informer.get("ns", "odd") is None

    assert [log["name"] for log in logs if log["event"] == "object not taken"] == ["odd", "odd", "bad"]
    assert subject.changes == [(None, "a@2"), (None, "b@13")]


async def test_objects_carry_their_kind(api: ScriptedApi, connection: Connection) -> None:
    """A transform sees apiVersion and kind, which lists leave out and the metadata form replaces."""
    partial = event("ADDED", "b", 12) | {}
    partial["object"] |= {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1"}
    api.then(page([made("a", 1)], 9), watch(partial, end="hang"))
    subject = Subject(connection, transform=lambda raw: f"{raw['apiVersion']}/{raw['kind']}")

    async with running(subject) as informer:
        await until(lambda: len(informer) == 2)
        assert set(informer) == {"apps/v1/Deployment"}


async def test_our_own_write_is_seen_before_the_watch_tells(api: ScriptedApi, connection: Connection) -> None:
    """An answer written back is read at once; its echo tells nobody, somebody else's change does."""
    go_on = asyncio.Event()

    async def later(request: Any) -> Any:
        await go_on.wait()
        return await watch(event("MODIFIED", "a", 10), event("MODIFIED", "a", 11), end="hang")(request)

    api.then(page([made("a", 3, group="x")], 9), later)
    subject = Subject(connection)

    async with running(subject) as informer:
        await until(lambda: len(api.seen) == 2)
        informer.write_back(made("a", 10, group="y"))
        assert informer.get("ns", "a") == "a@10"
        assert (informer.select("ns", "x"), informer.select("ns", "y")) == ([], ["a@10"])
        go_on.set()
        await until(lambda: informer.get("ns", "a") == "a@11")

    assert subject.changes == [(None, "a@3"), ("a@10", "a@11")]


async def test_health_is_a_matter_of_contact(api: ScriptedApi, connection: Connection) -> None:
    """Healthy is who has synced and heard from the server lately."""
    settings = InformerSettings(stale_seconds=2, backoff=FAST.backoff)
    api.then(page([], 1), watch(event("ADDED", "a", 2), end="hang"))
    subject = Subject(connection, settings)
    assert not subject.informer.healthy
    assert subject.informer.last_contact_seconds == float("inf")

    async with running(subject) as informer:
        await until(lambda: len(informer) == 1)
        assert informer.healthy
        assert informer.last_contact_seconds < 2
        await asyncio.sleep(2.1)
        assert not informer.healthy


async def test_a_watch_that_the_server_forgets_is_ended_here(api: ScriptedApi, connection: Connection) -> None:
    """A watch beyond its time is given up and resumed."""
    settings = InformerSettings(watch_seconds=0.05, watch_grace_seconds=0.05, backoff=FAST.backoff)
    api.then(page([], 1), watch(event("ADDED", "a", 2), end="hang"), watch(end="hang"))

    async with running(Subject(connection, settings)):
        await until(lambda: len(api.seen) == 3)

    assert api.seen[2].query["resourceVersion"] == "2"


async def test_a_list_that_hangs_is_given_up(api: ScriptedApi, connection: Connection) -> None:
    """A page without answer is asked for again."""
    settings = InformerSettings(list_seconds=0.05, backoff=FAST.backoff)
    api.then(hang(), page([made("a", 1)], 1), watch(end="hang"))

    async with running(Subject(connection, settings)) as informer:
        await informer.synced.wait()
        assert len(informer) == 1

from __future__ import annotations

from typing import Any

from marquee.control.cluster.client import Client
from marquee.control.kinds import DEPLOYMENT, EVENT, NAMESPACE


async def events_in(client: Client, namespace: str) -> list[dict[str, Any]]:
    found = await client.list(EVENT, namespace=namespace)
    return [event for event in found if event["reportingController"] == "marquee.dev/operator"]


async def test_an_event_is_what_describe_shows(client: Client, deployment: dict[str, Any], namespace: str) -> None:
    """The server takes the event, in the new API and as the old one that ``kubectl describe`` reads."""
    created = await client.apply(DEPLOYMENT, deployment, force=True)

    await client.emit_event(
        regarding=created, type="Warning", reason="ImagePullFailed", note="no such image", action="Rollout"
    )

    found = await events_in(client, namespace)
    assert [(event["reason"], event["note"], event["type"]) for event in found] == [
        ("ImagePullFailed", "no such image", "Warning")
    ]
    old = await client.connection.request(
        "GET",
        f"/api/v1/namespaces/{namespace}/events",
        params={"fieldSelector": f"involvedObject.uid={created['metadata']['uid']}"},
    )
    assert [event["message"] for event in old["items"]] == ["no such image"]


async def test_repetitions_are_one_event_with_a_count(
    client: Client, deployment: dict[str, Any], namespace: str
) -> None:
    """The server takes the series; four times the same is one event counted four times."""
    created = await client.apply(DEPLOYMENT, deployment, force=True)

    for _ in range(4):
        await client.emit_event(regarding=created, type="Normal", reason="Waiting", note="not ready", action="Rollout")

    found = await events_in(client, namespace)
    assert [event["series"]["count"] for event in found] == [4]
    assert client.events.counters.failed == 0


async def test_long_texts_are_taken(client: Client, deployment: dict[str, Any], namespace: str) -> None:
    """Texts beyond the API's bounds are cut so that the server takes them."""
    created = await client.apply(DEPLOYMENT, deployment, force=True)

    await client.emit_event(regarding=created, type="Normal", reason="R" * 500, note="ä" * 5000, action="A" * 500)

    assert client.events.counters.failed == 0
    assert len((await events_in(client, namespace))[0]["note"].encode()) <= 1024


async def test_a_cluster_scoped_object_can_have_events(client: Client, namespace: str) -> None:
    """An event about a namespace itself is taken, in ``default``."""
    about = await client.get(NAMESPACE, None, namespace)

    await client.emit_event(regarding=about, type="Normal", reason="Seen", note=namespace, action="Look")

    assert namespace in [event["note"] for event in await events_in(client, "default")]


async def test_an_event_that_is_refused_fails_nobody(client: Client, deployment: dict[str, Any]) -> None:
    """An event into a namespace that is gone is counted as failed, and the caller goes on."""
    deployment["metadata"]["namespace"] = "nowhere"

    await client.emit_event(regarding=deployment, type="Normal", reason="R", note="n", action="A")

    assert client.events.counters.failed == 1

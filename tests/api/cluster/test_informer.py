from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from localcluster import ControlPlane
from localcluster.parts import read_state
from marquee.control.cluster.client import Client
from marquee.control.cluster.connection import Connection
from marquee.control.cluster.errors import ClusterError, NotFound
from marquee.control.cluster.informer import Informer, InformerSettings
from marquee.control.kinds import DEPLOYMENT, NAMESPACE, Kind
from marquee.control.runtime.backoff import Backoff
from tests.api.cluster.conftest import Connect
from tests.api.cluster.wire import Wire
from tests.support.apiserver import ApiServer
from tests.support.crds.installing import CRDS

Changes = list[tuple[str | None, str | None]]

EAGER = InformerSettings(backoff=Backoff(initial_seconds=0.05, maximum_seconds=0.5))


def informer_of(connection: Connection, changes: Changes, **options: Any) -> Informer[str]:
    """An informer of Deployments that keeps name and replicas."""
    return Informer(
        connection,
        DEPLOYMENT,
        transform=lambda raw: f"{raw['metadata']['name']}*{raw.get('spec', {}).get('replicas')}",
        on_change=lambda old, new: changes.append((old, new)),
        index=lambda raw: raw["metadata"].get("labels", {}).get("app"),
        settings=EAGER,
        **options,
    )


@asynccontextmanager
async def running(informer: Informer[str]) -> AsyncIterator[None]:
    task = asyncio.create_task(informer.run())
    try:
        await asyncio.wait_for(informer.synced.wait(), 20)
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def until(condition: Callable[[], object], seconds: float = 20) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


async def test_follows_what_happens(client: Client, deployment: dict[str, Any], namespace: str) -> None:
    """What exists is listed, what changes is told, in order."""
    changes: Changes = []
    created = await client.apply(DEPLOYMENT, deployment, force=True)
    informer = informer_of(client.connection, changes, namespace=namespace)

    async with running(informer):
        assert informer.get(namespace, "web") == "web*2"
        assert informer.select(namespace, "web") == ["web*2"]
        deployment["spec"]["replicas"] = 3
        await client.apply(DEPLOYMENT, deployment, force=True)
        await client.delete(DEPLOYMENT, namespace, "web", uid=created["metadata"]["uid"])
        await until(lambda: len(changes) >= 3)
        assert informer.healthy
        assert informer.select(namespace, "web") == []

    assert changes == [(None, "web*2"), ("web*2", "web*3"), ("web*3", None)]


async def test_an_object_that_leaves_the_selector_is_gone(
    client: Client, deployment: dict[str, Any], namespace: str
) -> None:
    """An object that loses the label vanishes for the informer, and comes back with it."""
    changes: Changes = []
    informer = informer_of(client.connection, changes, namespace=namespace, label_selector="tier=front")

    async with running(informer):
        for tier in ("front", "back", "front"):
            deployment["metadata"]["labels"]["tier"] = tier
            await client.apply(DEPLOYMENT, deployment, force=True)
        await until(lambda: len(changes) >= 3)

    assert changes == [(None, "web*2"), ("web*2", None), (None, "web*2")]


async def test_metadata_only_leaves_the_rest_at_the_server(
    client: Client, deployment: dict[str, Any], namespace: str
) -> None:
    """The metadata form comes without spec, in the list and in the watch."""
    changes: Changes = []
    await client.apply(DEPLOYMENT, deployment, force=True)
    informer = informer_of(client.connection, changes, namespace=namespace, metadata_only=True)

    async with running(informer):
        deployment["metadata"]["labels"]["tier"] = "back"
        await client.apply(DEPLOYMENT, deployment, force=True)
        await until(lambda: len(changes) >= 2)

    assert changes == [(None, "web*None"), ("web*None", "web*None")]


async def test_long_lists_come_in_pages(client: Client, deployment: dict[str, Any], namespace: str) -> None:
    """A list of several pages is complete."""
    for n in range(7):
        deployment["metadata"]["name"] = f"web-{n}"
        await client.apply(DEPLOYMENT, deployment, force=True)
    changes: Changes = []
    informer = Informer(
        client.connection,
        DEPLOYMENT,
        namespace=namespace,
        transform=lambda raw: raw["metadata"]["name"],
        on_change=lambda old, new: changes.append((old, new)),
        settings=InformerSettings(page_size=3),
    )

    async with running(informer):
        assert sorted(informer) == [f"web-{n}" for n in range(7)]

    assert client.connection.requests["list", "deployments", 200] == 3


GADGET = Kind("test.example.com", "v1", "gadgets", "Gadget")
GADGET_CRD: dict[str, Any] = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": str(GADGET)},
    "spec": {
        "group": GADGET.group,
        "scope": "Namespaced",
        "names": {"plural": GADGET.plural, "kind": GADGET.kind},
        "versions": [
            {
                "name": GADGET.version,
                "served": True,
                "storage": True,
                "schema": {"openAPIV3Schema": {"type": "object"}},
            }
        ],
    },
}


async def apply_once_served(client: Client, kind: Kind, body: dict[str, Any]) -> None:
    """A server takes objects of a kind some time after its CRD."""
    async with asyncio.timeout(20):
        while True:
            with suppress(NotFound):
                await client.apply(kind, body, force=True)
                return
            await asyncio.sleep(0.05)


async def test_an_optional_kind_comes_goes_and_comes_again(server: ApiServer, client: Client, namespace: str) -> None:
    """A CRD that is installed after the start is found, its removal empties the set, its return fills it again."""
    changes: Changes = []
    informer = Informer(
        client.connection,
        GADGET,
        namespace=namespace,
        optional=True,
        transform=lambda raw: str(raw["metadata"]["name"]),
        on_change=lambda old, new: changes.append((old, new)),
        settings=replace(EAGER, absent_seconds=0.2),
    )

    async with running(informer):
        assert (informer.healthy, informer.counters.lists, len(informer)) == (True, 0, 0)
        for name in ("first", "second"):
            assert server.create(CRDS, GADGET_CRD).accepted
            metadata = {"namespace": namespace, "name": name}
            body = {"apiVersion": GADGET.api_version, "kind": GADGET.kind, "metadata": metadata}
            await apply_once_served(client, GADGET, body)
            await until(partial(informer.get, namespace, name))
            assert server.send("DELETE", f"{CRDS}/{GADGET}").accepted
            await until(lambda: len(informer) == 0)
            await until(lambda: server.send("GET", f"{CRDS}/{GADGET}").status == 404)
            assert informer.healthy

    assert changes == [(None, "first"), ("first", None), (None, "second"), ("second", None)]


async def test_our_own_write_is_known_at_once_and_its_echo_silent(
    client: Client, connect_to: Connect, plane: ControlPlane, deployment: dict[str, Any], namespace: str
) -> None:
    """The server's answer, written back, is what the watch tells later: nobody is woken and nothing differs."""
    changes: Changes = []
    async with Wire(plane.server) as wire:
        informer = informer_of(await connect_to(server=wire.url), changes, namespace=namespace)
        async with running(informer):
            wire.hold()
            informer.write_back(await client.apply(DEPLOYMENT, deployment, force=True))
            assert informer.get(namespace, "web") == "web*2"
            wire.release()
            deployment["metadata"]["name"] = "other"
            await client.apply(DEPLOYMENT, deployment, force=True)
            await until(lambda: informer.get(namespace, "other"))
            assert informer.counters.events == 2

    assert changes == [(None, "other*2")]


async def test_a_cut_wire_loses_nothing(
    client: Client, connect_to: Connect, plane: ControlPlane, deployment: dict[str, Any], namespace: str
) -> None:
    """What happened while the wire was cut is told when it is mended, without a new list."""
    changes: Changes = []
    created = await client.apply(DEPLOYMENT, deployment, force=True)
    async with Wire(plane.server) as wire:
        informer = informer_of(await connect_to(server=wire.url), changes, namespace=namespace)
        async with running(informer):
            wire.cut()
            await client.delete(DEPLOYMENT, namespace, "web", uid=created["metadata"]["uid"])
            deployment["metadata"]["name"] = "next"
            await client.apply(DEPLOYMENT, deployment, force=True)
            await asyncio.sleep(0.3)
            wire.mend()
            await until(lambda: len(changes) >= 3)
            assert informer.counters.lists == 1
            assert informer.counters.failures >= 1

    assert changes == [(None, "web*2"), ("web*2", None), (None, "next*2")]


@pytest.fixture
def mortal_plane(tmp_path: Path) -> Iterator[ControlPlane]:
    """A control plane of the test's own, whose API server it may kill."""
    with ControlPlane(tmp_path / "plane") as running:
        yield running


async def kill_api_server(plane: ControlPlane) -> None:
    state = read_state(plane.layout.state)
    assert state is not None
    identity = state.parts["kube-apiserver"].identity
    assert identity is not None
    os.kill(identity.pid, signal.SIGKILL)


async def until_answered(client: Client) -> None:
    """Wait until the API server is back, however busy the machine."""
    async with asyncio.timeout(90):
        while True:
            with suppress(ClusterError):
                await client.list(NAMESPACE, limit=1)
                return
            await asyncio.sleep(0.1)


async def test_survives_the_death_of_the_api_server(
    mortal_plane: ControlPlane, connect_to: Connect, deployment: dict[str, Any]
) -> None:
    """Killed and back, the API server no longer knows the old version: all is listed again, and what vanished, came
    and changed in the gap is told.
    """
    deployment["metadata"]["namespace"] = "default"
    client = Client(await connect_to(of=mortal_plane))
    uids: dict[str, str] = {}
    for name in ("stays", "goes", "grows"):
        deployment["metadata"]["name"] = name
        uids[name] = (await client.apply(DEPLOYMENT, deployment, force=True))["metadata"]["uid"]
    changes: Changes = []

    async with Wire(mortal_plane.server) as wire:
        informer = informer_of(await connect_to(of=mortal_plane, server=wire.url), changes)
        async with running(informer):
            assert sorted(informer) == ["goes*2", "grows*2", "stays*2"]
            wire.cut()
            await client.delete(DEPLOYMENT, "default", "goes", uid=uids["goes"])
            deployment["spec"]["replicas"] = 5
            for name in ("grows", "comes"):
                deployment["metadata"]["name"] = name
                await client.apply(DEPLOYMENT, deployment, force=True)
            await kill_api_server(mortal_plane)
            await asyncio.sleep(0.5)
            await until_answered(client)
            wire.mend()
            await until(lambda: len(changes) >= 6, seconds=60)
            assert informer.counters.lists == 2
            assert sorted(informer) == ["comes*5", "grows*5", "stays*2"]
            deployment["metadata"]["name"] = "later"
            await client.apply(DEPLOYMENT, deployment, force=True)
            await until(lambda: informer.get("default", "later"))

    assert sorted(changes[3:6], key=str) == [("goes*2", None), ("grows*2", "grows*5"), (None, "comes*5")]

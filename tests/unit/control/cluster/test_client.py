from __future__ import annotations

from typing import Any

import pytest

from marquee.control.cluster.client import Client
from marquee.control.cluster.connection import LIST_METADATA, OBJECT_METADATA, Connection
from marquee.control.cluster.errors import Conflict
from marquee.control.kinds import DEPLOYMENT, MARKETING_MODEL, NAMESPACE
from tests.unit.control.cluster.scripted_api import ScriptedApi, json, made, page, refusal

MANIFEST: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"namespace": "ns", "name": "web"},
    "spec": {"replicas": 2},
}


@pytest.fixture
def client(connection: Connection) -> Client:
    return Client(connection)


@pytest.mark.parametrize("force", [True, False])
async def test_apply_is_one_strict_server_side_apply(api: ScriptedApi, client: Client, force: bool) -> None:
    """One PATCH with our field manager, refusing unknown fields, forcing only when asked to."""
    api.then(json({"metadata": {"resourceVersion": "7"}}))

    answer = await client.apply(DEPLOYMENT, MANIFEST, force=force)

    seen = api.seen[0]
    assert answer == {"metadata": {"resourceVersion": "7"}}
    assert (seen.method, seen.path) == ("PATCH", "/apis/apps/v1/namespaces/ns/deployments/web")
    assert seen.query == {"fieldManager": "marquee", "force": str(force).lower(), "fieldValidation": "Strict"}
    assert (seen.headers["Content-Type"], seen.headers["Accept"]) == (
        "application/apply-patch+yaml",
        "application/json",
    )
    assert seen.json == MANIFEST


async def test_apply_may_ask_for_metadata_only(api: ScriptedApi, client: Client) -> None:
    """The short answer is asked for by its media type."""
    api.then(json({"metadata": {}}))

    await client.apply(DEPLOYMENT, MANIFEST, force=True, reply="metadata")

    assert api.seen[0].headers["Accept"] == OBJECT_METADATA


async def test_a_cluster_scoped_manifest_is_applied(api: ScriptedApi, client: Client) -> None:
    """A manifest without namespace goes to the cluster-scoped path."""
    api.then(json({}))

    await client.apply(NAMESPACE, {"metadata": {"name": "prod"}}, force=True)

    assert api.seen[0].path == "/api/v1/namespaces/prod"


async def test_status_has_a_field_manager_of_its_own(api: ScriptedApi, client: Client) -> None:
    """Status is applied to its subresource, by force, under another manager than the rest."""
    api.then(json({}))

    await client.apply_status(MARKETING_MODEL, {"metadata": {"namespace": "ns", "name": "m"}, "status": {}})

    assert api.seen[0].path == "/apis/marquee.dev/v1alpha1/namespaces/ns/marketingmodels/m/status"
    assert api.seen[0].query["fieldManager"] == "marquee-status"
    assert api.seen[0].query["force"] == "true"


async def test_scale_patches_the_subresource(api: ScriptedApi, client: Client) -> None:
    """Scaling is a merge patch of the scale subresource under a manager of its own."""
    api.then(json({}))

    await client.scale(DEPLOYMENT, "ns", "web", 3)

    seen = api.seen[0]
    assert (seen.method, seen.path) == ("PATCH", "/apis/apps/v1/namespaces/ns/deployments/web/scale")
    assert seen.query == {"fieldManager": "marquee-scale"}
    assert (seen.headers["Content-Type"], seen.json) == (
        "application/merge-patch+json",
        {"spec": {"replicas": 3}},
    )


async def test_delete_names_the_object_it_means(api: ScriptedApi, client: Client) -> None:
    """A deletion carries the uid and leaves the dependants to the background."""
    api.then(json({}))

    await client.delete(DEPLOYMENT, "ns", "web", uid="u-1")

    assert api.seen[0].method == "DELETE"
    assert api.seen[0].json == {"preconditions": {"uid": "u-1"}, "propagationPolicy": "Background"}


@pytest.mark.parametrize(
    "replies",
    [
        [refusal(404, "NotFound")],
        [refusal(409, "Conflict"), json(made("web", 3, uid="u-2"))],
        [refusal(409, "Conflict"), refusal(404, "NotFound")],
    ],
)
async def test_deleting_what_is_gone_is_done(api: ScriptedApi, client: Client, replies: list[Any]) -> None:
    """An absent object, or a successor of the same name, is what a deletion wants."""
    api.then(*replies)

    await client.delete(DEPLOYMENT, "ns", "web", uid="u-1")

    assert [seen.method for seen in api.seen] == ["DELETE", "GET"][: len(replies)]


async def test_another_conflict_on_deletion_is_raised(api: ScriptedApi, client: Client) -> None:
    """A conflict although the object is the meant one is an error."""
    api.then(refusal(409, "Conflict", "the object has been modified"), json(made("web", 3, uid="u-1")))

    with pytest.raises(Conflict, match="has been modified"):
        await client.delete(DEPLOYMENT, "ns", "web", uid="u-1")


async def test_get_names_the_kind(api: ScriptedApi, client: Client) -> None:
    """A single object comes with its kind, in the metadata form too."""
    api.then(json({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": {"name": "web"}}))

    answer = await client.get(DEPLOYMENT, "ns", "web", metadata_only=True)

    assert answer == {"kind": "Deployment", "apiVersion": "apps/v1", "metadata": {"name": "web"}}
    assert api.seen[0].headers["Accept"] == OBJECT_METADATA


async def test_list_follows_the_pages(api: ScriptedApi, client: Client) -> None:
    """All pages are read, selectors and namespace are passed on, and items get their kind."""
    api.then(page([made("a", 1)], 5, more="t1"), page([made("b", 2)], 5))

    found = await client.list(
        DEPLOYMENT,
        namespace="ns",
        label_selector="app=x",
        field_selector="metadata.name!=z",
        metadata_only=True,
    )

    assert [(item["metadata"]["name"], item["kind"]) for item in found] == [
        ("a", "Deployment"),
        ("b", "Deployment"),
    ]
    first, second = api.seen
    assert first.path == "/apis/apps/v1/namespaces/ns/deployments"
    assert first.query == {"limit": "500", "labelSelector": "app=x", "fieldSelector": "metadata.name!=z"}
    assert second.query == first.query | {"continue": "t1"}
    assert first.headers["Accept"] == LIST_METADATA


async def test_a_limited_list_is_one_request(api: ScriptedApi, client: Client) -> None:
    """A limit ends the list, whatever more there is."""
    api.then(page([made("a", 1), made("b", 2), made("c", 3)], 5, more="t1"))

    found = await client.list(DEPLOYMENT, limit=2)

    assert len(found) == 2
    assert [seen.query for seen in api.seen] == [{"limit": "2"}]


async def test_an_empty_list_is_empty(api: ScriptedApi, client: Client) -> None:
    """A list whose items are null, as the API sends for none, is empty."""
    api.then(json({"metadata": {}, "items": None}))

    assert await client.list(DEPLOYMENT) == []

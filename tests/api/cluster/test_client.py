from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from marquee.control.cluster import client as client_module
from marquee.control.cluster.client import Client
from marquee.control.cluster.connection import Connection
from marquee.control.cluster.errors import (
    AlreadyExists,
    ApiError,
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    Unauthorized,
)
from marquee.control.kinds import DEPLOYMENT, MARKETING_MODEL, NAMESPACE, SERVICE_ACCOUNT
from tests.api.cluster.conftest import Connect

Manifest = dict[str, Any]


async def kubectl_applies(connection: Connection, manifest: Manifest) -> None:
    """Server-side apply by somebody else."""
    metadata = manifest["metadata"]
    await connection.request(
        "PATCH",
        DEPLOYMENT.object_path(metadata["namespace"], metadata["name"]),
        params={"fieldManager": "kubectl", "force": "true"},
        body=manifest,
        content_type="application/apply-patch+yaml",
    )


async def test_apply_creates_then_changes_then_is_silent(client: Client, deployment: Manifest) -> None:
    """Apply creates what is absent, changes what differs, and leaves the version alone when nothing does."""
    created = await client.apply(DEPLOYMENT, deployment, force=True)
    same = await client.apply(DEPLOYMENT, deployment, force=True)
    deployment["spec"]["replicas"] = 5
    changed = await client.apply(DEPLOYMENT, deployment, force=True)

    assert created["metadata"]["managedFields"][0]["manager"] == "marquee"
    assert same["metadata"]["resourceVersion"] == created["metadata"]["resourceVersion"]
    assert changed["metadata"]["resourceVersion"] != created["metadata"]["resourceVersion"]
    assert changed["spec"]["replicas"] == 5
    assert changed["metadata"]["uid"] == created["metadata"]["uid"]


async def test_apply_takes_back_what_it_no_longer_lists(client: Client, deployment: Manifest) -> None:
    """A field that the manifest drops is removed from the object."""
    await client.apply(DEPLOYMENT, deployment, force=True)
    del deployment["metadata"]["labels"]["tier"]

    changed = await client.apply(DEPLOYMENT, deployment, force=True)

    assert changed["metadata"]["labels"] == {"app": "web"}


async def test_apply_can_answer_with_metadata(client: Client, deployment: Manifest) -> None:
    """The short answer has the version, and neither spec nor status."""
    short = await client.apply(DEPLOYMENT, deployment, force=True, reply="metadata")
    whole = await client.get(DEPLOYMENT, deployment["metadata"]["namespace"], "web")

    assert short["metadata"]["resourceVersion"] == whole["metadata"]["resourceVersion"]
    assert short.keys() == {"kind", "apiVersion", "metadata"}


async def test_a_field_of_somebody_else_is_a_conflict_that_names_it(client: Client, deployment: Manifest) -> None:
    """Without force, another manager's field is refused with field and manager; with force it is taken."""
    await kubectl_applies(client.connection, deployment)
    ours = deepcopy(deployment)
    ours["spec"]["replicas"] = 7

    with pytest.raises(Conflict) as raised:
        await client.apply(DEPLOYMENT, ours, force=False)
    taken = await client.apply(DEPLOYMENT, ours, force=True)

    assert [cause.field for cause in raised.value.causes] == [".spec.replicas"]
    assert '"kubectl"' in raised.value.causes[0].message
    assert taken["spec"]["replicas"] == 7


async def test_an_unknown_field_is_our_bug(client: Client, deployment: Manifest) -> None:
    """A misspelt field is refused with its path, not dropped."""
    deployment["spec"]["replicaz"] = 3

    with pytest.raises(ApiError, match=r"replicaz"):
        await client.apply(DEPLOYMENT, deployment, force=True)


async def test_an_invalid_object_names_its_fields(client: Client, deployment: Manifest) -> None:
    """Each broken rule is one cause with its field."""
    deployment["spec"]["replicas"] = -1
    deployment["spec"]["template"]["spec"]["containers"][0]["name"] = "No Name"

    with pytest.raises(Invalid) as raised:
        await client.apply(DEPLOYMENT, deployment, force=True)

    assert {cause.field for cause in raised.value.causes} == {
        "spec.replicas",
        "spec.template.spec.containers[0].name",
    }


async def test_create_leaves_what_exists(client: Client, deployment: Manifest) -> None:
    """Creating twice is refused, and the first stays as it was."""
    first = await client.create(DEPLOYMENT, deployment)
    deployment["spec"]["replicas"] = 9

    with pytest.raises(AlreadyExists):
        await client.create(DEPLOYMENT, deployment)

    found = await client.get(DEPLOYMENT, deployment["metadata"]["namespace"], "web")
    assert found["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]


async def test_an_absent_namespace_is_not_found(client: Client, deployment: Manifest) -> None:
    """Applying into a namespace that is not there says which one."""
    deployment["metadata"]["namespace"] = "nowhere"

    with pytest.raises(NotFound, match="nowhere"):
        await client.apply(DEPLOYMENT, deployment, force=True)


async def test_status_and_spec_do_not_touch_each_other(client: Client, namespace: str) -> None:
    """Status is applied beside the spec, its dropped fields vanish, and the generation stays."""
    model: Manifest = {
        "apiVersion": MARKETING_MODEL.api_version,
        "kind": MARKETING_MODEL.kind,
        "metadata": {"namespace": namespace, "name": "churn"},
    }
    spec = {
        "useCase": "Churn",
        "owner": {"team": "retention", "contact": "retention@example.com"},
        "revision": {"name": "churn-1"},
    }
    created = await client.apply(MARKETING_MODEL, model | {"spec": spec}, force=True)

    first = await client.apply_status(
        MARKETING_MODEL, model | {"status": {"phase": "Serving", "observedGeneration": 1}}
    )
    second = await client.apply_status(MARKETING_MODEL, model | {"status": {"observedGeneration": 1}})

    assert first["status"]["phase"] == "Serving"
    assert "phase" not in second["status"]
    assert second["spec"] == created["spec"]
    assert second["metadata"]["generation"] == created["metadata"]["generation"]
    managers = {(entry["manager"], entry.get("subresource")) for entry in second["metadata"]["managedFields"]}
    assert managers == {("marquee", None), ("marquee-status", "status")}


async def test_scale_changes_the_replicas_alone(client: Client, deployment: Manifest) -> None:
    """Scaling changes the count; an apply that does not list it leaves it."""
    namespace = deployment["metadata"]["namespace"]
    del deployment["spec"]["replicas"]
    await client.apply(DEPLOYMENT, deployment, force=True)

    await client.scale(DEPLOYMENT, namespace, "web", 4)
    after = await client.apply(DEPLOYMENT, deployment, force=True)

    assert after["spec"]["replicas"] == 4


async def test_scale_takes_a_count_from_its_owner(client: Client, deployment: Manifest) -> None:
    """A count that somebody owned is owned by our scaling afterwards, apart from what we apply."""
    await kubectl_applies(client.connection, deployment)

    await client.scale(DEPLOYMENT, deployment["metadata"]["namespace"], "web", 4)

    after = await client.get(DEPLOYMENT, deployment["metadata"]["namespace"], "web")
    owners = [
        entry["manager"]
        for entry in after["metadata"]["managedFields"]
        if "f:replicas" in entry["fieldsV1"].get("f:spec", {})
    ]
    assert owners == ["marquee-scale"]


async def test_scaling_what_is_absent_is_not_found(client: Client, namespace: str) -> None:
    """Scaling names the object that is missing."""
    with pytest.raises(NotFound, match="web"):
        await client.scale(DEPLOYMENT, namespace, "web", 1)


async def test_delete_takes_the_meant_object_only(client: Client, deployment: Manifest) -> None:
    """Another uid is left alone without an error, the right one is deleted, and again is done."""
    namespace = deployment["metadata"]["namespace"]
    created = await client.apply(DEPLOYMENT, deployment, force=True)

    await client.delete(DEPLOYMENT, namespace, "web", uid="00000000-0000-0000-0000-000000000000")
    still = await client.get(DEPLOYMENT, namespace, "web", metadata_only=True)
    await client.delete(DEPLOYMENT, namespace, "web", uid=created["metadata"]["uid"])
    with pytest.raises(NotFound):
        await client.get(DEPLOYMENT, namespace, "web")
    await client.delete(DEPLOYMENT, namespace, "web", uid=created["metadata"]["uid"])

    assert still["metadata"]["uid"] == created["metadata"]["uid"]


async def test_list_reads_all_pages(
    client: Client, deployment: Manifest, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A list longer than a page is complete, selectors hold, and each item says what it is."""
    for n in range(5):
        deployment["metadata"] |= {"name": f"web-{n}", "labels": {"app": "web", "odd": str(n % 2)}}
        await client.apply(DEPLOYMENT, deployment, force=True)
    monkeypatch.setattr(client_module, "PAGE_SIZE", 2)

    everything = await client.list(DEPLOYMENT, namespace=namespace)
    odd = await client.list(DEPLOYMENT, namespace=namespace, label_selector="odd=1", metadata_only=True)
    one = await client.list(DEPLOYMENT, namespace=namespace, field_selector="metadata.name=web-3")
    some = await client.list(DEPLOYMENT, namespace=namespace, limit=1)
    everywhere = await client.list(DEPLOYMENT)

    assert [item["metadata"]["name"] for item in everything] == [f"web-{n}" for n in range(5)]
    assert {(item["apiVersion"], item["kind"]) for item in everything + odd} == {("apps/v1", "Deployment")}
    assert [item["metadata"]["name"] for item in odd] == ["web-1", "web-3"]
    assert not any("spec" in item for item in odd)
    assert [item["metadata"]["name"] for item in one] == ["web-3"]
    assert len(some) == 1
    assert len(everywhere) >= 5


async def test_a_cluster_scoped_kind_works_alike(client: Client, namespace: str) -> None:
    """A cluster-scoped object is applied and read without a namespace."""
    manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": {"team": "x"}}}

    await client.apply(NAMESPACE, manifest, force=True)

    assert (await client.get(NAMESPACE, None, namespace))["metadata"]["labels"]["team"] == "x"


async def test_a_service_account_may_do_what_rbac_allows(
    client: Client, connect_to: Connect, deployment: Manifest
) -> None:
    """A token of a service account without rights is known, and refused with what it lacks."""
    namespace = deployment["metadata"]["namespace"]
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"namespace": namespace, "name": "poor"}}
    await client.apply(SERVICE_ACCOUNT, account, force=True)
    path = f"{SERVICE_ACCOUNT.object_path(namespace, 'poor')}/token"
    token = (await client.connection.request("POST", path, body={"spec": {}}))["status"]["token"]
    poor = Client(await connect_to(token=token))

    with pytest.raises(Forbidden, match=f"system:serviceaccount:{namespace}:poor.*deployments"):
        await poor.apply(DEPLOYMENT, deployment, force=True)


async def test_a_wrong_token_is_unauthorized(connect_to: Connect) -> None:
    """A token that the server does not know is told from a missing right."""
    stranger = Client(await connect_to(token="not-a-token"))

    with pytest.raises(Unauthorized):
        await stranger.list(DEPLOYMENT)

"""kopf as the informer of Marquee's own kinds: its handlers only fill caches and name models to look at.

kopf is not the state machine: a handler that does required work loses it for good when one PATCH is refused.
Here a lost or repeated event costs nothing, since every decision is made from what the caches hold.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

import kopf
from kopf._cogs.structs.references import Insights

from marquee.api.marketing_model import MarketingModel
from marquee.api.model_approval import ModelApproval
from marquee.api.model_revision import ModelRevision
from marquee.api.types import GROUP, VERSION
from marquee.control.app.memoryless import NoDiffBase, NoMemories, NoProgress
from marquee.control.cluster.access import Access
from marquee.control.cluster.errors import KindsUnknown
from marquee.control.observe.resources import Resources
from marquee.control.snapshot import ModelKey

SERVER_TIMEOUT_SECONDS = 300
CLIENT_TIMEOUT_SECONDS = 310
"""Above the server's, so that it is the server that ends a quiet watch."""
CONNECT_TIMEOUT_SECONDS = 10
WORKER_IDLE_SECONDS = 0.5
"""How long kopf's task for an object waits for its next event, with the last one in its hands. Default 5: as many
models as change or are listed in that time would lie in memory whole."""


def registry_of(resources: Resources, access: Access, on_change: Callable[[ModelKey], None]) -> kopf.OperatorRegistry:
    """Handlers for all three kinds, and the login by which kopf's own session reaches the API server."""
    registry = kopf.OperatorRegistry()

    async def log_in(**_: Any) -> kopf.ConnectionInfo:
        header = await access.authorization()
        scheme, token = header.split(" ", 1) if header else ("", "")
        return kopf.ConnectionInfo(
            server=access.server,
            ca_path=access.ca_path,
            insecure=not access.verifies,
            scheme=scheme or None,
            token=token or None,
            certificate_path=access.certificate_path,
            private_key_path=access.private_key_path,
            proxy_url=access.proxy,
        )

    async def on_model(event: Any, **_: Any) -> None:
        namespace, name = _key_of(event["object"])
        if event["type"] == "DELETED":
            resources.remove_model(namespace, name)
        elif not resources.put_model(event["object"]):
            return  # our own status write, known from its answer
        on_change((namespace, name))

    async def on_revision(event: Any, **_: Any) -> None:
        namespace, name = _key_of(event["object"])
        known = resources.revision(namespace, name)
        if event["type"] == "DELETED":
            resources.remove_revision(namespace, name)
        else:
            resources.put_revision(event["object"])
            known = resources.revision(namespace, name)
        if known is not None:
            for model in resources.models_interested_in(namespace, name, known.spec.model):
                on_change((namespace, model))

    kopf.on.login(registry=registry)(log_in)
    kopf.on.event(GROUP, VERSION, MarketingModel.PLURAL, registry=registry)(on_model)
    kopf.on.event(GROUP, VERSION, ModelRevision.PLURAL, registry=registry)(on_revision)
    kopf.on.event(GROUP, VERSION, ModelApproval.PLURAL, registry=registry)(_approval_handler(resources, on_change))
    return registry


def _approval_handler(resources: Resources, on_change: Callable[[ModelKey], None]) -> Callable[..., Any]:
    async def on_approval(event: Any, **_: Any) -> None:
        body = event["object"]
        namespace, name = _key_of(body)
        if event["type"] == "DELETED":
            resources.remove_approval(namespace, name)
        else:
            resources.put_approval(body)
        if isinstance(model := (body.get("spec") or {}).get("model"), str):
            on_change((namespace, model))

    return on_approval


def _key_of(body: Any) -> ModelKey:
    return body["metadata"]["namespace"], body["metadata"]["name"]


async def watch(registry: kopf.OperatorRegistry, namespaces: tuple[str, ...], ready: asyncio.Event) -> None:
    """Run kopf's watches until cancelled; returns early only when kopf gives up, which ends the process.

    Raises:
        KindsUnknown: kopf has not found all kinds, and would wait for ever without watching them.

    """
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.queueing.idle_timeout = WORKER_IDLE_SECONDS
    settings.watching.server_timeout = SERVER_TIMEOUT_SECONDS
    settings.watching.client_timeout = CLIENT_TIMEOUT_SECONDS
    settings.watching.connect_timeout = CONNECT_TIMEOUT_SECONDS
    # kopf would watch every CRD of the cluster, and with namespaces every Namespace too: permissions and memory for
    # news that only an installation brings
    settings.scanning.disabled = True
    settings.peering.standalone = True
    settings.persistence.diffbase_storage = NoDiffBase()
    settings.persistence.progress_storage = NoProgress()
    insights = Insights()
    # Not kopf.operator: at its end it waits five seconds for every task of the loop, ours too, and then cancels them
    # all, before the election has given the Lease back.
    spawned = await kopf.spawn_tasks(
        registry=registry,
        settings=settings,
        # kopf's own guess asks for the user's name, and the pod's user id has none
        identity=cast("Any", "marquee-operator"),
        standalone=True,
        clusterwide=not namespaces,
        namespaces=namespaces,
        ready_flag=ready,
        memories=NoMemories(),
        insights=insights,
    )
    tasks = {*spawned, asyncio.create_task(_until_kinds_are_missed(insights), name="kinds")}
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    for task in done:
        task.result()


async def _until_kinds_are_missed(insights: Insights) -> None:
    """Look once at what kopf has found, which it does not do again: an API server that was started a moment ago
    answers before it lists the kinds of CustomResourceDefinitions.

    `Insights` is kopf's own, not public, and a parameter of its public `spawn_tasks`; a test guards both.
    """
    await insights.ready_resources.wait()
    found = {resource.plural for resource in insights.watched_resources}
    if missing := {MarketingModel.PLURAL, ModelRevision.PLURAL, ModelApproval.PLURAL} - found:
        raise KindsUnknown(f"the API server does not list {', '.join(sorted(missing))} of {GROUP}; starting again")
    await asyncio.Event().wait()

"""What people and controllers see of one namespace: requests, waiting, and a dump that two runs can be compared by."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self

import aiohttp

from localcluster import ControlPlane

GROUP: Final = "/apis/marquee.dev/v1alpha1"
PATHS: Final = {
    "ServiceAccount": "/api/v1/namespaces/{}/serviceaccounts",
    "NetworkPolicy": "/apis/networking.k8s.io/v1/namespaces/{}/networkpolicies",
    "PodDisruptionBudget": "/apis/policy/v1/namespaces/{}/poddisruptionbudgets",
    "Deployment": "/apis/apps/v1/namespaces/{}/deployments",
    "ReplicaSet": "/apis/apps/v1/namespaces/{}/replicasets",
    "Pod": "/api/v1/namespaces/{}/pods",
    "Service": "/api/v1/namespaces/{}/services",
    "HorizontalPodAutoscaler": "/apis/autoscaling/v2/namespaces/{}/horizontalpodautoscalers",
    "MarketingModel": GROUP + "/namespaces/{}/marketingmodels",
    "ModelRevision": GROUP + "/namespaces/{}/modelrevisions",
}
CHILDREN: Final = tuple(kind for kind in PATHS if kind not in {"MarketingModel", "ModelRevision"})
RENDERED: Final = tuple(kind for kind in CHILDREN if kind not in {"ReplicaSet", "Pod"})

_OF_THE_RUN: Final = {
    "MarketingModel": ("lastTransitionTime", "since"),
    "*": ("clusterIP", "clusterIPs", "uid", "marquee.dev/switched-at", "marquee.dev/rendered"),
}
"""Fields that differ between runs: times, what the cluster gives out, and the digest of a manifest with a time in it."""

Object = dict[str, Any]


class Refused(Exception):
    """The API server said no."""

    def __init__(self, status: int, body: Object) -> None:
        super().__init__(f"{status}: {body.get('message')}")
        self.status = status


class Api:
    """The administrator's requests; a context manager."""

    def __init__(self, plane: ControlPlane) -> None:
        self._plane = plane
        self._session: aiohttp.ClientSession | None = None

    @property
    def session(self) -> aiohttp.ClientSession:
        """For what is no plain request."""
        assert self._session is not None
        return self._session

    async def __aenter__(self) -> Self:
        tls = ssl.create_default_context(cafile=self._plane.ca_file)
        tls.load_cert_chain(self._plane.client_cert_file, self._plane.client_key_file)
        self._session = aiohttp.ClientSession(self._plane.server, connector=aiohttp.TCPConnector(ssl=tls, limit=50))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.session.close()

    async def send(self, method: str, path: str, body: Object | None = None, *, merge: bool = False) -> Object:
        """One request.

        Raises:
            Refused: the API server said no.
        """
        headers = {"Content-Type": "application/merge-patch+json" if merge else "application/json"}
        async with self.session.request(method, path, json=body, headers=headers) as answer:
            reply: Object = await answer.json()
            if answer.status >= 300:
                raise Refused(answer.status, reply)
            return reply

    async def namespace(self, name: str) -> World:
        """A new namespace."""
        await self.send("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
        return World(self, name)


@dataclass(frozen=True)
class World:
    """One namespace."""

    api: Api
    namespace: str

    async def create(self, body: Object) -> None:
        """POST one object, into this namespace whatever it says."""
        body = body | {"metadata": body["metadata"] | {"namespace": self.namespace}}
        await self.api.send("POST", PATHS[body["kind"]].format(self.namespace), body)

    async def change_model(self, name: str, spec: Object) -> None:
        """Merge into a model's spec."""
        await self.api.send("PATCH", self.path("MarketingModel", name), {"spec": spec}, merge=True)

    async def delete_model(self, name: str) -> None:
        """As ``kubectl delete`` does it."""
        await self.api.send("DELETE", self.path("MarketingModel", name), {"propagationPolicy": "Background"})

    def path(self, kind: str, name: str) -> str:
        """URL path of one object."""
        return f"{PATHS[kind].format(self.namespace)}/{name}"

    async def objects(self, kind: str) -> list[Object]:
        """All objects of a kind, apart from what every namespace has."""
        found = (await self.api.send("GET", PATHS[kind].format(self.namespace)))["items"]
        return [body for body in found if (kind, body["metadata"]["name"]) != ("ServiceAccount", "default")]

    async def get(self, kind: str, name: str) -> Object | None:
        """One object, or None."""
        try:
            return await self.api.send("GET", self.path(kind, name))
        except Refused as refusal:
            if refusal.status != 404:
                raise
            return None

    async def serves(self, revision: str, model: str = "lead") -> bool:
        """Whether the model says of its newest spec that this revision serves and nothing else is going on."""
        body = await self.get("MarketingModel", model)
        if body is None:
            return False
        status = body.get("status", {})
        return (
            status.get("observedGeneration") == body["metadata"]["generation"]
            and status.get("phase") == "Serving"
            and status["stable"]["revision"] == revision
            and [state["metadata"]["name"] for state in await self.objects("Deployment")] == [revision]
        )

    async def settles(self, revision: str, *, pods: int, timeout_seconds: float = 45.0) -> None:
        """Wait until the revision serves with so many pods, and nothing of another is left."""

        async def settled() -> bool:
            if not await self.serves(revision):
                return False
            return [len(await self.objects("Pod")), len(await self._current_sets())] == [pods, 1]

        await self.wait(settled, f"{revision} serves alone", timeout_seconds)

    async def is_empty(self) -> bool:
        """Whether no child of any kind is there."""
        return not any([await self.objects(kind) for kind in reversed(CHILDREN)])

    async def wait(self, check: Callable[[], Any], what: str, timeout_seconds: float = 45.0) -> None:
        """Await the check until it holds; says what there is instead when it does not."""
        deadline = time.monotonic() + timeout_seconds
        while not await check():
            if time.monotonic() > deadline:
                raise AssertionError(f"{self.namespace}: {what}: not within {timeout_seconds:g} s: {await self.sketch()}")
            await asyncio.sleep(0.1)

    async def sketch(self) -> dict[str, Any]:
        """Names of everything, and the models' status, for a failure's message."""
        names: dict[str, Any] = {
            kind: [body["metadata"]["name"] for body in await self.objects(kind)] for kind in CHILDREN
        }
        return names | {"status": [body.get("status") for body in await self.objects("MarketingModel")]}

    async def dump(self) -> dict[str, Any]:
        """Everything that must be the same at the end of every run."""
        told: dict[str, Any] = {}
        for kind in (*RENDERED, "MarketingModel"):
            for body in await self.objects(kind):
                told[f"{kind}/{body['metadata']['name']}"] = self._normalised(kind, body)
        told["pods"] = Counter(body["metadata"]["labels"]["marquee.dev/revision"] for body in await self.objects("Pod"))
        return told

    async def _current_sets(self) -> list[Object]:
        return [body for body in await self.objects("ReplicaSet") if body["spec"]["replicas"] > 0]

    def _normalised(self, kind: str, body: Object) -> Object:
        metadata = body["metadata"]
        kept = {
            "labels": metadata.get("labels"),
            "annotations": metadata.get("annotations"),
            "owners": [owner["name"] for owner in metadata.get("ownerReferences", ())],
            "managers": sorted({f"{entry['manager']} {entry['operation']}" for entry in metadata["managedFields"]}),
            "spec": body.get("spec"),
        }
        if kind == "MarketingModel":
            kept["status"] = body.get("status")
        dropped = {*_OF_THE_RUN["*"], *_OF_THE_RUN.get(kind, ())}
        return _without(kept, dropped, self.namespace)


def _without(value: Any, dropped: set[str], namespace: str) -> Any:
    """The value without those keys, and with the namespace's name blotted out."""
    if isinstance(value, Mapping):
        return {key: _without(item, dropped, namespace) for key, item in value.items() if key not in dropped}
    if isinstance(value, list):
        return [_without(item, dropped, namespace) for item in value]
    return value.replace(namespace, "NAMESPACE") if isinstance(value, str) else value

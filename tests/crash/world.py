"""One namespace as people and controllers see it: what they do, waiting, and a dump that runs can be compared by."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from tests.crash.api import Api
from tests.crash.observatory import Observatory
from tests.crash.routes import Split, in_words, split_of
from tests.support.kinds import CHILDREN, ROOTS, Object, collection

_COMPARED: Final = tuple(kind for kind in ROOTS if kind not in {"ReplicaSet", "Pod"})
_OF_THE_RUN: Final = frozenset(
    {
        "touched",
        "clusterIP",
        "clusterIPs",
        "lastTransitionTime",
        "since",
        "started",
        "step_started",
        "stepStarted",
        "forecast",
        "shortfall",
        "traffic",
        "marquee.dev/switched-at",
        "marquee.dev/rendered",
    }
)
"""Fields that differ between runs: times, rates, what the cluster gives out, the digest of a manifest with a time."""
_ROLLOUT: Final = re.compile(r"\b(lead-v\d)-[0-9a-f]{8}\b")
"""A rollout's name ends in a hash of its model's uid, among other things."""


@dataclass(frozen=True)
class World:
    """One namespace, in which one model lives: `lead`."""

    api: Api
    observatory: Observatory
    namespace: str

    async def create(self, body: Object) -> None:
        """POST one object, into this namespace whatever it says."""
        body = body | {"metadata": body["metadata"] | {"namespace": self.namespace}}
        await self.api.send("POST", collection(body["kind"], self.namespace), body)

    async def change_model(self, spec: Object) -> None:
        """Merge into the model's spec."""
        path = f"{collection('MarketingModel', self.namespace)}/lead"
        changed = await self.api.send("PATCH", path, {"spec": spec}, merge=True)
        generation = changed["metadata"]["generation"]
        await self.wait(
            lambda: any(body["metadata"]["generation"] == generation for body in self.objects("MarketingModel")),
            "the change is seen",
        )

    async def touch_model(self) -> None:
        """Have the operator look at the model now."""
        await self.annotate_model(touched="yes")

    async def annotate_model(self, **annotations: str) -> None:
        """As ``kubectl annotate`` does it."""
        path = f"{collection('MarketingModel', self.namespace)}/lead"
        await self.api.send("PATCH", path, {"metadata": {"annotations": annotations}}, merge=True)

    async def delete_model(self) -> None:
        """As ``kubectl delete`` does it."""
        path = f"{collection('MarketingModel', self.namespace)}/lead"
        await self.api.send("DELETE", path, {"propagationPolicy": "Background"})

    async def model(self) -> Object:
        """The model as the API server has it at this moment."""
        return await self.api.send("GET", f"{collection('MarketingModel', self.namespace)}/lead")

    def objects(self, kind: str) -> list[Object]:
        """All objects of a kind."""
        return self.observatory.objects(self.namespace, kind)

    def names(self, kind: str) -> list[str]:
        """Their names."""
        return [body["metadata"]["name"] for body in self.objects(kind)]

    def serves(self, revision: str) -> bool:
        """Whether the model says of its newest spec that this revision serves and nothing else is going on."""
        status = self.status
        return status.get("phase") == "Serving" and bool(status["stable"]["revision"] == revision)

    @property
    def status(self) -> Object:
        """What the model says of its newest spec; empty when it has not looked at it yet."""
        for body in self.objects("MarketingModel"):
            status: Object = body.get("status", {})
            return status if status.get("observedGeneration") == body["metadata"]["generation"] else {}
        return {}

    @property
    def split(self) -> Split | None:
        """How the route splits traffic."""
        return next((split_of(route) for route in self.objects("HTTPRoute")), None)

    def reason(self) -> str:
        """Why the model is ready, or not."""
        conditions = [
            c for body in self.objects("MarketingModel") for c in body.get("status", {}).get("conditions", ())
        ]
        return next((str(c["reason"]) for c in conditions if c["type"] == "Ready"), "")

    async def settles(self, revision: str, *, pods: int) -> None:
        """Wait until the revision serves with so many pods, and nothing of another is left."""

        def settled() -> bool:
            active = [body for body in self.objects("ReplicaSet") if body["spec"]["replicas"] > 0]
            counts = (len(self.objects("Pod")), len(active))
            return self.serves(revision) and self.names("Deployment") == [revision] and counts == (pods, 1)

        await self.wait(settled, f"{revision} serves alone")

    def owners(self) -> set[str]:
        """Whose the rendered children are."""
        bodies = [body for kind in CHILDREN if kind not in {"ReplicaSet", "Pod"} for body in self.objects(kind)]
        return {owner["uid"] for body in bodies for owner in body["metadata"].get("ownerReferences", ())}

    def is_empty(self) -> bool:
        """Whether no child of any kind is there."""
        return not any(self.objects(kind) for kind in (*CHILDREN, "HTTPRoute"))

    async def wait(self, holds: Callable[[], bool], what: str, timeout_seconds: float = 180.0) -> None:
        """Wait until something holds; says what there is instead when it never does."""
        try:
            await self.observatory.until(self.namespace, holds, timeout_seconds)
        except TimeoutError:
            raise AssertionError(f"{self.namespace}: not in {timeout_seconds:g} s: {what}: {self.sketch()}") from None

    def sketch(self) -> dict[str, Any]:
        """Names of everything, and the model's status, for a failure's message."""
        return {kind: self.names(kind) for kind in CHILDREN} | {
            "status": [body.get("status") for body in self.objects("MarketingModel")]
        }

    def dump(self) -> dict[str, Any]:
        """Everything that must be the same at the end of every run."""
        told: dict[str, Any] = {
            f"{kind}/{body['metadata']['name']}": self._normalised(body)
            for kind in _COMPARED
            for body in self.objects(kind)
        }
        return told | {
            "pods": Counter(
                body["metadata"]["labels"].get("marquee.dev/revision", "trainer") for body in self.objects("Pod")
            )
        }

    def _normalised(self, body: Object) -> Object:
        metadata = body["metadata"]
        managers = {entry["manager"] for entry in metadata["managedFields"]}
        kept = {
            "labels": metadata.get("labels"),
            "annotations": metadata.get("annotations", {}),
            "owners": [owner["name"] for owner in metadata.get("ownerReferences", ())],
            "managers": sorted(manager for manager in managers if manager.startswith("marquee")),
            "spec": body.get("spec"),
            "status": body.get("status") if body["kind"] == "MarketingModel" else None,
        }
        normalised: Object = _without(kept, self.namespace)
        return normalised


def _without(value: Any, namespace: str) -> Any:
    """The value without what differs between runs, the namespace's name included."""
    if isinstance(value, Mapping):
        if value.get("type") == "RegularExpression":
            value = {**value, "value": in_words(value["value"])}
        return {key: _without(item, namespace) for key, item in value.items() if key not in _OF_THE_RUN}
    if isinstance(value, list):
        return [_without(item, namespace) for item in value]
    if not isinstance(value, str):
        return value
    if value.startswith("{"):  # an annotation that remembers something
        return _without(json.loads(value), namespace)
    return _ROLLOUT.sub(r"\1-ROLLOUT", value.replace(namespace, "NAMESPACE"))


def differences(expected: Any, found: Any, where: str = "") -> list[str]:
    """What is not the same in two dumps, one line each: far shorter than the dumps."""
    if isinstance(expected, Mapping) and isinstance(found, Mapping):
        keys = sorted({*expected, *found})
        return [line for key in keys for line in differences(expected.get(key), found.get(key), f"{where}.{key}")]
    return [] if expected == found else [f"{where}: {found!r}, not {expected!r}"]

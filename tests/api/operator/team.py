"""What people do in their namespace, and what they see there."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from tests.support import samples
from tests.support.apiserver import Answer
from tests.support.kinds import CHILDREN, Object, collection
from tests.support.simulation import HELD, SimulatedCluster

QUICK: Final = {"drainSeconds": 0}
"""Rollout of a test that is not about draining."""

_PATIENCE_SECONDS: Final = 30.0
_POLL_SECONDS: Final = 0.05
_WRITES: Final = frozenset({"create", "update", "patch", "delete"})


@dataclass(frozen=True)
class Team:
    """One namespace."""

    cluster: SimulatedCluster
    namespace: str

    def path(self, kind: str, name: str) -> str:
        """URL path of one object."""
        return f"{collection(kind, self.namespace)}/{name}"

    def revision(self, name: str, *, labels: Mapping[str, str] | None = None, **options: str) -> None:
        """Publish a revision; the model's name is what comes before the last hyphen."""
        body = samples.revision(name, of=name.rpartition("-")[0], namespace=self.namespace, uri="s3://models/x")
        body["metadata"] |= {"labels": dict(labels or {})}
        body["spec"]["artifact"] |= options
        answer = self.cluster.server.create(collection("ModelRevision", self.namespace), body)
        assert answer.accepted, answer.message

    def model(self, name: str, wanted: str | Object, **spec: Any) -> None:
        """Apply a model that pins a revision, or has another reference; ``spec`` replaces whole blocks."""
        reference = {"name": wanted} if isinstance(wanted, str) else wanted
        spec = {"rollout": QUICK, "revision": reference} | spec
        body = samples.model(name, revision="", namespace=self.namespace)
        body["spec"] |= spec
        answer = self.cluster.server.send(
            "PATCH",
            self.path("MarketingModel", name),
            body,
            content_type="application/apply-patch+yaml",
            fieldManager="people",
            force="true",
        )
        assert answer.accepted, answer.message

    def edit(self, kind: str, name: str, change: Object, *, subresource: str = "") -> Object:
        """What ``kubectl edit`` does: merge a change into an object."""
        path = self.path(kind, name) + (f"/{subresource}" if subresource else "")
        answer = self.cluster.server.send("PATCH", path, change, content_type="application/merge-patch+json")
        assert answer.accepted, answer.message
        return answer.body

    def delete(self, kind: str, name: str, *, propagation: str = "Background") -> Answer:
        """What ``kubectl delete`` does."""
        answer = self.cluster.server.send("DELETE", self.path(kind, name), {"propagationPolicy": propagation})
        assert answer.accepted, answer.message
        return answer

    def touch(self, model: str) -> None:
        """Have the operator look at a model now, instead of when it would by itself."""
        self.edit("MarketingModel", model, {"metadata": {"annotations": {"touched": str(time.time())}}})

    def rests(self, model: str) -> None:
        """Touched, the operator looks again and writes nothing; what was still on its way may come before."""

        def nothing_is_written() -> bool:
            since = time.time()
            self.touch(model)
            time.sleep(2)
            return self.operators_writes(since) == []

        self.wait(nothing_is_written, "the operator has nothing to write")

    def limit(self, hard: Mapping[str, str]) -> None:
        """Set the namespace's quota, and wait until it is enforced."""
        path = f"/api/v1/namespaces/{self.namespace}/resourcequotas/limit"
        body = {
            "apiVersion": "v1",
            "kind": "ResourceQuota",
            "metadata": {"name": "limit"},
            "spec": {"hard": dict(hard)},
        }
        answer = self.cluster.server.apply(path, body)
        assert answer.accepted, answer.message
        self.wait(lambda: self.cluster.server.get(path).get("status", {}).get("hard") == hard, "the quota is enforced")

    def get(self, kind: str, name: str) -> Object | None:
        """One object, or None."""
        answer = self.cluster.server.send("GET", self.path(kind, name))
        assert answer.accepted or answer.status == 404, answer.message
        return answer.body if answer.accepted else None

    def the(self, kind: str, name: str) -> Object:
        """One object, which must exist."""
        found = self.get(kind, name)
        assert found is not None, f"there is no {kind} {name}; there are {self.names(kind)}"
        return found

    def objects(self, kind: str) -> list[Object]:
        """All objects of a kind, apart from what every namespace has."""
        items: list[Object] = self.cluster.server.get(collection(kind, self.namespace))["items"]
        return [body for body in items if (kind, body["metadata"]["name"]) != ("ServiceAccount", "default")]

    def names(self, kind: str) -> list[str]:
        """Names of all objects of a kind, sorted."""
        return sorted(body["metadata"]["name"] for body in self.objects(kind))

    def status(self, model: str) -> Object:
        """The model's status; empty before the operator's first word, and when it is about an older spec."""
        body = self.the("MarketingModel", model)
        status: Object = body.get("status", {})
        return status if status.get("observedGeneration") == body["metadata"]["generation"] else {}

    def condition(self, model: str, kind: str = "Ready") -> Object:
        """One condition; empty when it is not there."""
        return next((c for c in self.status(model).get("conditions", ()) if c["type"] == kind), {})

    def receives(self, model: str) -> str:
        """The revision that users reach."""
        return str(self.the("Service", model)["spec"]["selector"]["marquee.dev/revision"])

    def wait(self, holds: Callable[[], object], what: str, seconds: float = _PATIENCE_SECONDS) -> None:
        """Wait until something holds; says how things are when it does not."""
        deadline = time.monotonic() + seconds
        while not holds():
            if time.monotonic() > deadline:
                raise AssertionError(f"{self.namespace}: not in {seconds:g} s: {what}\n{self.sketch()}")
            time.sleep(_POLL_SECONDS)

    def serves(self, model: str, revision: str) -> None:
        """Wait until that revision, and no other, serves; nothing is going on any more."""

        def holds() -> bool:
            status = self.status(model)
            return status.get("phase") == "Serving" and status["stable"]["revision"] == revision

        self.wait(holds, f"{revision} serves")

    def fails(self, model: str, reason: str) -> Object:
        """Wait until the model's Ready condition has this reason, and return the condition."""
        self.wait(lambda: self.condition(model).get("reason") == reason, f"{model} is not ready: {reason}")
        return self.condition(model)

    def is_gone(self, model: str) -> bool:
        """Whether no child of the model is left."""
        return not any(
            body["metadata"].get("labels", {}).get("marquee.dev/model") == model
            for kind in CHILDREN
            for body in self.objects(kind)
        )

    def held(self, **spec: Any) -> Object:
        """A spec whose pods stay as they are created: the test says what becomes of them, through `pod_says`."""
        return {"serving": {"nodeSelector": HELD}} | spec

    def pod_says(self, revision: str, status: Object) -> None:
        """Write the status of the revision's only held pod, as a kubelet does."""
        self.wait(lambda: self._held_pods_of(revision), f"{revision} has a held pod")
        (pod,) = self._held_pods_of(revision)
        self.edit("Pod", pod["metadata"]["name"], {"status": status}, subresource="status")

    def _held_pods_of(self, revision: str) -> list[Object]:
        return [
            pod
            for pod in self.objects("Pod")
            if pod["metadata"]["labels"]["marquee.dev/revision"] == revision
            and pod["spec"].get("nodeSelector", {}).items() >= HELD.items()
        ]

    def operators_writes(self, since: float) -> list[str]:
        """What any operator has written in this namespace since that time (`time.time`), by the audit log."""
        found = []
        for line in self.cluster.plane.audit_log.read_text().splitlines():
            if f'"{self.namespace}"' not in line:
                continue  # reading what everybody did takes a second
            event = json.loads(line)
            agent = event.get("userAgent", "")
            ours = agent.startswith(("marquee-operator", "kopf")) and event["verb"] in _WRITES
            target = event.get("objectRef") or {}
            if (
                ours
                and target.get("namespace") == self.namespace
                and _seconds(event["requestReceivedTimestamp"]) > since
            ):
                found.append(f"{event['verb']} {target.get('resource')}/{target.get('name')}")
        return found

    def sketch(self) -> str:
        """What there is, for a failure's message."""
        lines = [f"{kind}: {', '.join(self.names(kind))}" for kind in CHILDREN]
        for model in self.names("MarketingModel"):
            status = self.the("MarketingModel", model).get("status", {})
            lines.append(f"{model}: {status.get('phase')}: {[c['message'] for c in status.get('conditions', ())]}")
        return "\n".join(lines)


def _seconds(timestamp: str) -> float:
    return datetime.fromisoformat(timestamp).timestamp()


def container(state: Object, *, last: Object | None = None, restarts: int = 0) -> Object:
    """Status of a pod whose container is in that state."""
    return {
        "phase": "Running",
        "containerStatuses": [
            {
                "name": "predictor",
                "image": "predictor",
                "imageID": "",
                "ready": False,
                "restartCount": restarts,
                "state": state,
                "lastState": last or {},
            }
        ],
    }


def ready(address: str) -> Object:
    """Status of a pod that serves."""
    conditions = [{"type": kind, "status": "True"} for kind in ("Initialized", "ContainersReady", "Ready")]
    return {
        "phase": "Running",
        "podIP": address,
        "podIPs": [{"ip": address}],
        "conditions": conditions,
        "containerStatuses": [
            {
                "name": "predictor",
                "image": "predictor",
                "imageID": "",
                "ready": True,
                "restartCount": 0,
                "state": {"running": {}},
            }
        ],
    }

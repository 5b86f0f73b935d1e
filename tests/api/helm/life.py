"""One model's whole life, so that the operator does everything that it ever does."""

from __future__ import annotations

import json
from typing import Any, Final

from localcluster import ControlPlane
from tests.api.helm.installation import eventually
from tests.support import samples

MODEL: Final = "churn"
_SCALED: Final = {"class": "HPA", "minReplicas": 2, "maxReplicas": 4}


class Life:
    """Applies, changes and deletes a MarketingModel, and waits each time for the operator to follow."""

    def __init__(self, plane: ControlPlane, namespace: str) -> None:
        self._plane = plane
        self._namespace = namespace

    def begin(self) -> None:
        """Two revisions; the first serves, scaled by an autoscaler."""
        for name in ("churn-1", "churn-2"):
            uri = f"https://artifacts.example.com/{name}"
            self._apply(samples.revision(name, of=MODEL, namespace=self._namespace, uri=uri))
        self._serve("churn-1", scaling=_SCALED)
        eventually("the autoscaler exists", lambda: self._children("horizontalpodautoscaler") == {MODEL})

    def change_revision(self) -> None:
        """The second revision takes over and the first one's Deployment goes."""
        self._serve("churn-2", scaling=_SCALED)
        eventually("the old revision's pods go", lambda: self._children("deployment") == {"churn-2"})

    def stop_scaling(self) -> None:
        """A fixed number of replicas in place of the autoscaler."""
        self._serve("churn-2", scaling={"class": "None", "minReplicas": 3})
        eventually("the autoscaler goes", lambda: self._children("horizontalpodautoscaler") == set())
        eventually("three replicas run", lambda: self._status().get("replicas") == 3)

    def name_missing_revision_twice(self) -> None:
        """The same complaint two times: an Event, and then its series."""
        for _ in range(2):
            self._apply(self._model("churn-9"))
            eventually("the missing revision is reported", lambda: self._status().get("phase") == "Blocked")
            self._serve("churn-2")

    def end(self) -> None:
        """The model is deleted; what belonged to it is for the cluster's garbage collector."""
        self._kubectl("delete", "marketingmodel,modelrevision", "--all", "--wait=true")

    def replace_deployment(self) -> None:
        """Somebody deletes the serving Deployment: the operator makes a new one."""
        before = self._uid("churn-2")
        self._kubectl("delete", "deployment", "churn-2", "--wait=true")
        eventually("the Deployment is back", lambda: self._uid("churn-2") not in {"", before})

    def _serve(self, revision: str, **spec: Any) -> None:
        self._apply(self._model(revision, **spec))
        eventually(f"{revision} serves", lambda: self._serves(revision))

    def _model(self, revision: str, **spec: Any) -> dict[str, Any]:
        return samples.model(MODEL, revision=revision, namespace=self._namespace, rollout={"drainSeconds": 0}, **spec)

    def _serves(self, revision: str) -> bool:
        body = self._get("marketingmodel", MODEL)
        status = body.get("status", {})
        current = bool(status.get("observedGeneration") == body["metadata"]["generation"])
        return current and status.get("phase") == "Serving" and status["stable"]["revision"] == revision

    def _status(self) -> dict[str, Any]:
        status: dict[str, Any] = self._get("marketingmodel", MODEL).get("status", {})
        return status

    def _uid(self, deployment: str) -> str:
        found = self._kubectl("get", "deployment", deployment, "--ignore-not-found", "-o", "jsonpath={.metadata.uid}")
        return found.strip()

    def _children(self, kinds: str) -> set[str]:
        selector = f"marquee.dev/model={MODEL}"
        return set(self._kubectl("get", kinds, "-l", selector, "-o", "jsonpath={.items[*].metadata.name}").split())

    def _get(self, kind: str, name: str) -> dict[str, Any]:
        body: dict[str, Any] = json.loads(self._kubectl("get", kind, name, "--output", "json"))
        return body

    def _apply(self, manifest: dict[str, Any]) -> None:
        self._plane.kubectl("apply", "--server-side", "-f", "-", input=json.dumps(manifest))

    def _kubectl(self, *args: str) -> str:
        return self._plane.kubectl("--namespace", self._namespace, *args)

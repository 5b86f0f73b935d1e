"""One model's whole life, so that the operator does everything that it ever does."""

from __future__ import annotations

from typing import Any, Final

from tests.api.operator.team import Team
from tests.support.kinds import CHILDREN
from tests.support.retraining import SPEC, TRAINER_LABEL, a_result, ended
from tests.support.train_jobs import NODES

MODEL: Final = "churn"
_AUTOSCALER: Final = "HorizontalPodAutoscaler"
_SCALED: Final = {"class": "HPA", "minReplicas": 2, "maxReplicas": 4}


class Life:
    """Applies, changes and deletes a MarketingModel, and waits each time for the operator to follow."""

    def __init__(self, team: Team) -> None:
        self._team = team

    def begin(self) -> None:
        """Two revisions; the first serves, scaled by an autoscaler."""
        for name in ("churn-1", "churn-2"):
            self._team.revision(name)
        self._serve("churn-1", scaling=_SCALED)
        self._team.wait(lambda: self._team.names(_AUTOSCALER) == [MODEL], "the autoscaler exists")

    def change_revision(self) -> None:
        """The second revision takes over and the first one's Deployment goes."""
        self._serve("churn-2", scaling=_SCALED)
        self._team.wait(lambda: self._team.names("Deployment") == ["churn-2"], "the old revision's pods go")

    def change_owner(self) -> None:
        """Another team: a label of every object, so every object is written."""
        owner = {"team": "retention", "contact": "retention@example.com"}
        self._serve("churn-2", scaling=_SCALED, owner=owner)
        self._team.wait(lambda: self._teams() == {"retention"}, "every object tells the new team")

    def stop_scaling(self) -> None:
        """A fixed number of replicas in place of the autoscaler."""
        self._serve("churn-2", scaling={"class": "None", "minReplicas": 3})
        self._team.wait(lambda: self._team.names(_AUTOSCALER) == [], "the autoscaler goes")
        self._team.wait(lambda: self._team.status(MODEL).get("replicas") == 3, "three replicas run")

    def scale_by_keda(self) -> None:
        """A ScaledObject comes, changes with the spec, and goes with the class."""
        scaled = {"class": "KEDA", "minReplicas": 3, "maxReplicas": 4, "requestsPerSecond": 10}
        for most in (4, 5):
            self._serve("churn-2", scaling=scaled | {"maxReplicas": most})
            self._team.wait(lambda most=most: self._most() == most, f"at most {most} pods")  # type: ignore[misc]
        self._serve("churn-2", scaling={"class": "None", "minReplicas": 3})
        self._team.wait(lambda: self._team.names("ScaledObject") == [], "the ScaledObject goes")

    def name_missing_revision_twice(self) -> None:
        """The same complaint two times: an Event, and then its series."""
        for _ in range(2):
            self._team.model(MODEL, "churn-9")
            self._team.wait(lambda: self._team.status(MODEL).get("phase") == "Blocked", "the missing one is reported")
            self._serve("churn-2")

    def replace_deployment(self) -> None:
        """Somebody deletes the serving Deployment: the operator makes a new one."""
        before = self._team.the("Deployment", "churn-2")["metadata"]["uid"]
        self._team.delete("Deployment", "churn-2")
        self._team.wait(lambda: self._uid("churn-2") not in {"", before}, "the Deployment is back")

    def go_through_a_gateway(self) -> None:
        """A route and the arm's Service come, the route changes, and both go again."""
        for prefix in ("/churn", "/crm/churn"):
            self._serve("churn-2", traffic={"gateway": {"name": "public"}, "pathPrefix": prefix})
            self._team.wait(lambda prefix=prefix: self._prefix() == prefix, f"the route is at {prefix}")  # type: ignore[misc]
        self._serve("churn-2")
        self._team.wait(lambda: self._team.names("HTTPRoute") == [], "the route goes")
        self._team.wait(lambda: self._team.names("Service") == [MODEL], "the arm's Service goes")

    def train_again(self) -> None:
        """A run whose candidate becomes a revision; then the block goes, and its Job with it."""
        self._serve("churn-2", retraining=SPEC)
        change = {"metadata": {"annotations": {"marquee.dev/retrain": "now"}}}
        self._team.edit("MarketingModel", MODEL, change)
        self._team.wait(self._trainers, "the run has a pod")
        (run,) = self._team.names("Job")
        message = a_result(run, model=MODEL, champion="churn-2")
        self._team.edit("Pod", self._trainers()[0], {"status": ended(message)}, subresource="status")
        self._team.wait(lambda: run in self._team.names("ModelRevision"), "the candidate is a revision")
        self._serve("churn-2")
        self._team.wait(lambda: self._team.names("Job") == [], "the Job goes")

    def train_on_many_nodes(self) -> None:
        """A TrainJob with its TrainingRuntime; then the block goes, and both with it."""
        self._serve("churn-2", retraining=SPEC | NODES)
        change = {"metadata": {"annotations": {"marquee.dev/retrain": "again"}}}
        self._team.edit("MarketingModel", MODEL, change)
        self._team.wait(lambda: self._team.names("TrainJob"), "the TrainJob")
        assert self._team.names("TrainingRuntime") == self._team.names("TrainJob")
        self._serve("churn-2")
        self._team.wait(lambda: self._team.names("TrainJob") == [], "the TrainJob goes")
        self._team.wait(lambda: self._team.names("TrainingRuntime") == [], "the TrainingRuntime goes")

    def end(self) -> None:
        """The model is deleted; what belonged to it is for the cluster's garbage collector."""
        self._team.delete("MarketingModel", MODEL)
        self._team.wait(lambda: self._team.names("MarketingModel") == [], "the model is gone")

    def _serve(self, revision: str, **spec: Any) -> None:
        self._team.model(MODEL, revision, **spec)
        self._team.serves(MODEL, revision)

    def _trainers(self) -> list[str]:
        pods = self._team.objects("Pod")
        return [pod["metadata"]["name"] for pod in pods if TRAINER_LABEL in pod["metadata"]["labels"]]

    def _teams(self) -> set[str]:
        bodies = [body for kind in CHILDREN for body in self._team.objects(kind)]
        owned = [body for body in bodies if "ownerReferences" in body["metadata"]]
        return {body["metadata"]["labels"]["marquee.dev/team"] for body in owned if is_of_the_model(body)}

    def _prefix(self) -> str:
        route = self._team.get("HTTPRoute", MODEL)
        return "" if route is None else str(route["spec"]["rules"][0]["matches"][0]["path"]["value"])

    def _most(self) -> int:
        scaled = self._team.get("ScaledObject", "churn-2")
        return 0 if scaled is None else int(scaled["spec"]["maxReplicaCount"])

    def _uid(self, deployment: str) -> str:
        body = self._team.get("Deployment", deployment)
        return "" if body is None else str(body["metadata"]["uid"])


def is_of_the_model(body: dict[str, Any]) -> bool:
    """Whether the operator made it; pods and ReplicaSets are the Deployment's."""
    return any(owner["kind"] == "MarketingModel" for owner in body["metadata"]["ownerReferences"])

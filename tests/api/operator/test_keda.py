"""Models that KEDA scales, with KEDA's own kinds on a real API server; what its operator does the test does itself."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from localcluster import keda
from tests.api.operator.conftest import new_team
from tests.api.operator.team import Team
from tests.support.crds.installing import install, kinds_of
from tests.support.kinds import Object
from tests.support.operator import OperatorProcess
from tests.support.simulation import SimulatedCluster, simulated_cluster

SCALED: Final[Object] = {
    "class": "KEDA",
    "minReplicas": 2,
    "maxReplicas": 6,
    "cpuUtilizationPercent": 70,
    "requestsPerSecond": 12.5,
    "concurrency": 3,
    "schedule": [{"start": "0 8 * * 1-5", "end": "0 18 * * 1-5", "timeZone": "Europe/Berlin", "minReplicas": 4}],
    "behavior": {
        "scaleUp": {"stabilizationWindowSeconds": 0, "policies": [{"type": "Pods", "value": 2, "periodSeconds": 15}]},
        "scaleDown": {"stabilizationWindowSeconds": 60, "selectPolicy": "Min"},
    },
}
HPA: Final[Object] = {"class": "HPA", "minReplicas": 2, "maxReplicas": 6}
SOURCE: Final = {"demand_url": "http://marquee.marquee-system.svc:8081/demand", "demand_authentication": "marquee"}


@pytest.fixture(scope="module")
def without(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatedCluster]:
    """A cluster of its own, at first without KEDA's kinds."""
    with simulated_cluster(tmp_path_factory.mktemp("keda")) as running:
        yield running


@pytest.fixture(scope="module")
def story(without: SimulatedCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    """A model that asked for KEDA before there was one, and was told; then its kinds came."""
    log, team = tmp_path_factory.mktemp("log") / "operator.log", new_team(without)
    for name in ("lead-v1", "lead-v2"):
        team.revision(name)
    with _operator(without, log):
        team.model("lead", "lead-v1", scaling=SCALED)
        team.serves("lead", "lead-v1")
        told = team.condition("lead", "AutoscalerReady")
        assert (told["status"], told["reason"]) == ("False", "KedaUnavailable")
        assert _replicas(team, "lead-v1") == 2
    install(without.server, kinds_of(keda.crds))
    with _operator(without, log):
        yield team
    assert [line for line in log.read_text().splitlines() if "Traceback" in line or '"level": "error"' in line] == []


def _operator(cluster: SimulatedCluster, log: Path) -> OperatorProcess:
    return OperatorProcess(cluster.plane.kubeconfig, log, **SOURCE)


def _replicas(team: Team, revision: str) -> int:
    return int(team.the("Deployment", revision)["spec"]["replicas"])


def _keda_says(team: Team, revision: str, **condition: str) -> None:
    """What KEDA's operator writes of a ScaledObject."""
    status = {"conditions": [{"type": "Ready"} | condition, {"type": "Active", "status": "Unknown"}]}
    team.edit("ScaledObject", revision, {"status": status}, subresource="status")


def _told(team: Team) -> tuple[str, str]:
    condition: dict[str, Any] = team.condition("lead", "AutoscalerReady")
    return condition.get("status", ""), condition.get("reason", "")


def test_a_scaled_model_lives_with_keda(story: Team) -> None:
    """KEDA is found, its words are told, its numbers stay, and a change of class leaves nothing behind."""
    story.wait(lambda: story.names("ScaledObject") == ["lead-v1"], "the ScaledObject")
    story.wait(lambda: _told(story) == ("False", "AutoscalerPending"), "KEDA is there, and has said nothing")
    _keda_says(story, "lead-v1", status="False", reason="TriggerError", message="unable to load timezone")
    story.wait(lambda: _told(story) == ("False", "AutoscalerFailing"), "KEDA's error is told")
    assert "unable to load timezone" in story.condition("lead", "AutoscalerReady")["message"]
    assert story.condition("lead")["status"] == "True"
    _keda_says(story, "lead-v1", status="True", reason="ScaledObjectReady", message="ready for scaling")
    story.wait(lambda: _told(story) == ("True", "Autoscaling"), "KEDA's success is told")
    story.edit("Deployment", "lead-v1", {"spec": {"replicas": 5}}, subresource="scale")
    story.model("lead", "lead-v1", scaling=SCALED, serving={"threads": 2})
    story.serves("lead", "lead-v1")
    assert _replicas(story, "lead-v1") == 5
    _takes_over(story)
    _changes_class(story)


def _takes_over(team: Team) -> None:
    """A newcomer has the pods that KEDA had given to stable, and gets a ScaledObject in place of stable's."""
    team.model("lead", "lead-v2", scaling=SCALED)
    team.serves("lead", "lead-v2")
    assert _replicas(team, "lead-v2") == 5
    team.wait(lambda: team.names("ScaledObject") == ["lead-v2"], "one arm, one ScaledObject")


def _changes_class(team: Team) -> None:
    team.model("lead", "lead-v2", scaling=HPA)
    team.wait(lambda: team.names("HorizontalPodAutoscaler") == ["lead"], "the autoscaler instead")
    assert (team.names("ScaledObject"), _replicas(team, "lead-v2")) == ([], 5)
    team.model("lead", "lead-v2", scaling=SCALED)
    team.wait(lambda: team.names("ScaledObject") == ["lead-v2"], "KEDA again")
    assert (team.names("HorizontalPodAutoscaler"), _replicas(team, "lead-v2")) == ([], 5)
    team.model("lead", "lead-v2", scaling={"class": "External"})
    team.wait(lambda: team.names("ScaledObject") == [], "hands off")
    assert _replicas(team, "lead-v2") == 5
    team.wait(lambda: not team.condition("lead", "AutoscalerReady"), "nothing more is said of KEDA")
    team.model("lead", "lead-v2", scaling={"minReplicas": 1})
    team.wait(lambda: _replicas(team, "lead-v2") == 1, "one pod as asked")
    team.serves("lead", "lead-v2")

"""The operator as a process: its pages, its end, two of them, and one that may see some namespaces only."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from localcluster import ControlPlane
from tests.api.operator.team import Team
from tests.support import samples
from tests.support.apiserver import ApiServer
from tests.support.kinds import collection
from tests.support.operator import OperatorProcess


def test_the_pages_tell_health_and_numbers(team: Team, operator: OperatorProcess) -> None:
    """Probes answer ok; the metrics name models, queue, requests and who leads."""
    team.revision("lead-v1")
    team.model("lead", "lead-v9")
    team.wait(lambda: team.status("lead").get("phase") == "Blocked", "the missing revision is told of, by an event too")
    team.model("lead", "lead-v1")
    team.serves("lead", "lead-v1")
    assert (operator.page("healthz"), operator.page("readyz")) == ("ok\n", "ok\n")
    assert operator.metric("marquee_operator_leader") == 1
    assert operator.metric("marquee_models", namespace=team.namespace, phase="Serving") == 1
    labels = {"namespace": team.namespace, "model": "lead", "stable": "lead-v1", "reason": "Serving"}
    assert operator.metric("marquee_model_ready", **labels) == 1
    assert operator.metric("marquee_reconciles_total") > 0
    assert operator.metric("marquee_api_requests_total", verb="create", resource="services") > 0
    assert operator.metric("marquee_informer_objects", kind="Deployment") >= 1
    assert operator.metric("marquee_informer_lists_total", kind="Pod") >= 1
    assert operator.metric("marquee_informer_silent_seconds", kind="Pod") < 60
    assert operator.metric("marquee_events_total", result="created") > 0
    assert operator.metric("marquee_lease_acquired_total") == 1
    assert operator.metric("process_resident_memory_bytes") > 0


def test_of_two_operators_one_writes_and_hands_over_when_it_ends(
    plane: ControlPlane, server: ApiServer, namespace: str, tmp_path: Path
) -> None:
    """The standby knows everything and writes nothing, until SIGTERM ends the leader: with exit code 0, within
    seconds, and with the Lease given back, so that the standby leads long before it would have run out."""
    settings = {"lease_name": "pair", "watch_namespaces": namespace}
    first = OperatorProcess(plane.kubeconfig, tmp_path / "first", pod_name="first", **settings)
    second = OperatorProcess(plane.kubeconfig, tmp_path / "second", pod_name="second", **settings)
    with first:
        wait(lambda: leads(first))
        with second:
            apply_lead(server, namespace)
            wait(lambda: phase(server, namespace) == "Preparing")
            wait(lambda: second.metric("marquee_models", phase="Preparing") == 1)
            assert (writes(first) > 0, writes(second), leads(second)) == (True, 0, False)
            assert holder(server, "pair").startswith("first_")
            assert first.process is not None
            first.process.send_signal(signal.SIGTERM)
            assert first.process.wait(timeout=30) == 0
            wait(lambda: leads(second), seconds=12)
            assert holder(server, "pair").startswith("second_")
            wait(lambda: second.metric("marquee_reconciles_total") >= 1)
            assert writes(second) == 0
    assert holder(server, "pair") == ""


def test_an_operator_of_some_namespaces_leaves_the_others_alone(
    plane: ControlPlane, server: ApiServer, namespace: str, other_namespace: str, third_namespace: str, tmp_path: Path
) -> None:
    """With watchNamespaces, models elsewhere are another operator's business."""
    for name in (third_namespace, namespace, other_namespace):
        apply_lead(server, name)
    settings = {"lease_name": "namespaced", "watch_namespaces": f"{namespace}, {other_namespace}"}
    with OperatorProcess(plane.kubeconfig, tmp_path / "log", **settings) as operator:
        wait(lambda: {phase(server, name) for name in (namespace, other_namespace)} == {"Preparing"})
        assert operator.metric("marquee_models") == 2
    assert phase(server, third_namespace) == ""
    assert server.get(collection("Deployment", third_namespace))["items"] == []


MISTAKES: dict[str, tuple[dict[str, str], str]] = {
    "a number that is none": (
        {"workers": "many"},
        "MARQUEE_OPERATOR_WORKERS='many': must be a number (int), e.g. 10",
    ),
    "a port that is taken": ({"http_port": "{taken}"}, "address already in use"),
    "no key for the audit log": (
        {"audit_key_path": "/nonexistent", "ledger_url": "http://127.0.0.1:9"},
        "MARQUEE_OPERATOR_AUDIT_KEY_PATH: /nonexistent: the key cannot be read",
    ),
    "no kubeconfig": ({"kubeconfig": "/nonexistent"}, "no such file; set KUBECONFIG"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_an_operator_that_cannot_start_says_why(plane: ControlPlane, tmp_path: Path, mistake: str) -> None:
    """A wrong setting ends the process with a message that names it, not with a traceback."""
    settings, words = dict(MISTAKES[mistake][0]), MISTAKES[mistake][1]
    kubeconfig = Path(settings.pop("kubeconfig", str(plane.kubeconfig)))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        settings = {key: value.format(taken=taken.getsockname()[1]) for key, value in settings.items()}
        operator = OperatorProcess(kubeconfig, tmp_path / "log", lease_name="mistaken", **settings).start()
        assert operator.process is not None
        assert operator.process.wait(timeout=20) in {1, 2}
    log = operator.log.read_text()
    assert words in log
    assert "Traceback" not in log


def leads(operator: OperatorProcess) -> bool:
    return operator.metric("marquee_operator_leader") == 1


def writes(operator: OperatorProcess) -> float:
    """Its changes, apart from the Lease's, which are updates."""
    return sum(operator.metric("marquee_api_requests_total", verb=verb) for verb in ("create", "patch", "delete"))


def holder(server: ApiServer, lease: str) -> str:
    spec: dict[str, Any] = server.get(f"/apis/coordination.k8s.io/v1/namespaces/default/leases/{lease}")["spec"]
    return str(spec.get("holderIdentity", ""))


def apply_lead(server: ApiServer, namespace: str) -> None:
    """A revision and a model that pins it."""
    for body in (
        samples.revision("lead-v1", of="lead", namespace=namespace, uri="s3://models/x"),
        samples.model("lead", revision="lead-v1", namespace=namespace),
    ):
        answer = server.create(collection(body["kind"], namespace), body)
        assert answer.accepted, answer.message


def phase(server: ApiServer, namespace: str) -> str:
    status = server.get(collection("MarketingModel", namespace) + "/lead").get("status", {})
    return str(status.get("phase", ""))


def wait(holds: Callable[[], bool], seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)

"""Command lines and configuration files of the parts."""

from pathlib import Path

import pytest

from localcluster import components, node
from localcluster.certificates import Authority
from localcluster.controlplane import control_plane_parts, issue_identities
from localcluster.parts import Part
from localcluster.paths import Layout
from localcluster.settings import NODE_ADDRESS, Endpoints, Tuning

PROGRAM = Path("/opt/kubernetes")
LOOPBACK = Endpoints("127.0.0.1", 21000, 21001, 21002, 21003, 21004)
BRIDGE = Endpoints(NODE_ADDRESS, 6443, 21001, 21002, 21003, 21004)


@pytest.fixture(scope="module")
def layout(tmp_path_factory: pytest.TempPathFactory) -> Layout:
    return Layout(tmp_path_factory.mktemp("plane"))


@pytest.fixture(scope="module")
def authority(layout: Layout) -> Authority:
    return issue_identities(layout, LOOPBACK)


def part(parts: list[Part], name: str) -> Part:
    return next(item for item in parts if item.name == name)


def test_the_bare_control_plane_is_store_and_server(layout: Layout, authority: Authority) -> None:
    """Without controllers only etcd and the API server run."""
    parts = control_plane_parts(PROGRAM, layout, authority, LOOPBACK, Tuning(), controllers=False)
    assert [item.name for item in parts] == ["etcd", "kube-apiserver"]


def test_the_server_stops_before_the_store(layout: Layout, authority: Authority) -> None:
    """Stopped after etcd, the API server would hang; controllers stop before both."""
    parts = control_plane_parts(PROGRAM, layout, authority, LOOPBACK, Tuning(), controllers=True)
    stages = {item.name: item.stop_stage for item in parts}
    assert stages["kube-controller-manager"] < stages["kube-apiserver"] < stages["etcd"]
    assert stages["kube-scheduler"] < stages["kube-apiserver"]


def test_pods_end_before_their_runtime_and_after_the_kubelet(layout: Layout) -> None:
    """The kubelet would start them again; without containerd nobody could end them orderly."""
    parts = node.parts(PROGRAM, layout)
    kubelet, containerd = part(parts, "kubelet"), part(parts, "containerd")
    assert kubelet.stop_stage < containerd.stop_stage < components.STOP_API
    assert containerd.before_stop == (str(PROGRAM), "remove-pods", f"unix://{layout.containerd_socket}")
    assert "containerd" in kubelet.needs


def test_every_access_is_authorized(layout: Layout, authority: Authority) -> None:
    """RBAC is on, and only the aggregator's certificate may speak for other users."""
    server = components.kube_apiserver(PROGRAM, layout, authority, LOOPBACK, Tuning())
    assert "--authorization-mode=Node,RBAC" in server.argv
    assert "--requestheader-allowed-names=front-proxy" in server.argv
    assert server.argv[:2] == (str(PROGRAM), "kube-apiserver")


def test_a_loopback_server_is_no_endpoint_of_a_service(layout: Layout, authority: Authority) -> None:
    """The API refuses 127.0.0.1 as an endpoint; on the bridge pods must find the server."""
    alone = components.kube_apiserver(PROGRAM, layout, authority, LOOPBACK, Tuning())
    on_bridge = components.kube_apiserver(PROGRAM, layout, authority, BRIDGE, Tuning())
    assert "--endpoint-reconciler-type=none" in alone.argv
    assert "--endpoint-reconciler-type=none" not in on_bridge.argv


def test_audit_is_on_request(layout: Layout, authority: Authority) -> None:
    """Requests are logged only when asked for, into the folder of logs."""
    quiet = components.kube_apiserver(PROGRAM, layout, authority, LOOPBACK, Tuning())
    audited = components.kube_apiserver(PROGRAM, layout, authority, LOOPBACK, Tuning(audit=True))
    assert not [word for word in quiet.argv if "audit" in word]
    assert f"--audit-log-path={layout.logs / 'audit.jsonl'}" in audited.argv


def test_benchmarks_raise_the_controllers_limit(layout: Layout, authority: Authority) -> None:
    """The controller manager's own limit of 20 requests a second would be what is measured."""
    manager = components.kube_controller_manager(
        PROGRAM, layout, authority, LOOPBACK, Tuning(controller_requests_per_second=1000)
    )
    assert "--kube-api-qps=1000" in manager.argv
    assert "--kube-api-burst=2000" in manager.argv
    assert "--horizontal-pod-autoscaler-sync-period=5s" in manager.argv


def test_nothing_listens_beyond_this_machine(layout: Layout, authority: Authority) -> None:
    """Each part is bound to loopback or to the bridge's address."""
    parts = control_plane_parts(PROGRAM, layout, authority, BRIDGE, Tuning(), controllers=True)
    words = [word for item in (*parts, *node.parts(PROGRAM, layout)) for word in item.argv]
    listening = [w.split("=")[1] for w in words if w.startswith(("--bind-address", "--healthz-bind", "--metrics-bind"))]
    assert len(listening) == 5
    assert all(address.split(":")[0] in ("127.0.0.1", NODE_ADDRESS) for address in listening)


def test_kubelet_runs_on_old_control_groups_and_leaves_the_disk_alone(layout: Layout, authority: Authority) -> None:
    """The settings without which the kubelet ends on such machines, or throws local images away."""
    configuration = node.kubelet_configuration(layout, authority)
    assert configuration["failCgroupV1"] is False
    assert configuration["cgroupDriver"] == "cgroupfs"
    assert configuration["imageGCHighThresholdPercent"] == 100
    assert configuration["authentication"]["anonymous"] == {"enabled": False}


def test_containerd_has_its_own_socket_and_our_pause_image(layout: Layout) -> None:
    """The machine's own containerd, if there is one, is never touched."""
    text = node.containerd_configuration(layout, node.Host("native"))
    assert f'address = "{layout.containerd_socket}"' in text
    assert 'sandbox_image = "localhost/marquee/pause:1"' in text
    assert 'snapshotter = "native"' in text
    assert "/run/containerd" not in text


def test_socket_paths_fit_the_kernels_limit(tmp_path: Path) -> None:
    """However deep the data folder lies, a socket's path stays below 108 bytes."""
    deep = Layout(tmp_path / ("x" * 100) / ("y" * 100))
    assert len(str(deep.containerd_socket)) < 60
    assert deep.runtime != Layout(tmp_path).runtime

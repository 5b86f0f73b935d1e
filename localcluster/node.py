"""The node's parts: containerd, kubelet and kube-proxy, with their configuration files."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from localcluster.certificates import Authority, Subject, write_kubeconfig
from localcluster.components import STOP_RUNTIME
from localcluster.parts import Part, Probe
from localcluster.paths import Layout
from localcluster.settings import (
    BRIDGE,
    DNS_SERVICE_ADDRESS,
    KUBELET_PORT,
    NODE_ADDRESS,
    NODE_NAME,
    POD_CIDR,
    Endpoints,
)

PAUSE_IMAGE = "localhost/marquee/pause:1"
CNI_PROGRAMS = Path("/usr/lib/cni")
_HEALTH_PORT = 10248


@dataclass(frozen=True)
class Host:
    """What the node's configuration must know of the machine."""

    snapshotter: str
    """`overlayfs`, or `native` where the data folder lies on an overlay itself."""


def issue_identities(layout: Layout, authority: Authority, endpoints: Endpoints) -> None:
    """Certificates and kubeconfigs of the kubelet and kube-proxy."""
    group = "system:nodes"
    authority.issue(Subject("kubelet", f"system:node:{NODE_NAME}", group, (NODE_ADDRESS,), (NODE_NAME,)))
    authority.issue(Subject("kube-proxy", "system:kube-proxy"))
    for name in ("kubelet", "kube-proxy"):
        write_kubeconfig(layout.pki / f"{name}.kubeconfig", authority, server=endpoints.server, user=name)


def write_configuration(layout: Layout, authority: Authority, host: Host) -> None:
    """Write the files that the node's parts read."""
    network = layout.data / "cni"
    for folder in (network, layout.kubelet, layout.runtime):
        folder.mkdir(parents=True, exist_ok=True)
    (network / "10-marquee.conflist").write_text(json.dumps(network_configuration(layout), indent=1))
    (layout.data / "containerd.toml").write_text(containerd_configuration(layout, host))
    (layout.data / "kubelet.json").write_text(json.dumps(kubelet_configuration(layout, authority), indent=1))


def parts(program: Path, layout: Layout) -> list[Part]:
    """containerd, kubelet and kube-proxy in the order of their start."""
    containerd = Part(
        "containerd",
        ("containerd", f"--config={layout.data / 'containerd.toml'}"),
        Probe(socket_path=str(layout.containerd_socket)),
        stop_stage=STOP_RUNTIME,
        before_stop=(str(program), "remove-pods", f"unix://{layout.containerd_socket}"),
    )
    kubelet = Part(
        "kubelet",
        (
            str(program),
            "kubelet",
            f"--config={layout.data / 'kubelet.json'}",
            f"--kubeconfig={layout.pki / 'kubelet.kubeconfig'}",
            f"--root-dir={layout.kubelet}",
            f"--cert-dir={layout.kubelet / 'pki'}",
            f"--hostname-override={NODE_NAME}",
            f"--node-ip={NODE_ADDRESS}",
        ),
        Probe(url=f"http://{NODE_ADDRESS}:{_HEALTH_PORT}/healthz"),
        # Without containerd's socket the kubelet ends at once.
        needs=("containerd", "kube-apiserver"),
    )
    proxy = Part(
        "kube-proxy",
        (
            str(program),
            "kube-proxy",
            f"--kubeconfig={layout.pki / 'kube-proxy.kubeconfig'}",
            f"--hostname-override={NODE_NAME}",
            f"--cluster-cidr={POD_CIDR}",
            "--proxy-mode=iptables",
            # NodePorts answer on this machine only, not on the networks that it is in.
            f"--nodeport-addresses=127.0.0.0/8,{NODE_ADDRESS}/32",
            f"--healthz-bind-address={NODE_ADDRESS}:10256",
            f"--metrics-bind-address={NODE_ADDRESS}:10249",
            # Leave the machine's connection tracking as it is.
            "--conntrack-max-per-core=0",
            "--conntrack-tcp-timeout-established=0",
            "--conntrack-tcp-timeout-close-wait=0",
            "--oom-score-adj=0",
        ),
        Probe(url=f"http://{NODE_ADDRESS}:10249/healthz"),
        needs=("kube-apiserver",),
    )
    return [containerd, kubelet, proxy]


def network_configuration(layout: Layout) -> dict[str, Any]:
    """CNI: pods on one bridge, addresses counted on the node, host ports."""
    bridge = {
        "type": "bridge",
        "bridge": BRIDGE,
        "isGateway": True,
        "hairpinMode": True,
        "ipam": {
            "type": "host-local",
            "dataDir": str(layout.runtime / "addresses"),
            "ranges": [[{"subnet": POD_CIDR, "rangeStart": "198.18.0.10", "gateway": NODE_ADDRESS}]],
            "routes": [{"dst": "0.0.0.0/0"}],
        },
    }
    portmap = {"type": "portmap", "capabilities": {"portMappings": True}, "snat": True}
    return {"cniVersion": "0.4.0", "name": "marquee", "plugins": [bridge, portmap]}


def containerd_configuration(layout: Layout, host: Host) -> str:
    """TOML for containerd 1.6 and later; restrict_oom_score_adj: the machine may lack CAP_SYS_RESOURCE."""
    cri = 'plugins."io.containerd.grpc.v1.cri"'
    return f"""version = 2
root = "{layout.data / "containerd"}"
state = "{layout.runtime / "containerd"}"
disabled_plugins = ["io.containerd.internal.v1.opt", "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.devmapper"]
[grpc]
  address = "{layout.containerd_socket}"
[ttrpc]
  address = "{layout.containerd_socket}.ttrpc"
[{cri}]
  sandbox_image = "{PAUSE_IMAGE}"
  restrict_oom_score_adj = true
  tolerate_missing_hugetlb_controller = true
  [{cri}.cni]
    bin_dir = "{CNI_PROGRAMS}"
    conf_dir = "{layout.data / "cni"}"
  [{cri}.containerd]
    snapshotter = "{host.snapshotter}"
    default_runtime_name = "runc"
    [{cri}.containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [{cri}.containerd.runtimes.runc.options]
        SystemdCgroup = false
"""


def kubelet_configuration(layout: Layout, authority: Authority) -> dict[str, Any]:
    """KubeletConfiguration for a small machine that is not the cluster's alone."""
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": NODE_ADDRESS,
        "port": KUBELET_PORT,
        "healthzBindAddress": NODE_ADDRESS,
        "healthzPort": _HEALTH_PORT,
        "tlsCertFile": str(authority.certificate_file("kubelet")),
        "tlsPrivateKeyFile": str(authority.key_file("kubelet")),
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(authority.certificate)},
        },
        "authorization": {"mode": "Webhook"},
        "containerRuntimeEndpoint": f"unix://{layout.containerd_socket}",
        "clusterDNS": [DNS_SERVICE_ADDRESS],
        "clusterDomain": "cluster.local",
        "podLogsDir": str(layout.logs / "pods"),
        "volumePluginDir": str(layout.kubelet / "volume-plugins"),
        "containerLogMaxSize": "5Mi",
        "containerLogMaxFiles": 2,
        "cgroupDriver": "cgroupfs",
        "failCgroupV1": False,
        "failSwapOn": False,
        "enforceNodeAllocatable": [],
        "localStorageCapacityIsolation": False,
        "oomScoreAdj": 0,
        "serializeImagePulls": False,
        # The disk is the developer's, and images come from the local cache only: nothing is thrown away.
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
    }

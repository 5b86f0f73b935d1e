"""Command lines of the control plane's parts, as data."""

from pathlib import Path

from localcluster.certificates import Authority
from localcluster.parts import Part, Probe
from localcluster.paths import Layout
from localcluster.settings import NODE_ADDRESS, SERVICE_ACCOUNT_ISSUER, SERVICE_CIDR, Endpoints, Tuning

# Stages of stopping; the API server before etcd, or it hangs for a minute.
STOP_FIRST, STOP_RUNTIME, STOP_API, STOP_STORE = 0, 1, 2, 3


def etcd(program: Path, layout: Layout, endpoints: Endpoints) -> Part:
    """The store; it listens on loopback only, without authentication."""
    client = f"http://127.0.0.1:{endpoints.etcd_port}"
    peer = f"http://127.0.0.1:{endpoints.etcd_peer_port}"
    argv = [
        str(program),
        "etcd",
        "--name=marquee",
        f"--data-dir={layout.data / 'etcd'}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=marquee={peer}",
        # Survives the death of the process, not of the machine: right for a cluster that is thrown away.
        "--unsafe-no-fsync",
        "--log-level=warn",
    ]
    return Part("etcd", tuple(argv), Probe(url=f"{client}/readyz"), stop_stage=STOP_STORE)


def kube_apiserver(program: Path, layout: Layout, authority: Authority, endpoints: Endpoints, tuning: Tuning) -> Part:
    """The API server with RBAC and aggregation."""
    ca = authority.certificate
    argv = [
        str(program),
        "kube-apiserver",
        f"--etcd-servers=http://127.0.0.1:{endpoints.etcd_port}",
        f"--bind-address={endpoints.api_address}",
        f"--secure-port={endpoints.api_port}",
        f"--advertise-address={endpoints.api_address}",
        f"--service-cluster-ip-range={SERVICE_CIDR}",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--allow-privileged=true",
        "--profiling=false",
        f"--client-ca-file={ca}",
        *_pair("tls-cert-file", "tls-private-key-file", authority, "apiserver"),
        f"--service-account-issuer={SERVICE_ACCOUNT_ISSUER}",
        f"--service-account-key-file={authority.service_account_key()}",
        f"--service-account-signing-key-file={authority.service_account_key()}",
        *_pair("kubelet-client-certificate", "kubelet-client-key", authority, "apiserver-kubelet"),
        f"--kubelet-certificate-authority={ca}",
        "--kubelet-preferred-address-types=InternalIP",
        f"--requestheader-client-ca-file={ca}",
        # The same authority signs ordinary clients, so only this name may speak for others.
        "--requestheader-allowed-names=front-proxy",
        "--requestheader-username-headers=X-Remote-User",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        *_pair("proxy-client-cert-file", "proxy-client-key-file", authority, "front-proxy"),
        "--enable-aggregator-routing=true",
        *_endpoint_reconciler(endpoints),
        *(_audit(layout) if tuning.audit else []),
    ]
    probe = Probe(url=f"{endpoints.server}/readyz", ca_file=str(ca))
    # Its orderly end waits for open watches; nothing is lost without, etcd has every write.
    return Part("kube-apiserver", tuple(argv), probe, needs=("etcd",), stop_stage=STOP_API, grace_seconds=3.0)


def kube_controller_manager(
    program: Path, layout: Layout, authority: Authority, endpoints: Endpoints, tuning: Tuning
) -> Part:
    """All built-in controllers; one instance, so no leader election."""
    ca = authority.certificate
    argv = [
        str(program),
        "kube-controller-manager",
        *_component_kubeconfigs(layout, "controller-manager"),
        f"--secure-port={endpoints.controller_manager_port}",
        "--leader-elect=false",
        "--use-service-account-credentials=true",
        f"--service-account-private-key-file={authority.service_account_key()}",
        f"--root-ca-file={ca}",
        f"--cluster-signing-cert-file={ca}",
        f"--cluster-signing-key-file={authority.key}",
        "--horizontal-pod-autoscaler-sync-period=5s",
        *_client_limits(tuning),
    ]
    probe = Probe(url=f"https://127.0.0.1:{endpoints.controller_manager_port}/healthz")
    return Part("kube-controller-manager", tuple(argv), probe, needs=("kube-apiserver",))


def kube_scheduler(program: Path, layout: Layout, endpoints: Endpoints, tuning: Tuning) -> Part:
    """The scheduler; one instance, so no leader election."""
    argv = [
        str(program),
        "kube-scheduler",
        *_component_kubeconfigs(layout, "scheduler"),
        f"--secure-port={endpoints.scheduler_port}",
        "--leader-elect=false",
        *_client_limits(tuning),
    ]
    probe = Probe(url=f"https://127.0.0.1:{endpoints.scheduler_port}/healthz")
    return Part("kube-scheduler", tuple(argv), probe, needs=("kube-apiserver",))


def kwok(program: Path, layout: Layout, stage_files: list[Path], node_address: str) -> Part:
    """Simulated kubelets for the nodes annotated kwok.x-k8s.io/node=fake."""
    argv = [
        str(program),
        f"--kubeconfig={layout.kubeconfig}",
        f"--stages={','.join(map(str, stage_files))}",
        f"--node-ip={node_address}",
    ]
    return Part("kwok", tuple(argv), needs=("kube-apiserver",))


def component_kubeconfig(layout: Layout, name: str) -> Path:
    """Kubeconfig of one part."""
    return layout.pki / f"{name}.kubeconfig"


def _pair(certificate_flag: str, key_flag: str, authority: Authority, name: str) -> list[str]:
    return [
        f"--{certificate_flag}={authority.certificate_file(name)}",
        f"--{key_flag}={authority.key_file(name)}",
    ]


def _component_kubeconfigs(layout: Layout, name: str) -> list[str]:
    file = component_kubeconfig(layout, name)
    flags = [f"--{flag}={file}" for flag in ("kubeconfig", "authentication-kubeconfig", "authorization-kubeconfig")]
    return [*flags, "--bind-address=127.0.0.1", "--profiling=false"]


def _client_limits(tuning: Tuning) -> list[str]:
    rate = tuning.controller_requests_per_second
    return [f"--kube-api-qps={rate}", f"--kube-api-burst={2 * rate}"]


def _endpoint_reconciler(endpoints: Endpoints) -> list[str]:
    # A loopback address is no valid endpoint of the Service `kubernetes`; no pod could use it anyway.
    return [] if endpoints.api_address == NODE_ADDRESS else ["--endpoint-reconciler-type=none"]


def _audit(layout: Layout) -> list[str]:
    return [
        f"--audit-policy-file={layout.data / 'audit-policy.json'}",
        f"--audit-log-path={layout.logs / 'audit.jsonl'}",
        "--audit-log-maxsize=100",
        "--audit-log-maxbackup=1",
    ]

"""A throw-away control plane for tests and benchmarks: etcd and API server, on request the controllers.

Everything runs on free loopback ports with its own data below one folder, so any number of them can
run side by side, without root. Nothing outlives the process that made it, even when that is killed.
"""

import json
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from localcluster import components, kubectl, machine, packages, preflight, simulation, supervision
from localcluster.certificates import Authority, Subject, write_kubeconfig
from localcluster.parts import Part, read_state
from localcluster.paths import Layout, cache_root
from localcluster.ports import PortLocks
from localcluster.processes import cpu_seconds
from localcluster.settings import API_SERVICE_ADDRESS, NODE_ADDRESS, Endpoints, Tuning
from localcluster.simulation import Simulation
from localcluster.stages import Stages
from localcluster.toolchain import ensure_binaries

_START_TIMEOUT_SECONDS = 90.0
_AUDIT_POLICY = {"apiVersion": "audit.k8s.io/v1", "kind": "Policy", "rules": [{"level": "Metadata"}]}


def issue_identities(layout: Layout, endpoints: Endpoints) -> Authority:
    """Certificates and kubeconfigs of the control plane; what exists is kept."""
    authority = Authority(layout.pki)
    names = ("kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local")
    serving = Subject(
        "apiserver",
        "kube-apiserver",
        addresses=("127.0.0.1", NODE_ADDRESS, API_SERVICE_ADDRESS),
        dns_names=("localhost", *names),
    )
    clients = [
        Subject("admin", "admin", group="system:masters"),
        Subject("controller-manager", "system:kube-controller-manager"),
        Subject("scheduler", "system:kube-scheduler"),
        Subject("apiserver-kubelet", "apiserver-kubelet", group="system:masters"),
        Subject("front-proxy", "front-proxy"),
    ]
    for subject in (serving, *clients):
        authority.issue(subject)
    authority.service_account_key()
    write_kubeconfig(layout.kubeconfig, authority, server=endpoints.server, user="admin")
    for name in ("controller-manager", "scheduler"):
        file = components.component_kubeconfig(layout, name)
        write_kubeconfig(file, authority, server=endpoints.server, user=name)
    (layout.data / "audit-policy.json").write_text(json.dumps(_AUDIT_POLICY))
    return authority


def control_plane_parts(
    program: Path,
    layout: Layout,
    authority: Authority,
    endpoints: Endpoints,
    tuning: Tuning,
    *,
    controllers: bool,
) -> list[Part]:
    """The store and the API server, with `controllers` the controller manager and the scheduler too."""
    parts = [
        components.etcd(program, layout, endpoints),
        components.kube_apiserver(program, layout, authority, endpoints, tuning),
    ]
    if controllers:
        parts += [
            components.kube_controller_manager(program, layout, authority, endpoints, tuning),
            components.kube_scheduler(program, layout, endpoints, tuning),
        ]
    return parts


class ControlPlane:
    """etcd + kube-apiserver, optionally with controllers and simulated nodes; a context manager.

    `kwok` implies `controllers`. `kwok_pod_ip` gives every simulated pod the same address, where a
    stub server of the caller's answers. `kwok_stages` are files with further kwok Stage objects.
    """

    def __init__(
        self,
        workdir: Path,
        *,
        controllers: bool = False,
        kwok: bool = False,
        kwok_pod_ip: str | None = None,
        kwok_stages: Sequence[Path] = (),
        kwok_nodes: int = 12,
        kwok_taint: bool = False,
        audit: bool = False,
    ) -> None:
        self.layout = Layout(workdir.resolve())
        self._controllers = controllers or kwok
        extra = tuple(path.resolve() for path in kwok_stages)
        self._simulation = (
            Simulation(nodes=kwok_nodes, pod_address=kwok_pod_ip, tainted=kwok_taint, extra_stages=extra)
            if kwok
            else None
        )
        # Simulated load is written as fast as the API server takes it.
        self._tuning = Tuning(controller_requests_per_second=1000 if kwok else 100, audit=audit)
        self._ports = PortLocks(cache_root() / "ports")
        self._process: subprocess.Popen[bytes] | None = None
        self._kubectl_program = Path()
        self.server = ""

    @property
    def kubeconfig(self) -> Path:
        """Kubeconfig of a cluster administrator."""
        return self.layout.kubeconfig

    @property
    def ca_file(self) -> Path:
        """Certificate of the authority that signed the server's."""
        return self.layout.pki / "ca.crt"

    @property
    def client_cert_file(self) -> Path:
        """The administrator's certificate."""
        return self.layout.pki / "admin.crt"

    @property
    def client_key_file(self) -> Path:
        """The administrator's key."""
        return self.layout.pki / "admin.key"

    @property
    def audit_log(self) -> Path:
        """With `audit`: one JSON line a request."""
        return self.layout.logs / "audit.jsonl"

    @property
    def logs(self) -> Path:
        """Folder of the parts' logs."""
        return self.layout.logs

    def start(self) -> Self:
        """Start everything and wait until it is ready; a failure leaves nothing running."""
        preflight.require(preflight.api_problems(machine.inspect_api(self.layout)))
        packages.ensure(packages.API, Stages())
        program = ensure_binaries(Stages()) / "kubernetes"
        self._kubectl_program = program
        endpoints = Endpoints("127.0.0.1", *(self._ports.take() for _ in range(5)))
        self.server = endpoints.server
        self.layout.data.mkdir(parents=True, exist_ok=True)
        authority = issue_identities(self.layout, endpoints)
        parts = control_plane_parts(
            program, self.layout, authority, endpoints, self._tuning, controllers=self._controllers
        )
        if self._simulation is not None:
            parts.append(self._kwok_part(program.with_name("kwok"), self._simulation))
        self._process = supervision.launch(self.layout, parts, die_with_owner=True)
        try:
            supervision.wait_until_ready(self.layout, self._process, timeout_seconds=_START_TIMEOUT_SECONDS)
            if self._simulation is not None:
                self.kubectl("create", "-f", "-", input=json.dumps(simulation.nodes(self._simulation)))
                self.kubectl("wait", "node", "--all", "--for=condition=Ready", "--timeout=30s")
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Stop everything; the data stay in the working folder until it is removed."""
        if self._process is not None:
            assert self._process.stdin is not None  # noqa: S101 - it is a pipe
            self._process.stdin.close()
            self._process.wait()
            self._process = None
        self._ports.close()

    def remove(self) -> None:
        """Stop and delete the data."""
        self.stop()
        shutil.rmtree(self.layout.data, ignore_errors=True)

    def cpu_seconds(self, part: str) -> float:
        """CPU time that a part, such as `kube-apiserver`, has used so far, restarts included."""
        state = read_state(self.layout.state)
        if state is None or part not in state.parts:
            raise KeyError(f"{part} is no running part; there are {sorted(state.parts) if state else 'none'}")
        known = state.parts[part]
        return known.past_cpu_seconds + (cpu_seconds(known.identity) if known.identity else 0.0)

    def kubectl(self, *args: str, input: str | None = None) -> str:  # noqa: A002 - subprocess's own name
        """Run kubectl as administrator and return what it prints."""
        return kubectl.run(self._kubectl_program, self.kubeconfig, args, input=input)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _kwok_part(self, program: Path, wanted: Simulation) -> Part:
        built_in = self.layout.data / "stages.yaml"
        simulation.write_stages(built_in, wanted.pod_address)
        return components.kwok(program, self.layout, [built_in, *wanted.extra_stages], "127.0.0.1")

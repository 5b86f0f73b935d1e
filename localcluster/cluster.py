"""The one shared local cluster: bring it up, use it, take it down."""

import fcntl
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, Self

from localcluster import (
    addons,
    apiclient,
    controlplane,
    dns,
    gateway,
    keda,
    kubectl,
    machine,
    network,
    node,
    packages,
    preflight,
    supervision,
    teardown,
    trainer,
)
from localcluster.errors import StartFailed
from localcluster.gateway import Gateway
from localcluster.paths import Layout, shared_layout
from localcluster.ports import PortLocks
from localcluster.runtime import Runtime
from localcluster.settings import API_PORT, DNS_SERVICE_ADDRESS, NODE_ADDRESS, NODE_NAME, Endpoints, Tuning
from localcluster.stages import Stages
from localcluster.toolchain import cached_binaries, ensure_binaries
from localcluster.waiting import wait_until

Profile = Literal["full", "api"]

_START_TIMEOUT_SECONDS = 120.0
_NODE_TIMEOUT_SECONDS = 90.0
_RECOVERY_SECONDS = 30.0
_CONTROL_PLANE = {"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"}


@dataclass(frozen=True)
class Running:
    """What the last `up` started."""

    profile: Profile
    programs: str
    """Folder of the Go programs."""
    audit: bool = False


class Cluster:
    """A handle on the shared cluster; get one by `attach` or `up`."""

    def __init__(self, layout: Layout | None = None) -> None:
        self.layout = layout or shared_layout()

    @classmethod
    def attach(cls) -> Self:
        """The cluster that is up; raises with what to do when it is not."""
        cluster = cls()
        if supervision.running_supervisor(cluster.layout) is None:
            raise StartFailed("the local cluster is not up", fix="python3 -m localcluster up")
        return cluster

    @classmethod
    def up(cls, *, profile: Profile = "full", stages: Stages | None = None, audit: bool = False) -> Self:
        """Bring the cluster up; returns soon when it is up already."""
        cluster = cls()
        stages = stages or Stages()
        with cluster.lock():
            cluster._up(profile, stages, audit=audit)
        return cluster

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.layout.kubeconfig

    @property
    def running(self) -> Running | None:
        """What was started last; None before the first `up`."""
        file = self.layout.data / "cluster.json"
        return Running(**json.loads(file.read_text())) if file.exists() else None

    def kubectl(self, *args: str, input: str | None = None) -> str:  # noqa: A002 - subprocess's own name
        """Run kubectl as administrator and return what it prints."""
        return kubectl.run(self.program, self.kubeconfig, args, input=input)

    @property
    def program(self) -> Path:
        """The program that is kubectl and all components."""
        running = self.running
        if running is None:
            raise StartFailed("the local cluster was never up", fix="python3 -m localcluster up")
        return Path(running.programs) / "kubernetes"

    def load_image(self, name: str) -> bool:
        """Hand an image that was built here to the node; False when it has the same already."""
        from localcluster import images

        return images.load(name, layout=self.layout)

    def wait_for_metrics(self, *, timeout_seconds: float = 60.0) -> None:
        """Wait until the node's CPU and memory are known; a first sample takes about 30 s."""

        def known() -> bool:
            return bool(apiclient.get(self.layout, "/apis/metrics.k8s.io/v1beta1/nodes")["items"])

        wait_until("metrics of the node", known, timeout_seconds)

    def gateway(self, stages: Stages | None = None) -> Gateway:
        """The Gateway that routes of every namespace may attach to; built and installed on first use.

        Raises:
            StartFailed: no cluster with a node is up, or the Gateway does not answer.

        """
        stages = stages or Stages()
        programs = gateway.ensure_programs(stages)
        with self.lock():
            if not self.layout.containerd_socket.exists():
                raise StartFailed("the local cluster has no node that runs", fix="python3 -m localcluster up")
            return gateway.install(self.layout, self.kubectl, programs, stages)

    def keda(self, stages: Stages | None = None) -> None:
        """KEDA for the whole cluster; built and installed on first use.

        Raises:
            StartFailed: no cluster with a node is up, or autoscalers cannot read its metrics.

        """
        stages = stages or Stages()
        programs = keda.ensure_programs(stages)
        with self.lock():
            if not self.layout.containerd_socket.exists():
                raise StartFailed("the local cluster has no node that runs", fix="python3 -m localcluster up")
            keda.install(self.layout, self.kubectl, programs, stages)

    def trainer(self, stages: Stages | None = None) -> None:
        """Kubeflow Trainer with JobSet for the whole cluster; built and installed on first use.

        Raises:
            StartFailed: no cluster with a node is up, or TrainJobs are not taken.

        """
        stages = stages or Stages()
        programs = trainer.ensure_programs(stages)
        with self.lock():
            if not self.layout.containerd_socket.exists():
                raise StartFailed("the local cluster has no node that runs", fix="python3 -m localcluster up")
            trainer.install(self.layout, self.kubectl, programs, stages)

    def down(self, stages: Stages) -> bool:
        """Stop everything; False when nothing was running."""
        with self.lock():
            return teardown.take_down(self.layout, stages)

    def reset(self, stages: Stages) -> None:
        """Stop everything and delete the cluster's data; built programs and images stay cached."""
        self.down(stages)
        shutil.rmtree(self.layout.data, ignore_errors=True)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """One `up`, `down` or `reset` at a time."""
        self.layout.data.parent.mkdir(parents=True, exist_ok=True)
        with (self.layout.data.parent / "cluster.lock").open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _up(self, profile: Profile, stages: Stages, *, audit: bool) -> None:
        if self._is_enough(profile, audit=audit):
            stages.say("cluster: up already")
            self._wait_until_usable(stages, since=None)
            return
        facts = (machine.inspect_full if profile == "full" else machine.inspect_api)(self.layout)
        preflight.require((preflight.full_problems if profile == "full" else preflight.api_problems)(facts))
        stages.say("preflight: this machine can run the cluster")
        packages.ensure((*packages.API, *(packages.NODE if profile == "full" else ())), stages)
        programs = ensure_binaries(stages)
        stages.say("binaries: ready")
        if supervision.stop(self.layout, keep_pods=True):
            stages.say("parts of an earlier start: stopped")
        started = datetime.now(UTC).replace(microsecond=0)
        try:
            self._start(profile, programs, stages, audit=audit)
            if profile == "full":
                addons.apply(self.kubectl, programs)
                stages.say("add-ons: applied")
            self._wait_until_usable(stages, since=started)
        except BaseException:
            stages.say("start failed: taking down what runs; the logs stay")
            teardown.take_down(self.layout, stages)
            raise

    def _is_enough(self, profile: Profile, *, audit: bool) -> bool:
        running = self.running
        return (
            running is not None
            and running.profile in (profile, "full")
            and (running.audit or not audit)
            and running.programs == str(cached_binaries())
            and supervision.recovers(self.layout, timeout_seconds=_RECOVERY_SECONDS)
        )

    def _start(self, profile: Profile, programs: Path, stages: Stages, *, audit: bool) -> None:
        self.layout.data.mkdir(parents=True, exist_ok=True)
        endpoints, ports = self._endpoints(profile)
        program = programs / "kubernetes"
        authority = controlplane.issue_identities(self.layout, endpoints)
        parts = controlplane.control_plane_parts(
            program, self.layout, authority, endpoints, Tuning(audit=audit), controllers=True
        )
        if profile == "full":
            network.up(self.layout)
            node.issue_identities(self.layout, authority, endpoints)
            node.write_configuration(self.layout, authority, node.Host(machine.snapshotter(self.layout)))
            stages.say("network: bridge ready")
            parts += node.parts(program, self.layout)
        running = Running(profile, str(programs), audit)
        (self.layout.data / "cluster.json").write_text(json.dumps(asdict(running)))
        process = supervision.launch(self.layout, parts)
        ready: set[str] = set()

        def on_ready(name: str) -> None:
            ready.add(name)
            if name == "containerd":
                images = addons.images(programs)
                loaded = addons.load_images(Runtime(self.layout), images, machine.snapshotter(self.layout))
                stages.say(f"containerd: ready, {len(loaded)} add-on images loaded")
            elif name not in _CONTROL_PLANE:
                stages.say(f"{name}: ready")
            elif ready >= _CONTROL_PLANE:
                stages.say(f"control plane: ready at {endpoints.server}")

        supervision.wait_until_ready(self.layout, process, timeout_seconds=_START_TIMEOUT_SECONDS, on_ready=on_ready)
        supervision.detach(process)
        ports.close()

    def _endpoints(self, profile: Profile) -> tuple[Endpoints, PortLocks]:
        ports = PortLocks(self.layout.data.parent / "ports")
        if profile == "full":
            # The address is the bridge's own, so its port is nobody else's.
            return Endpoints(NODE_ADDRESS, API_PORT, *(ports.take() for _ in range(4))), ports
        file = self.layout.data / "api-port"
        port = ports.take(preferred=int(file.read_text()) if file.exists() else None)
        file.write_text(str(port))
        return Endpoints("127.0.0.1", port, *(ports.take() for _ in range(4))), ports

    def _wait_until_usable(self, stages: Stages, *, since: datetime | None) -> None:
        running = self.running
        if running is None or running.profile != "full":
            return
        wait_until("the node", lambda: self._node_is_ready(since), _NODE_TIMEOUT_SECONDS)
        stages.say("node: Ready")
        name = "kubernetes.default.svc.cluster.local"
        wait_until("cluster DNS", lambda: dns.answers(DNS_SERVICE_ADDRESS, name), _NODE_TIMEOUT_SECONDS)
        stages.say("cluster DNS: answers")

    def _node_is_ready(self, since: datetime | None) -> bool:
        node_object = apiclient.get(self.layout, f"/api/v1/nodes/{NODE_NAME}")
        ready = next(item for item in node_object["status"]["conditions"] if item["type"] == "Ready")
        # The store remembers a Ready from the last time; only a sign of life since then is news.
        is_news = since is None or datetime.fromisoformat(ready["lastHeartbeatTime"]) >= since
        return bool(ready["status"] == "True" and is_news)

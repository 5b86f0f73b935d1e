"""Says before anything is changed where the cluster cannot run: what, why, what to do."""

from collections.abc import Iterator
from dataclasses import dataclass

from localcluster.errors import CannotRunHere
from localcluster.machine import Machine
from localcluster.settings import BRIDGE

_ARCHITECTURES = ("x86_64", "aarch64")
_CONTROLLERS = frozenset({"cpu", "memory", "pids", "cpuset"})
_API_DISK_BYTES = 2 * 10**9
_FULL_DISK_BYTES = 6 * 10**9
_FULL_MEMORY_BYTES = 3 * 10**9
_OTHER_CLUSTER = "set KUBECONFIG to that cluster and use it instead, or use a machine of its own"


@dataclass(frozen=True)
class Problem:
    """One thing that stands against running here."""

    what: str
    why: str
    fix: str


def api_problems(machine: Machine) -> list[Problem]:
    """What stands against a bare control plane."""
    return list(_common(machine, _API_DISK_BYTES))


def full_problems(machine: Machine) -> list[Problem]:
    """What stands against the whole cluster."""
    return [*_common(machine, _FULL_DISK_BYTES), *_privileges(machine), *_neighbours(machine)]


def require(problems: list[Problem]) -> None:
    """Raise when there are problems, all of them in one message; nothing was changed so far."""
    if not problems:
        return
    told = "\n".join(f"- {p.what}\n    why: {p.why}\n    what to do: {p.fix}" for p in problems)
    raise CannotRunHere(f"the local cluster cannot run here; nothing was changed:\n{told}")


def _common(machine: Machine, disk_bytes: int) -> Iterator[Problem]:
    if machine.system != "Linux" or machine.architecture not in _ARCHITECTURES:
        yield Problem(
            f"this is {machine.system} on {machine.architecture}",
            "Kubernetes nodes run on Linux; the programs are built for x86_64 and aarch64",
            "use a Linux machine or virtual machine, or set KUBECONFIG to another cluster",
        )
    if not machine.can_build:
        yield Problem(
            "no Kubernetes programs and no Go to build them with",
            "`go` is not on PATH and no earlier build is cached",
            "install Go 1.21 or later (https://go.dev/dl), then try again",
        )
    if machine.missing_packages and not machine.can_install_packages:
        names = " ".join(machine.missing_packages)
        yield Problem(
            f"programs are missing: {names}",
            "they come as Debian packages, which only root can install, with apt-get",
            f"as root: apt-get install {names}; on other distributions the packages of the same purpose",
        )
    if machine.free_disk_bytes < disk_bytes:
        yield Problem(
            f"only {machine.free_disk_bytes / 1e9:.1f} GB of disk are free for the cluster's data",
            f"it needs {disk_bytes / 1e9:.0f} GB",
            "free some, or set MARQUEE_CACHE to a folder on a larger disk",
        )


def _privileges(machine: Machine) -> Iterator[Problem]:
    if machine.system != "Linux":
        return
    if not machine.is_root:
        yield Problem(
            "not root",
            "a node makes network interfaces, mounts and control groups",
            "run as root, or use `--profile api`, which needs no root but runs no pods",
        )
    lacking = sorted(_CONTROLLERS - machine.cgroup_controllers)
    if lacking:
        yield Problem(
            f"no control group controller for {', '.join(lacking)}",
            "the kubelet limits pods with them and does not start without",
            "mount them below /sys/fs/cgroup; in a container run it privileged with its own cgroup namespace",
        )
    if not machine.can_make_bridge:
        yield Problem(
            "this process cannot make a network bridge",
            "the kernel has no bridge device, or the container has no CAP_NET_ADMIN",
            "load the module (modprobe bridge), or run the container privileged",
        )
    if not machine.can_mount:
        yield Problem(
            "this process cannot mount file systems",
            "the container has no CAP_SYS_ADMIN",
            "run the container privileged",
        )
    if machine.memory_bytes < _FULL_MEMORY_BYTES:
        yield Problem(
            f"only {machine.memory_bytes / 1e9:.1f} GB of memory",
            "the cluster's own parts take about 1 GB, models come on top",
            f"use a machine with {_FULL_MEMORY_BYTES / 1e9:.0f} GB or more",
        )


def _neighbours(machine: Machine) -> Iterator[Problem]:
    if machine.foreign_bridge:
        yield Problem(
            f"a network device {BRIDGE} exists that this cluster did not make",
            "another local cluster with another MARQUEE_CACHE may be running, or was not taken down",
            f"take that one down; if there is none: ip link delete {BRIDGE}",
        )
    elif machine.foreign_kubernetes:
        yield Problem(
            "another Kubernetes runs on this machine",
            "its kube-proxy keeps KUBE-SERVICES rules in iptables; two of them overwrite each other",
            _OTHER_CLUSTER,
        )
    if machine.foreign_route and not machine.foreign_bridge:
        yield Problem(
            f"addresses of 198.18.0.0/15 are in use: {machine.foreign_route}",
            "the cluster's pods and services would take them over",
            "remove that route, or use another machine",
        )

"""What this machine is and has, read without changing anything."""

import os
import platform
import shutil
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

from localcluster import iptables, network, packages
from localcluster.commands import run
from localcluster.errors import CommandFailed
from localcluster.gobuild import go_program
from localcluster.paths import Layout
from localcluster.toolchain import cached_binaries

OVERLAY_CANNOT_LIE_ON = ("overlay", "aufs", "fuse.fuse-overlayfs")


@dataclass(frozen=True)
class Machine:
    """Facts that decide whether the cluster can run here."""

    system: str
    architecture: str
    is_root: bool
    can_build: bool
    """Go is installed or the programs are built already."""
    missing_packages: tuple[str, ...]
    can_install_packages: bool
    free_disk_bytes: int
    memory_bytes: int
    cgroup_controllers: frozenset[str] = frozenset()
    can_make_bridge: bool = True
    can_mount: bool = True
    foreign_bridge: bool = False
    foreign_kubernetes: bool = False
    foreign_route: str = ""


def inspect_api(layout: Layout) -> Machine:
    """Facts that a bare control plane depends on."""
    existing = next(folder for folder in (layout.data, *layout.data.parents) if folder.exists())
    return Machine(
        system=platform.system(),
        architecture=platform.machine(),
        is_root=os.geteuid() == 0,
        can_build=go_program() is not None or cached_binaries() is not None,
        missing_packages=tuple(packages.missing(packages.API)),
        can_install_packages=packages.installable(),
        free_disk_bytes=shutil.disk_usage(existing).free,
        memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
    )


def inspect_full(layout: Layout) -> Machine:
    """Facts that the whole cluster depends on."""
    machine = inspect_api(layout)
    ours = network.remembers(layout)
    return replace(
        machine,
        missing_packages=tuple(packages.missing((*packages.API, *packages.NODE))),
        cgroup_controllers=cgroup_controllers(
            Path("/proc/self/mountinfo").read_text(), _text(Path("/sys/fs/cgroup/cgroup.controllers"))
        ),
        # In a namespace of their own, so nothing of the machine changes.
        can_make_bridge=not machine.is_root or _succeeds("unshare --net ip link add probe type bridge"),
        can_mount=not machine.is_root or _succeeds("unshare --mount mount -t tmpfs probe /mnt"),
        foreign_bridge=network.bridge_exists() and not ours,
        foreign_kubernetes=machine.is_root and not ours and iptables.foreign_kubernetes(iptables.save("iptables")),
        foreign_route="" if ours else _route_to_benchmark_range(),
    )


def cgroup_controllers(mountinfo: str, unified: str) -> frozenset[str]:
    """Controllers that are mounted: of version 1 by their mounts, of version 2 by its own list."""
    found = set(unified.split())
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        kind, _, options = after.split()[:3]
        if kind == "cgroup" and before.split()[4].startswith("/sys/fs/cgroup/"):
            found.update(options.split(","))
    return frozenset(found)


def snapshotter(layout: Layout) -> str:
    """How containerd stores images: an overlay, unless the data folder lies on one."""
    kind = filesystem_of(layout.data, Path("/proc/self/mountinfo").read_text())
    return "native" if kind in OVERLAY_CANNOT_LIE_ON else "overlayfs"


def filesystem_of(path: Path, mountinfo: str) -> str:
    """Type of the file system that a path lies on."""
    best, kind = "", ""
    for line in mountinfo.splitlines():
        before, _, after = line.partition(" - ")
        mount_point = before.split()[4]
        if path.is_relative_to(mount_point) and len(mount_point) >= len(best):
            best, kind = mount_point, after.split()[0]
    return kind


def _route_to_benchmark_range() -> str:
    try:
        return run(["ip", "route", "show", "to", "root", "198.18.0.0/15"]).strip()
    except CommandFailed:
        return ""


def _succeeds(command: str) -> bool:
    words = command.split()
    # Without the program its package is missing, and is reported as such.
    return shutil.which(words[0]) is None or subprocess.run(words, capture_output=True, check=False).returncode == 0


def _text(path: Path) -> str:
    return path.read_text() if path.exists() else ""

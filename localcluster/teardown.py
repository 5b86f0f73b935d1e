"""Ending a full cluster so that nothing is left, also after a crash.

Order matters: kubelet before pods (it would start them again), pods through containerd's own
interface (it frees addresses, namespaces and mounts), API server before etcd. What a crash left is
then taken away by hand.
"""

import contextlib
import shutil
import signal
from pathlib import Path

from localcluster import network, supervision
from localcluster.commands import run
from localcluster.errors import CommandFailed, StartFailed
from localcluster.parts import Part, read_spec
from localcluster.paths import Layout
from localcluster.processes import Identity, identify, send, terminate, wait_gone
from localcluster.stages import Stages

_NODE_PARTS = ("containerd",)


def take_down(layout: Layout, stages: Stages) -> bool:
    """Stop everything that this layout started; False when nothing was there."""
    was_running = supervision.stop(layout)
    if was_running:
        stages.say("parts: stopped")
    node_was_up = network.remembers(layout) or layout.runtime.exists()
    if shims(layout) and (layout.data / "containerd.toml").exists():
        stages.say("pods: left by an unclean end, removing them")
        _remove_pods_of_dead_runtime(layout)
    for shim in shims(layout):
        send(shim, signal.SIGKILL)
    wait_gone(shims(layout), 5.0)
    unmount_below(layout.data, layout.runtime)
    if node_was_up:
        network.down(layout)
        _remove_leftovers(layout)
        stages.say("node: network, mounts and control groups removed")
    return was_running or node_was_up


def shims(layout: Layout) -> list[Identity]:
    """containerd's helper processes, one a pod, that belong to this cluster's containerd."""
    marker = f"-address\0{layout.containerd_socket}\0".encode()
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):
                words = (folder / "cmdline").read_bytes()
                if marker in words and b"containerd-shim" in words.split(b"\0")[0]:
                    found.append(identify(int(folder.name)))
    return [identity for identity in found if identity is not None]


def unmount_below(*folders: Path) -> None:
    """Unmount everything below the folders, the deepest first."""
    points = mount_points(Path("/proc/self/mountinfo").read_text())
    for point in sorted(points, reverse=True):
        if any(Path(point).is_relative_to(folder) for folder in folders):
            with contextlib.suppress(CommandFailed):
                run(["umount", "--lazy", point])


def mount_points(mountinfo: str) -> list[str]:
    """Paths of all mounts; the kernel writes blanks in them as octal escapes."""
    return [line.split()[4].replace("\\040", " ") for line in mountinfo.splitlines()]


def _remove_pods_of_dead_runtime(layout: Layout) -> None:
    runtime_parts = [
        Part(part.name, part.argv, part.ready, stop_stage=part.stop_stage, before_stop=part.before_stop)
        for part in read_spec(layout.spec)
        if part.name in _NODE_PARTS
    ]
    process = supervision.launch(layout, runtime_parts)
    with contextlib.suppress(StartFailed):
        supervision.wait_until_ready(layout, process, timeout_seconds=20)
    # Its orderly end removes the pods first.
    identity = identify(process.pid)
    terminate([identity] if identity else [], grace_seconds=90)
    process.wait()


def _remove_leftovers(layout: Layout) -> None:
    shutil.rmtree(layout.runtime, ignore_errors=True)
    for result in Path("/var/lib/cni/results").glob("marquee-*"):
        result.unlink(missing_ok=True)
    for link in Path("/var/log/containers").glob("*.log"):
        if link.is_symlink() and link.readlink().is_relative_to(layout.data):
            link.unlink()
    for controller in (Path("/sys/fs/cgroup"), *Path("/sys/fs/cgroup").iterdir()):
        _remove_control_groups(controller / "kubepods")


def _remove_control_groups(group: Path) -> None:
    """Remove an empty tree; the kernel refuses to remove a group that has processes."""
    if group.is_dir():
        for child in group.iterdir():
            if child.is_dir():
                _remove_control_groups(child)
        with contextlib.suppress(OSError):
            group.rmdir()

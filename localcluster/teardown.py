"""Ending a full cluster so that nothing is left, also after a crash.

Order matters: kubelet before pods (it would start them again), pods through containerd's own
interface (it frees addresses, namespaces and mounts), API server before etcd. What a crash left is
then taken away by hand.
"""

import contextlib
import shutil
import signal
from pathlib import Path

from localcluster import builder, network, supervision
from localcluster.errors import StartFailed
from localcluster.mounts import unmount_below
from localcluster.parts import Probe, read_spec
from localcluster.paths import Layout
from localcluster.probes import is_ready
from localcluster.processes import Identity, identify, send, terminate, wait_gone
from localcluster.stages import Stages

# Made by the kubelet and the network plugins, whatever folder they are given.
_SHARED_FOLDERS = (
    "/var/lib/kubelet/device-plugins",
    "/var/lib/kubelet",
    "/var/lib/cni/results",
    "/var/lib/cni",
    "/var/log/containers",
)


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
    builder.release()
    if node_was_up:
        network.down(layout)
        _remove_leftovers(layout)
        stages.say("node: network, mounts and control groups removed")
    return was_running or node_was_up


def shims(layout: Layout) -> list[Identity]:
    """Helper processes of containerd, one a pod, that belong to this cluster's containerd."""
    marker = f"-address\0{layout.containerd_socket}\0".encode()
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):
                words = (folder / "cmdline").read_bytes()
                if marker in words and b"containerd-shim" in words.split(b"\0")[0]:
                    found.append(identify(int(folder.name)))
    return [identity for identity in found if identity is not None]


def _remove_pods_of_dead_runtime(layout: Layout) -> None:
    runtime_parts = [part for part in read_spec(layout.spec) if part.name == "containerd"]
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
    _remove_dead_socket(Path("/var/lib/kubelet/device-plugins/kubelet.sock"))
    for folder in _SHARED_FOLDERS:
        with contextlib.suppress(OSError):
            # Kept when something of another's is in it.
            Path(folder).rmdir()
    for controller in (Path("/sys/fs/cgroup"), *Path("/sys/fs/cgroup").iterdir()):
        _remove_control_groups(controller / "kubepods")


def _remove_dead_socket(path: Path) -> None:
    """Remove a socket that nobody listens on."""
    if path.is_socket() and not is_ready(Probe(socket_path=str(path))):
        path.unlink()


def _remove_control_groups(group: Path) -> None:
    """Remove an empty tree; the kernel refuses to remove a group that has processes."""
    if group.is_dir():
        for child in group.iterdir():
            if child.is_dir():
                _remove_control_groups(child)
        with contextlib.suppress(OSError):
            group.rmdir()

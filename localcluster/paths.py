"""Where the local cluster keeps its files: all of them outside the checkout."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent


def cache_root() -> Path:
    """Folder of everything that survives a checkout: `$MARQUEE_CACHE`, else `~/.cache/marquee`."""
    configured = os.environ.get("MARQUEE_CACHE")
    return Path(configured).expanduser().resolve() if configured else Path.home() / ".cache" / "marquee"


@dataclass(frozen=True)
class Layout:
    """The files of one cluster or control plane, all below one data folder."""

    data: Path

    @property
    def pki(self) -> Path:
        """Certificates and keys."""
        return self.data / "pki"

    @property
    def logs(self) -> Path:
        """One size-bounded log file per part."""
        return self.data / "logs"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.data / "kubeconfig"

    @property
    def state(self) -> Path:
        """What the supervisor runs at the moment: pids, start times, restarts."""
        return self.data / "supervisor.json"

    @property
    def spec(self) -> Path:
        """What the supervisor shall run."""
        return self.data / "parts.json"

    @property
    def runtime(self) -> Path:
        """Sockets and container state; under /run because socket paths are limited to 107 bytes."""
        return Path("/run") / f"marquee-{hashlib.sha256(str(self.data).encode()).hexdigest()[:8]}"

    @property
    def containerd_socket(self) -> Path:
        """The cluster's own containerd."""
        return self.runtime / "containerd.sock"

    @property
    def kubelet(self) -> Path:
        """Pod volumes and the kubelet's own state."""
        return self.data / "kubelet"


def shared_layout() -> Layout:
    """Layout of the one shared cluster of this user."""
    return Layout(cache_root() / "cluster")

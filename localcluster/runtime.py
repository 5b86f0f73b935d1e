"""The cluster's containerd: its store of images, and its containers."""

from dataclasses import dataclass
from pathlib import Path

from localcluster.commands import run
from localcluster.paths import Layout

_NAMESPACE = "k8s.io"


@dataclass(frozen=True)
class Runtime:
    """Commands to the containerd of one cluster."""

    layout: Layout

    def images(self) -> dict[str, str]:
        """Digest of each image's manifest, by name."""
        lines = self._ctr("images", "list").splitlines()[1:]
        return {words[0]: words[2] for line in lines if len(words := line.split()) > 2}

    def blobs(self) -> frozenset[str]:
        """Digests of all stored contents."""
        return frozenset(self._ctr("content", "list", "--quiet").split())

    def import_archive(self, archive: Path, *, snapshotter: str) -> None:
        """Add the images of an OCI or docker archive and unpack them."""
        self._ctr("images", "import", "--snapshotter", snapshotter, archive)

    def remove(self, names: list[str]) -> None:
        """Forget images; containers that run from them go on."""
        if names:
            self._ctr("images", "remove", *names)

    def kill(self, container: str) -> None:
        """End a container's processes by SIGKILL, as from inside nobody can: the first one there ignores it.

        Args:
            container: The id in a Pod's status, without ``containerd://``.

        """
        self._ctr("tasks", "kill", "--signal", "SIGKILL", "--all", container)

    def _ctr(self, *words: str | Path) -> str:
        return run(["ctr", "--address", self.layout.containerd_socket, "--namespace", _NAMESPACE, *words])

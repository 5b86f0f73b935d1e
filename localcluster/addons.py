"""Add-ons that run as pods: cluster DNS and metrics, and the pause image under every pod."""

from collections.abc import Callable
from pathlib import Path

from localcluster import archives
from localcluster.archives import ScratchImage
from localcluster.node import PAUSE_IMAGE
from localcluster.paths import PACKAGE, cache_root
from localcluster.runtime import Runtime

MANIFESTS = (PACKAGE / "addons" / "coredns.yaml", PACKAGE / "addons" / "metrics-server.yaml")


def images(programs: Path) -> list[ScratchImage]:
    """The images of the add-ons, made from the Go programs."""
    return [
        ScratchImage(PAUSE_IMAGE, programs / "pause"),
        ScratchImage("localhost/marquee/coredns:1", programs / "coredns"),
        ScratchImage("localhost/marquee/metrics-server:1", programs / "metrics-server"),
    ]


def load_images(runtime: Runtime, programs: Path, snapshotter: str) -> list[str]:
    """Import the images that containerd has not from this very build; return their names."""
    record = runtime.layout.data / "addons-build"
    present = runtime.images()
    same_build = record.exists() and record.read_text() == programs.name
    wanted = [image for image in images(programs) if not (same_build and image.name in present)]
    folder = cache_root() / "images"
    folder.mkdir(parents=True, exist_ok=True)
    for image in wanted:
        archive = folder / f"{image.program.name}.tar"
        archives.write(image, archive)
        runtime.import_archive(archive, snapshotter=snapshotter)
        archive.unlink()
    record.write_text(programs.name)
    return [image.name for image in wanted]


def apply(kubectl: Callable[..., str]) -> None:
    """Create or update the add-ons' objects."""
    files = [word for manifest in MANIFESTS for word in ("-f", str(manifest))]
    kubectl("apply", "--server-side", "--force-conflicts", *files)

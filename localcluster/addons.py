"""Add-ons that run as pods: cluster DNS and metrics, and the pause image under every pod."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from localcluster import archives
from localcluster.archives import ScratchImage
from localcluster.node import PAUSE_IMAGE
from localcluster.paths import PACKAGE, cache_root
from localcluster.runtime import Runtime

_PODS = ("coredns", "metrics-server")


class Kubectl(Protocol):
    """kubectl with text for its standard input."""

    def __call__(self, *args: str, input: str | None = None) -> str:  # noqa: A002
        """Run it and return what it prints."""
        ...


def image_name(add_on: str, programs: Path) -> str:
    """Name of an add-on's image: tagged by its build, so that a new build reaches the pods."""
    return f"localhost/marquee/{add_on}:{programs.name[:12]}"


def images(programs: Path) -> list[ScratchImage]:
    """The images of the add-ons, made from the Go programs."""
    pods = [ScratchImage(image_name(name, programs), programs / name) for name in _PODS]
    return [ScratchImage(PAUSE_IMAGE, programs / "pause"), *pods]


def load_images(runtime: Runtime, wanted: Sequence[ScratchImage], snapshotter: str) -> list[str]:
    """Import the images that containerd lacks, remove those of earlier builds; return the new names."""
    present = runtime.images()
    new = [image for image in wanted if image.name not in present]
    folder = cache_root() / "images"
    folder.mkdir(parents=True, exist_ok=True)
    for image in new:
        archive = folder / f"{image.program.name}.tar"
        archives.write(image, archive)
        runtime.import_archive(archive, snapshotter=snapshotter)
        archive.unlink()
    current = {image.name for image in wanted}
    kinds = tuple(f"{name.rpartition(':')[0]}:" for name in current)
    runtime.remove([name for name in present if name.startswith(kinds) and name not in current])
    return [image.name for image in new]


def manifest(name: str, programs: Path) -> str:
    """Objects of one add-on for this build."""
    text = (PACKAGE / "addons" / f"{name}.yaml").read_text()
    return text.replace(f"localhost/marquee/{name}:BUILD", image_name(name, programs))


def apply(kubectl: Kubectl, programs: Path) -> None:
    """Create or update the add-ons' objects."""
    objects = "\n---\n".join(manifest(name, programs) for name in _PODS)
    kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", input=objects)

"""Mounts below a folder: which there are, and taking them away."""

import contextlib
from pathlib import Path

from localcluster.commands import run
from localcluster.errors import CommandFailed


def mount_points(mountinfo: str) -> list[str]:
    """Paths of all mounts; the kernel writes blanks in them as octal escapes."""
    return [line.split()[4].replace("\\040", " ") for line in mountinfo.splitlines()]


def unmount_below(*folders: Path) -> None:
    """Unmount everything below the folders, the deepest first."""
    points = mount_points(Path("/proc/self/mountinfo").read_text())
    for point in sorted(points, reverse=True):
        if any(Path(point).is_relative_to(folder) for folder in folders):
            with contextlib.suppress(CommandFailed):
                run(["umount", "--lazy", point])

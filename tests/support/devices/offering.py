"""Runs the device plugin as a process of its own, as a node does, for as long as a test needs it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

KUBELET_FOLDER: Final = Path("/var/lib/kubelet/device-plugins")
"""Whatever the kubelet's ``--root-dir``."""
_END_SECONDS: Final = 10


@contextmanager
def offered(resource: str, count: int, folder: Path = KUBELET_FOLDER) -> Iterator[subprocess.Popen[str]]:
    """The running plugin, which has registered; it has ended afterwards."""
    command = (sys.executable, "-m", "tests.support.devices", f"--resource={resource}", f"--count={count}")
    process = subprocess.Popen((*command, f"--folder={folder}"), stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        said = process.stdout.readline()
        assert said.startswith("offers "), f"the device plugin ended with {process.wait()}: {said}"
        yield process
    finally:
        process.terminate()
        process.wait(timeout=_END_SECONDS)
        process.stdout.close()

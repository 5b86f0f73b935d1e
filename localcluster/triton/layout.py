"""Runs in the image: make its Triton look like the vendor's, below one folder, with the stub for the image's Python."""

from __future__ import annotations

import shutil
import sys
import sysconfig
from pathlib import Path

STUB = "triton_python_backend_stub"


def place_stub(server: Path, python: str) -> None:
    """Put the stub for a Python, such as 3.11, where the Python backend looks, and make programs executable.

    Both folders are equally far from the libraries, so the stub finds them at its new place too.
    """
    stub = server / "backends" / "python" / STUB
    shutil.copy(server / "python_backend_stubs" / python / STUB, stub)
    for program in (stub, server / "bin" / "tritonserver"):
        program.chmod(0o755)


if __name__ == "__main__":
    installed = Path(sysconfig.get_path("purelib")) / "pytriton" / "tritonserver"
    place_stub(installed, f"{sys.version_info.major}.{sys.version_info.minor}")
    Path(sys.argv[1]).symlink_to(installed, target_is_directory=True)

"""Triton unpacked into the cache, laid out so that its Python backend runs models under this machine's Python."""

from __future__ import annotations

import hashlib
import sys
import tempfile
import zipfile
from pathlib import Path

from localcluster.commands import run
from localcluster.errors import BuildFailed, CommandFailed
from localcluster.paths import PACKAGE, cache_root
from localcluster.stages import Stages
from localcluster.triton.layout import place_stub

REQUIREMENTS = PACKAGE.parent / "requirements" / "triton.txt"
_PACKAGE = "nvidia_pytriton"
_MEMBERS = ("pytriton/tritonserver/", f"{_PACKAGE}.libs/")
_SERVER = Path("pytriton/tritonserver")


def ensure(stages: Stages) -> Path:
    """The server's folder, with ``bin/tritonserver``, ``backends`` and ``caches``; fetched now if need be."""
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    key = hashlib.sha256(REQUIREMENTS.read_bytes() + python.encode()).hexdigest()[:16]
    folder = cache_root() / "triton" / key
    if not folder.exists():
        stages.say("Triton: fetching its wheel (once)")
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as draft:
            unpack(_download(Path(draft)), Path(draft) / "server")
            place_stub(Path(draft) / "server" / _SERVER, python)
            try:
                (Path(draft) / "server").rename(folder)
            except OSError:  # somebody else was quicker
                if not folder.exists():
                    raise
    return folder / _SERVER


def unpack(wheel: Path, folder: Path) -> None:
    """The server and its libraries, which it finds by their place beside it."""
    with zipfile.ZipFile(wheel) as content:
        members = [name for name in content.namelist() if name.startswith(_MEMBERS)]
        content.extractall(folder, members)


def _download(folder: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    try:
        run([*command, "--require-hashes", "-r", REQUIREMENTS, "-d", folder])
    except CommandFailed as failure:
        raise BuildFailed(f"Triton of {REQUIREMENTS} could not be fetched", why=failure.why) from failure
    (wheel,) = folder.glob(f"{_PACKAGE}-*.whl")
    return wheel

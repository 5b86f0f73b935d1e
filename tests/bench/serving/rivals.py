"""Environments of rivals whose packages do not go together with ours, built once into the cache."""

from __future__ import annotations

import hashlib
import sys
import tempfile
from pathlib import Path
from typing import Final

from localcluster.commands import run
from localcluster.paths import PACKAGE, cache_root
from localcluster.stages import Stages

KSERVE: Final = PACKAGE.parent / "requirements" / "bench-kserve.txt"


def environment(requirements: Path, stages: Stages) -> Path:
    """The Python of an environment with these hash-pinned packages; built now if need be."""
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    key = hashlib.sha256(requirements.read_bytes() + python.encode()).hexdigest()[:16]
    folder = cache_root() / "rivals" / f"{requirements.stem}-{key}"
    if not (folder / "ready").exists():
        stages.say(f"{requirements.stem}: installing its packages (once)")
        folder.parent.mkdir(parents=True, exist_ok=True)
        uv = Path(sys.executable).with_name("uv")
        with tempfile.TemporaryDirectory(dir=folder.parent) as cache:
            run([uv, "venv", "--quiet", "--clear", "--python", sys.executable, folder])
            options: list[str | Path] = ["--quiet", "--require-hashes", "--cache-dir", cache, "-r", requirements]
            run([uv, "pip", "install", *options, "--python", folder / "bin" / "python"])
        (folder / "ready").touch()
    return folder / "bin" / "python"

"""The model repository that Triton reads: one model, one version, made anew at each start of the front."""

from __future__ import annotations

import shutil
from importlib.resources import files
from pathlib import Path
from typing import Final

from bentos.front.artifact import Artifact
from bentos.front.failures import CannotServeError
from bentos.front.triton.configuring import EXAMPLE_FILE, model_config
from marquee.contract.pod import FailureReason
from marquee.contract.triton import FLAVOURS, Backend, TritonSettings

VERSION: Final = "1"
"""A pod serves one revision; Triton counts from one."""


def write_model(root: Path, artifact: Artifact, settings: TritonSettings, *, threads: int, example: bytes) -> None:
    """Write ``ROOT/<model>`` for a verified artifact, whose bytes are not copied.

    Args:
        root: the repository.
        artifact: what shall be served.
        settings: how.
        threads: of one call of the model.
        example: one row in the datatype of the model's input, for the warm-up.

    Raises:
        CannotServeError: ``SettingsInvalid``: the backend does not run such artifacts, or the volume can't be written.

    """
    manifest = artifact.manifest
    flavour = manifest.runtime.flavour
    if flavour not in FLAVOURS[settings.backend]:
        runs = " and ".join(FLAVOURS[settings.backend])
        others = " or ".join(backend.value for backend, flavours in FLAVOURS.items() if flavour in flavours)
        raise CannotServeError(
            FailureReason.SETTINGS_INVALID,
            f"spec.serving.triton.backend: {settings.backend.value} runs artifacts of flavour {runs}, and this "
            f"one's is {flavour}; use the backend {others}",
        )
    folder = root / manifest.model
    try:
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "warmup").mkdir(parents=True)
        (folder / "warmup" / EXAMPLE_FILE).write_bytes(example)
        _write_version(folder / VERSION, artifact, settings)
        text = model_config(manifest.model, manifest, settings, folder=artifact.folder, threads=threads)
        (folder / "config.pbtxt").write_text(text, encoding="utf-8")
    except OSError as error:
        raise CannotServeError(
            FailureReason.SETTINGS_INVALID,
            f"Triton's model repository {root} cannot be written: {error}; it needs a volume shared with Triton",
        ) from error


def _write_version(folder: Path, artifact: Artifact, settings: TritonSettings) -> None:
    if settings.backend is Backend.PYTHON:
        folder.mkdir()
        source = files("bentos.front.triton").joinpath("backend_model.py").read_text(encoding="utf-8")
        (folder / "model.py").write_text(source, encoding="utf-8")
    else:
        # The folder, not its files: a graph finds its external data beside itself, wherever links lead.
        folder.symlink_to(artifact.folder.resolve(), target_is_directory=True)

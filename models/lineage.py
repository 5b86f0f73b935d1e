"""Where an artifact comes from: digest of the code, of the data, the seed, the versions of the libraries."""

from __future__ import annotations

import hashlib
import importlib
import importlib.metadata
import platform
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from marquee.contract.manifest import DataSource, Lineage

_SHARED_PACKAGE: Final = "models"


def code_digest(package: str, *further: str) -> str:
    """``sha256:<hex>`` over the sources that a use case is computed with.

    These are the modules of its own package and those that all use cases share: the modules directly in this
    package and in ``models.data``; and those of ``further`` packages. Another use case can change without changing
    this digest.
    """
    shared = _folder_of(_SHARED_PACKAGE)
    sources = {f"{_SHARED_PACKAGE}/{path.name}": path for path in shared.glob("*.py")}
    sources |= {f"{_SHARED_PACKAGE}/data/{path.name}": path for path in (shared / "data").glob("*.py")}
    for each in (package, *further):
        own, prefix = _folder_of(each), each.replace(".", "/")
        sources |= {f"{prefix}/{path.relative_to(own).as_posix()}": path for path in own.rglob("*.py")}
    lines = (f"{hashlib.sha256(sources[name].read_bytes()).hexdigest()}  {name}\n" for name in sorted(sources))
    return "sha256:" + hashlib.sha256("".join(lines).encode()).hexdigest()


def data_digest(sources: Iterable[DataSource]) -> str:
    """``sha256:<hex>`` over the digests of all inputs."""
    lines = sorted(f"{source.sha256}  {source.name}\n" for source in sources)
    return "sha256:" + hashlib.sha256("".join(lines).encode()).hexdigest()


def lineage_of(
    package: str, *further: str, data: tuple[DataSource, ...], seed: int, libraries: Iterable[str]
) -> Lineage:
    """The lineage of a run of this process."""
    versions = {name: _version(name) for name in libraries}
    return Lineage(
        code_digest=code_digest(package, *further),
        seed=seed,
        data=data,
        libraries={"python": platform.python_version(), **versions},
    )


def _folder_of(package: str) -> Path:
    (folder,) = importlib.import_module(package).__path__
    return Path(folder)


def _version(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        # A distribution's package of the operating system can lack metadata; the module knows all the same.
        return str(getattr(importlib.import_module(distribution), "__version__", "unknown"))

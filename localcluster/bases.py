"""Base images from Debian packages, for machines that cannot or shall not pull any."""

import hashlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from localcluster import builder, mirrors, packages
from localcluster.commands import run
from localcluster.errors import LocalClusterError
from localcluster.paths import cache_root
from localcluster.stages import Stages

# Below /usr/share.
_EXCLUDED = ("man", "doc", "locale", "info", "lintian", "bug")
_TRIM = (
    'rm -rf "$1"/var/lib/apt/lists/* "$1"/var/cache/debconf/*-old "$1"/var/log/* "$1"/var/cache/ldconfig/aux-cache',
    # Nothing of the building machine stays: its name, its resolver, its mirrors.
    'echo localhost > "$1"/etc/hostname',
    ': > "$1"/etc/resolv.conf',
    ': > "$1"/etc/pip.conf',
)


@dataclass(frozen=True)
class Base:
    """One base image."""

    name: str
    release: str
    """Debian release."""
    packages: tuple[str, ...]
    purpose: str


BASES = {
    "python": Base(
        "localhost/marquee/base-python:3.11",
        "bookworm",
        ("python3", "python3-venv", "ca-certificates"),
        "Python 3.11, as in the lock files",
    ),
    "triton": Base(
        "localhost/marquee/base-triton:3.11",
        "bookworm",
        ("python3", "python3-venv", "libpython3.11", "ca-certificates"),
        "Python 3.11 with its library, which Triton's Python backend embeds",
    ),
    # The registry's wheel of PyTorch brings 5 GB of CUDA libraries; Debian's is built for the CPU.
    "trainer": Base(
        "localhost/marquee/base-trainer:2.6",
        "trixie",
        ("python3", "python3-venv", "python3-torch", "ca-certificates"),
        "Python 3.13 with PyTorch 2.6 for the CPU",
    ),
}
# Sets up a merged /usr at once; without it bookworm's packages bring a converter and perl, 50 MB.
_HOOKS = {"bookworm": ("/usr/share/mmdebstrap/hooks/merged-usr",)}


def ensure(kind: str, stages: Stages, *, refresh: bool = False) -> str:
    """Name of the base image, built now if it is not cached; `refresh` builds it anew."""
    if kind not in BASES:
        raise LocalClusterError(f"no base {kind!r}", fix=f"take one of: {', '.join(BASES)}")
    base = BASES[kind]
    packages.ensure(packages.IMAGES, stages)
    with builder.lock():
        archive = cache_root() / "images" / f"base-{kind}-{recipe_hash(base)[:12]}.tar"
        if refresh or not archive.exists():
            stages.say(f"base {kind}: {base.purpose}, from Debian {base.release} packages (once, minutes)")
            _bootstrap(base, archive)
        marker = f"{kind}-{recipe_hash(base)[:12]}-{int(archive.stat().st_mtime)}"
        if builder.label(base.name) != marker:
            builder.import_root(base.name, archive, {"LANG": "C.UTF-8"}, label=marker)
            stages.say(f"base {kind}: {base.name} made, {archive.stat().st_size / 1e6:.0f} MB")
    return base.name


def recipe_hash(base: Base) -> str:
    """Changes when anything changes that decides what is in the base."""
    recipe = "\n".join([base.release, *base.packages, *_HOOKS.get(base.release, ()), *_EXCLUDED, *_TRIM])
    return hashlib.sha256(recipe.encode()).hexdigest()


def bootstrap_command(base: Base, archive: Path, sources: list[mirrors.Source], proxies: list[str]) -> list[str]:
    """The mmdebstrap call that writes the root file system."""
    options = [f"--dpkgopt=path-exclude=/usr/share/{folder}/*" for folder in _EXCLUDED]
    # Licences must stay with the programs.
    options += ["--dpkgopt=path-include=/usr/share/doc/*/copyright"]
    options += ['--aptopt=APT::Install-Recommends "false"', *(f"--aptopt={line}" for line in proxies)]
    # No mirror of this machine stays in the image; whoever extends it with apt brings the sources.
    hooks = [*_TRIM, ': > "$1"/etc/apt/sources.list', 'rm -f "$1"/etc/apt/apt.conf.d/99mmdebstrap']
    return [
        *("nice", "-n", "5", "mmdebstrap", "--quiet", "--mode=root", "--variant=minbase"),
        f"--include={','.join(base.packages)}",
        *(f"--hook-dir={folder}" for folder in _HOOKS.get(base.release, ())),
        *options,
        *(f"--customize-hook={hook}" for hook in hooks),
        base.release,
        str(archive),
        *(source.line() for source in sources),
    ]


def _bootstrap(base: Base, archive: Path) -> None:
    archive.parent.mkdir(parents=True, exist_ok=True)
    draft = archive.with_name(f"draft-{os.getpid()}.tar")
    sources = mirrors.of_this_machine(base.release)
    try:
        # The unpacked system is as large as the image; /tmp may be too small for it.
        environment = {**os.environ, "TMPDIR": str(builder.temporary())}
        run(bootstrap_command(base, draft, sources, mirrors.proxy_options()), env=environment)
        shutil.move(draft, archive)
    finally:
        draft.unlink(missing_ok=True)

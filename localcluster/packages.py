"""The Debian packages that the cluster uses, installed when their programs are missing."""

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from localcluster.commands import run
from localcluster.errors import CannotRunHere, CommandFailed
from localcluster.paths import cache_root
from localcluster.stages import Stages

API = ("openssl", "setpriv")
NODE = ("containerd", "runc", "/usr/lib/cni/bridge", "iptables", "conntrack", "ip", "unshare")
IMAGES = ("buildah", "mmdebstrap")

_PACKAGE_OF = {
    "/usr/lib/cni/bridge": "containernetworking-plugins",
    "h2load": "nghttp2-client",
    "ip": "iproute2",
    "setpriv": "util-linux",
    "taskset": "util-linux",
    "unshare": "util-linux",
}


def missing(programs: Iterable[str]) -> list[str]:
    """Packages of the programs that this machine lacks."""
    return sorted({_PACKAGE_OF.get(program, program) for program in programs if not _present(program)})


def installable() -> bool:
    """Whether this process may install packages."""
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def ensure(programs: Iterable[str], stages: Stages) -> None:
    """Install what is missing with apt-get, from the mirrors that the machine is set up with."""
    wanted = list(programs)
    if not missing(wanted):
        return
    with _alone():
        _install(missing(wanted), stages)


@contextlib.contextmanager
def _alone() -> Iterator[None]:
    """One installation at a time: apt-get does not wait for another one, it fails."""
    cache_root().mkdir(parents=True, exist_ok=True)
    with (cache_root() / "packages.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _install(packages: list[str], stages: Stages) -> None:
    if not packages:  # by somebody else, meanwhile
        return
    names = " ".join(packages)
    if not installable():
        raise CannotRunHere(
            f"programs are missing: {names}",
            why="they come as Debian packages, which only root can install, with apt-get",
            fix=f"as root: apt-get install {names}",
        )
    stages.say(f"packages: installing {names}")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    install = ["apt-get", "install", "-y", "--no-install-recommends", *packages]
    try:
        run(install, env=environment)
    except CommandFailed:
        # The package lists may be absent or out of date.
        run(["apt-get", "update"], env=environment)
        run(install, env=environment)


def _present(program: str) -> bool:
    search = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
    return Path(program).exists() if program.startswith("/") else shutil.which(program, path=search) is not None

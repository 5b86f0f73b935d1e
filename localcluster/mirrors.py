"""The Debian mirrors that this machine is set up with, for building base images from the same place."""

from collections.abc import Iterable
from dataclasses import dataclass

from localcluster.commands import run
from localcluster.errors import CannotRunHere, CommandFailed

_FORMAT = "$(ORIGIN)|$(RELEASE)|$(COMPONENT)|$(REPO_URI)"


@dataclass(frozen=True)
class Source:
    """One line of an apt source: where from and which release."""

    uri: str
    release: str

    def line(self) -> str:
        """As in sources.list."""
        return f"deb {self.uri} {self.release} main"


def for_release(release: str, targets: Iterable[str]) -> list[Source]:
    """Sources of a Debian release on the mirrors that apt lists as `ORIGIN|RELEASE|COMPONENT|URI`.

    The security archive is included when the machine knows one.

    Raises:
        CannotRunHere: apt knows no mirror of Debian's main archive.

    """
    main: list[str] = []
    security: list[str] = []
    for target in targets:
        origin, known, component, uri = target.split("|")
        if origin != "Debian" or component != "main":
            continue
        (security if known.endswith("-security") else main).append(uri.rstrip("/"))
    if not main:
        raise CannotRunHere(
            "no Debian mirror to build base images from",
            why="apt's sources on this machine name none with Debian's main archive",
            fix="add one to /etc/apt/sources.list.d, or build the images elsewhere (docs/install.md)",
        )
    uri = main[0]
    sources = [Source(uri, release), Source(uri, f"{release}-updates")]
    return [*sources, Source(security[0], f"{release}-security")] if security else sources


def of_this_machine(release: str) -> list[Source]:
    """Sources of a Debian release from the mirrors in apt's configuration."""
    try:
        targets = run(["apt-get", "indextargets", "--format", _FORMAT, "Created-By: Packages"])
    except CommandFailed:
        targets = ""
    return for_release(release, targets.splitlines())


def proxy_options() -> list[str]:
    """Proxy settings of apt, as options in its configuration syntax."""
    try:
        dump = run(["apt-config", "dump"])
    except CommandFailed:
        return []
    wanted = ("Acquire::http::Proxy ", "Acquire::https::Proxy ")
    return [line for line in dump.splitlines() if line.startswith(wanted)]

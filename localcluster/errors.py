"""Errors of the local cluster, each told as what happened, why, and what to do.

LocalClusterError
├── CannotRunHere     the machine lacks something; nothing was changed yet
├── BuildFailed       the Go binaries or an image could not be built
├── StartFailed       a part did not become ready
└── CommandFailed     a program that was called returned an error
"""


class LocalClusterError(Exception):
    """Base of all errors that this package raises on purpose."""

    def __init__(self, what: str, *, why: str = "", fix: str = "") -> None:
        self.what = what
        self.why = why
        self.fix = fix
        lines = [what]
        if why:
            lines.append(f"why: {why}")
        if fix:
            lines.append(f"what to do: {fix}")
        super().__init__("\n".join(lines))


class CannotRunHere(LocalClusterError):  # noqa: N818 - reads as the sentence that it is
    """The machine lacks something that the cluster needs; nothing was changed."""


class BuildFailed(LocalClusterError):  # noqa: N818
    """The Go binaries or an image could not be built."""


class StartFailed(LocalClusterError):  # noqa: N818
    """A part of the cluster did not become ready."""


class CommandFailed(LocalClusterError):  # noqa: N818
    """A program that was called returned an error."""

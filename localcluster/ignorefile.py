"""Which files of a build context count: the rules of .dockerignore.

Written here because the hash of a context must follow the same rules as the builder, and no program
on the machine tells them.
"""

import re
from collections.abc import Iterator
from pathlib import Path


class Ignore:
    """The rules of one ignore file; the last rule that matches a path or a folder above it decides."""

    def __init__(self, text: str) -> None:
        self._rules: list[tuple[bool, re.Pattern[str]]] = []
        for raw in text.splitlines():
            line = raw.strip()
            if line and not line.startswith("#"):
                keep = line.startswith("!")
                self._rules.append((keep, _pattern(line.removeprefix("!").strip().strip("/"))))

    @property
    def has_exceptions(self) -> bool:
        """Whether files may count below a folder that does not."""
        return any(keep for keep, _ in self._rules)

    def ignores(self, path: str) -> bool:
        """Whether a path relative to the context, with forward slashes, is left out."""
        ignored = False
        for keep, pattern in self._rules:
            if pattern.match(path):
                ignored = not keep
        return ignored


def find(dockerfile: Path, context: Path) -> Path | None:
    """The ignore file of a build: beside the Dockerfile with its name, else in the context."""
    own = dockerfile.with_name(f"{dockerfile.name}.dockerignore")
    shared = context / ".dockerignore"
    return own if own.exists() else shared if shared.exists() else None


def files(context: Path, ignore: Ignore) -> Iterator[Path]:
    """All files and links of the context that count, in a stable order."""

    def walk(folder: Path) -> Iterator[Path]:
        for entry in sorted(folder.iterdir()):
            ignored = ignore.ignores(entry.relative_to(context).as_posix())
            if entry.is_dir() and not entry.is_symlink():
                if not ignored or ignore.has_exceptions:
                    yield from walk(entry)
            elif not ignored:
                yield entry

    yield from walk(context)


def _pattern(rule: str) -> re.Pattern[str]:
    """Regular expression of one rule: `**` any folders, `*` and `?` within a name, a folder means its tree."""
    parts = []
    for part in re.split(r"(\*\*/?|\*|\?|\[[^]]*\])", rule):
        if part.startswith("**"):
            parts.append("(?:.*/)?" if part.endswith("/") else ".*")
        elif part == "*":
            parts.append("[^/]*")
        elif part == "?":
            parts.append("[^/]")
        elif part.startswith("[") and part.endswith("]"):
            parts.append(part)
        else:
            parts.append(re.escape(part))
    return re.compile("".join(parts) + r"(?:/.*)?$")

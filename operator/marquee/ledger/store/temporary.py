"""Where SQLite puts what a large statement spills; without such a folder it fails in the middle of its work."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from marquee.ledger.errors import SettingsError

_VARIABLES: Final = ("SQLITE_TMPDIR", "TMPDIR")
_FOLDERS: Final = ("/var/tmp", "/usr/tmp", "/tmp", ".")  # noqa: S108 - SQLite's own list


def temporary_folder(environment: Mapping[str, str], folders: Iterable[str] = _FOLDERS) -> Path:
    """The folder that SQLite takes: the first one that can be written to (sqlite.org/tempfiles.html, section 5).

    Raises:
        SettingsError: there is none, as in a container whose file system is read-only.

    """
    named = (environment[name] for name in _VARIABLES if environment.get(name))
    for folder in (*named, *folders):
        if Path(folder).is_dir() and os.access(folder, os.W_OK | os.X_OK):
            return Path(folder)
    raise SettingsError("SQLite finds no folder for temporary files; set SQLITE_TMPDIR to one that can be written to")

"""The token that the kubelet mounts and replaces: read again whenever its file is another one."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from marquee.control.ledger.errors import TokenUnreadableError

MAX_TOKEN_BYTES: Final = 16_384
"""Longest token that a ledger looks at."""


@dataclass(slots=True)
class ProjectedToken:
    """A service-account token in a file.

    The kubelet swaps a symbolic link, so a new token is a new file. Asking for its identity costs a microsecond and
    no wait: projected volumes live in memory.
    """

    path: Path
    _read: tuple[int, int, int] | None = field(init=False, default=None)
    _token: str = field(init=False, default="")

    def value(self) -> str:
        """The token of now.

        Raises:
            TokenUnreadableError: there is no such file, it may not be read, or it holds no token.

        """
        try:
            stat = self.path.stat()
            identity = (stat.st_mtime_ns, stat.st_ino, stat.st_size)
            if identity != self._read:
                self._token = self._content()
                self._read = identity
        except (OSError, UnicodeDecodeError) as error:
            raise TokenUnreadableError(
                f"the ledger's token {self.path} cannot be read: {error}; is the volume with it mounted?"
            ) from error
        return self._token

    def _content(self) -> str:
        with self.path.open("rb") as file:
            token = file.read(MAX_TOKEN_BYTES + 1).strip().decode("ascii")
        if not token or len(token) > MAX_TOKEN_BYTES or not token.isprintable() or " " in token:
            raise TokenUnreadableError(f"{self.path} holds no token: one line of ASCII; is it the right file?")
        return token

"""What a log asks of its store. Whatever returns has happened durably; whatever raises was not acknowledged."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol


class Claim(Protocol):
    """The right to be the one writer."""

    def check(self) -> None:
        """Raises `LockedError` when another process has taken over."""

    def release(self) -> None:
        """Let the next one have it."""


class Store(Protocol):
    """Files by path; all but those that are replaced never change."""

    def read(self, path: str) -> bytes:
        """Content of a file. Raises `MissingError` when there is none, `StoreError`."""

    def create(self, files: Mapping[str, bytes]) -> None:
        """Write files that never change; each is read back and compared.

        Writing the same again is harmless. When it raises, any of them may be there and any may be missing.

        Raises:
            ImmutableError: one exists with other content.
            WriteLostError: one was read back differently.
            StoreError: they could not be written.

        """

    def replace(self, path: str, content: bytes) -> None:
        """Write a file whole: a reader finds the old content or the new one. Raises `StoreError`."""

    def remove(self, paths: Iterable[str]) -> None:
        """Delete files; one that is missing is fine. Raises `StoreError`."""

    def paths(self, prefix: str = "") -> list[str]:
        """Sorted paths of the files that are there for good, below ``prefix``. Raises `StoreError`."""

    def claim(self) -> Claim:
        """Become the one writer. Raises `LockedError` where another one holds it, `StoreError`."""

"""Cuts a byte stream into lines of bounded length."""

from __future__ import annotations


class LineSplitter:
    """Collects chunks and hands out complete lines, without their newline and without empty ones."""

    def __init__(self, max_line_bytes: int) -> None:
        self._max_line_bytes = max_line_bytes
        self._parts: list[bytes] = []  # of the line that is not complete; joined once, when its end arrives
        self._held_bytes = 0

    def feed(self, chunk: bytes) -> list[bytes]:
        """Take the next bytes and return the lines they complete.

        Raises:
            ValueError: a line is longer than allowed.

        """
        *complete, rest = chunk.split(b"\n")
        if complete and self._parts:
            complete[0] = b"".join((*self._parts, complete[0]))
            self._parts.clear()
            self._held_bytes = 0
        if rest:
            self._parts.append(rest)
            self._held_bytes += len(rest)
        if self._held_bytes > self._max_line_bytes or any(len(line) > self._max_line_bytes for line in complete):
            raise ValueError(f"a line is longer than {self._max_line_bytes} bytes")
        return [line for line in complete if line]

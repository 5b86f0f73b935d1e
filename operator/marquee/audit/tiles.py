"""The files of a log: https://c2sp.org/tlog-tiles.

A tile has up to 256 hashes of one level; an entry bundle has up to 256 entries, each behind its length. Full ones never
change. A partial one belongs to a checkpoint and may go when the full one is there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from marquee.audit.errors import EntryTooLargeError, FormatError
from marquee.audit.hashing import HASH_BYTES, perfect_root

WIDTH: Final = 256
HEIGHT: Final = 8
"""Levels of the tree in one tile: ``1 << HEIGHT == WIDTH``."""
MAX_ENTRY_BYTES: Final = 65_535
ENTRIES: Final = -1
"""The level of entry bundles, as their paths stand beside those of tiles."""

_PATH: Final = re.compile(
    r"tile/(?P<level>entries|0|[1-5]?[0-9]|6[0-3])/(?P<index>(?:x[0-9]{3}/)*[0-9]{3})(?:\.p/(?P<width>[1-9][0-9]{0,2}))?"
)


@dataclass(frozen=True, slots=True)
class Tile:
    """The place of a tile, or of an entry bundle at the level ``ENTRIES``."""

    level: int
    index: int
    width: int = WIDTH

    @property
    def path(self) -> str:
        """Below the prefix of the log; ``x001/x234/067`` for the index 1,234,067."""
        groups = [f"{self.index % 1000:03d}"]
        rest = self.index // 1000
        while rest:
            groups.insert(0, f"x{rest % 1000:03d}")
            rest //= 1000
        level = "entries" if self.level == ENTRIES else self.level
        partial = "" if self.width == WIDTH else f".p/{self.width}"
        return f"tile/{level}/{'/'.join(groups)}{partial}"


def tile_at(path: str) -> Tile | None:
    """What a path stands for; None when it is no tile's."""
    found = _PATH.fullmatch(path)
    if found is None:
        return None
    level = ENTRIES if found["level"] == "entries" else int(found["level"])
    index = int(found["index"].replace("x", "").replace("/", ""))
    tile = Tile(level, index, int(found["width"] or WIDTH))
    return tile if tile.path == path and (found["width"] is None or tile.width < WIDTH) else None


def tiles_of(size: int) -> Iterator[Tile]:
    """The tiles and bundles that a tree of ``size`` entries must have, bundles first."""
    for level in (ENTRIES, *range((max(size, 1).bit_length() - 1) // HEIGHT + 1)):
        hashes = size >> (HEIGHT * max(level, 0))
        yield from (Tile(level, index) for index in range(hashes // WIDTH))
        if hashes % WIDTH:
            yield Tile(level, hashes // WIDTH, hashes % WIDTH)


def encode_bundle(entries: Iterable[bytes]) -> bytes:
    """Each entry behind its length, an unsigned integer of 16 bits, big-endian.

    Raises:
        EntryTooLargeError: one is longer than such a length can say.

    """
    parts: list[bytes] = []
    for entry in entries:
        check_entry_size(entry)
        parts += (len(entry).to_bytes(2, "big"), entry)
    return b"".join(parts)


def check_entry_size(entry: bytes) -> None:
    """Refuse what does not fit. Raises `EntryTooLargeError`."""
    if len(entry) > MAX_ENTRY_BYTES:
        raise EntryTooLargeError(
            "entry",
            f"has {len(entry):,} bytes, {MAX_ENTRY_BYTES:,} fit",
            "store large evidence elsewhere and give its SHA-256 as a subject",
        )


def decode_bundle(content: bytes, where: str) -> list[bytes]:
    """The entries of a bundle.

    Raises:
        FormatError: it ends within an entry.

    """
    entries: list[bytes] = []
    position = 0
    while position < len(content):
        start = position + 2
        position = start + int.from_bytes(content[position:start], "big")
        if start > len(content) or position > len(content):
            raise FormatError(where, f"ends within entry {len(entries)} of the bundle", "restore it from a copy")
        entries.append(content[start:position])
    return entries


def decode_tile(content: bytes, tile: Tile) -> list[bytes]:
    """The hashes of a tile. Raises `FormatError` when it has another number of them."""
    if len(content) != tile.width * HASH_BYTES:
        what = f"has {len(content)} bytes instead of {tile.width * HASH_BYTES}"
        raise FormatError(tile.path, what, "restore it from a copy")
    return [content[at : at + HASH_BYTES] for at in range(0, len(content), HASH_BYTES)]


class Edge:
    """The right edge of the tree as tiles: the hashes of each level's last, partial tile.

    Args:
        size: number of leaves.
        rows: for each level of tiles, from the leaves up, the hashes of its partial tile.

    """

    def __init__(self, size: int = 0, rows: Sequence[Sequence[bytes]] = ()) -> None:
        self.size = size
        self.rows = [list(row) for row in rows]

    def extended(self, leaves: Iterable[bytes]) -> tuple[Edge, Mapping[Tile, bytes]]:
        """The edge with more leaves, and all tiles that a checkpoint of it needs in addition."""
        edge, written = Edge(self.size, self.rows), dict[Tile, bytes]()
        first = self.size
        for leaf in leaves:
            edge._push(0, leaf, written)
            edge.size += 1
        for level, row in enumerate(edge.rows):
            if row and edge.size >> (HEIGHT * level) != first >> (HEIGHT * level):
                written[Tile(level, edge.size >> (HEIGHT * (level + 1)), len(row))] = b"".join(row)
        return edge, written

    def _push(self, level: int, node: bytes, written: dict[Tile, bytes]) -> None:
        if level == len(self.rows):
            self.rows.append([])
        row = self.rows[level]
        row.append(node)
        if len(row) == WIDTH:
            written[Tile(level, self.size >> (HEIGHT * (level + 1)))] = b"".join(row)
            root = perfect_root(row)
            row.clear()
            self._push(level + 1, root, written)

    def frontier(self) -> list[bytes]:
        """The perfect subtrees of the tree, largest first."""
        roots: list[bytes] = []
        for row in reversed(self.rows):
            start = 0
            for bit in reversed(range(HEIGHT)):
                if len(row) >> bit & 1:
                    roots.append(perfect_root(row[start : start + (1 << bit)]))
                    start += 1 << bit
        return roots

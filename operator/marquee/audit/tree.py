"""The tree of a stored log, read from its tiles: what proofs and openings need of it."""

from __future__ import annotations

from typing import Final

from marquee.audit.errors import FormatError, MissingError
from marquee.audit.hashing import perfect_root
from marquee.audit.store.port import Store
from marquee.audit.tiles import ENTRIES, HEIGHT, WIDTH, Edge, Tile, decode_bundle, decode_tile

_MAX_CACHED: Final = 4_096


class StoredTree:
    """The tree of a given size. Nothing that is read has been verified: roots and proofs show whether it is right."""

    def __init__(self, store: Store, size: int) -> None:
        self._store = store
        self.size = size
        self._tiles: dict[tuple[int, int], list[bytes]] = {}

    def subtree(self, level: int, index: int) -> bytes:
        """See `marquee.audit.proofs.Tree`. Raises `StoreError`, `FormatError`."""
        row, height = divmod(level, HEIGHT)
        first = index << height
        hashes = self._hashes(row, first // WIDTH)
        start = first % WIDTH
        return perfect_root(hashes[start : start + (1 << height)])

    def edge(self) -> Edge:
        """The right edge, from which the tree grows. Raises `StoreError`, `FormatError`."""
        rows: list[list[bytes]] = []
        hashes = self.size
        while hashes:
            rows.append(self._hashes(len(rows), hashes // WIDTH) if hashes % WIDTH else [])
            hashes //= WIDTH
        return Edge(self.size, rows)

    def bundle(self, index: int) -> list[bytes]:
        """The entries of the bundle with this number. Raises `StoreError`, `FormatError`."""
        tile = self._tile(ENTRIES, index)
        path, content = self._read(tile)
        entries = decode_bundle(content, path)
        if len(entries) < tile.width:
            raise FormatError(path, f"has {len(entries)} of {tile.width} entries", "restore it from a copy")
        return entries[: tile.width]

    def entry(self, index: int) -> bytes:
        """One entry. Raises `StoreError`, `FormatError`."""
        return self.bundle(index // WIDTH)[index % WIDTH]

    def _hashes(self, level: int, index: int) -> list[bytes]:
        found = self._tiles.get((level, index))
        if found is None:
            tile = self._tile(level, index)
            path, content = self._read(tile)
            whole = tile if path == tile.path else Tile(level, index)
            found = decode_tile(content, whole)[: tile.width]
            if len(self._tiles) >= _MAX_CACHED:
                self._tiles.clear()
            self._tiles[level, index] = found
        return found

    def _tile(self, level: int, index: int) -> Tile:
        hashes = self.size >> (HEIGHT * max(level, 0))
        return Tile(level, index, min(WIDTH, hashes - index * WIDTH))

    def _read(self, tile: Tile) -> tuple[str, bytes]:
        """A partial tile may have gone since the full one is there."""
        try:
            return tile.path, self._store.read(tile.path)
        except MissingError:
            if tile.width == WIDTH:
                raise
            full = Tile(tile.level, tile.index).path
            return full, self._store.read(full)

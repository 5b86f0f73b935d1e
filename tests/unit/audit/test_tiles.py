"""Paths, widths and contents of tiles and bundles: https://c2sp.org/tlog-tiles."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marquee.audit.errors import EntryTooLargeError, FormatError
from marquee.audit.tiles import (
    ENTRIES,
    MAX_ENTRY_BYTES,
    Edge,
    Tile,
    decode_bundle,
    decode_tile,
    encode_bundle,
    tile_at,
    tiles_of,
)

TILES = st.builds(Tile, st.sampled_from([ENTRIES, *range(64)]), st.integers(0, 2**40), st.integers(1, 256))


@pytest.mark.parametrize(
    ("tile", "path"),
    [
        (Tile(0, 1_234_067), "tile/0/x001/x234/067"),
        (Tile(ENTRIES, 0, 5), "tile/entries/000.p/5"),
        (Tile(63, 999, 255), "tile/63/999.p/255"),
        (Tile(1, 1000), "tile/1/x001/000"),
    ],
)
def test_paths_are_those_of_the_specification(tile: Tile, path: str) -> None:
    """The first is its own example."""
    assert tile.path == path
    assert tile_at(path) == tile


@given(TILES)
def test_any_path_is_read_back(tile: Tile) -> None:
    """And means nothing else."""
    assert tile_at(tile.path) == tile


@pytest.mark.parametrize(
    "path",
    [
        "tile/64/000",
        "tile/00/000",
        "tile/0/00",
        "tile/0/x000/001",
        "tile/0/000.p/256",
        "tile/0/000.p/0",
        "tile/0/000/",
        "x",
    ],
)
def test_what_is_no_path_of_a_tile(path: str) -> None:
    """Leading zeroes, levels that do not exist, partial tiles that are full."""
    assert tile_at(path) is None


@pytest.mark.parametrize(
    ("size", "expected"),
    [
        (0, []),
        (1, [(ENTRIES, 0, 1), (0, 0, 1)]),
        (256, [(ENTRIES, 0, 256), (0, 0, 256), (1, 0, 1)]),
    ],
)
def test_the_tiles_of_small_trees(size: int, expected: list[tuple[int, int, int]]) -> None:
    """A tree of 256 has a full tile and one of width 1 above it."""
    assert list(tiles_of(size)) == [Tile(*one) for one in expected]


def test_the_tiles_of_the_specification() -> None:
    """Its example of 70,000 entries."""
    tiles = [tile for tile in tiles_of(70_000) if tile.level != ENTRIES]
    assert sum(tile.level == 0 and tile.width == 256 for tile in tiles) == 273
    partial = [(tile.level, tile.width) for tile in tiles if tile.width < 256]
    assert partial == [(0, 112), (1, 17), (2, 1)]


@given(st.integers(0, 600), st.integers(0, 600))
def test_a_growing_tree_writes_what_its_next_checkpoint_needs(before: int, more: int) -> None:
    """All tiles that are new or wider, and no others."""
    edge, first = Edge().extended([bytes(32)] * before)
    _, second = edge.extended([bytes(32)] * more)
    wanted = {tile for tile in tiles_of(before + more) if tile.level != ENTRIES}
    assert wanted <= first.keys() | second.keys()
    assert second.keys() <= wanted
    assert all(len(content) == tile.width * 32 for tile, content in second.items())


@given(st.lists(st.binary(max_size=300), max_size=20))
def test_a_bundle_is_read_back(entries: list[bytes]) -> None:
    """Also empty entries."""
    assert decode_bundle(encode_bundle(entries), "x") == entries


def test_the_largest_entry_fits_and_no_larger_one() -> None:
    """65,535 bytes; what is larger is told what to do."""
    assert decode_bundle(encode_bundle([bytes(MAX_ENTRY_BYTES)]), "x") == [bytes(MAX_ENTRY_BYTES)]
    with pytest.raises(
        EntryTooLargeError, match=r"entry: has 65,536 bytes, 65,535 fit; store large evidence elsewhere"
    ):
        encode_bundle([bytes(MAX_ENTRY_BYTES + 1)])


@pytest.mark.parametrize("cut", [1, 2, 3, 6])
def test_a_bundle_that_is_cut_off_is_refused(cut: int) -> None:
    """Within a length or within an entry."""
    with pytest.raises(FormatError, match="tile/entries/000: ends within entry"):
        decode_bundle(encode_bundle([b"one", b"two"])[: -cut or None][:9], "tile/entries/000")


def test_a_tile_of_another_width_is_refused() -> None:
    """One hash is missing."""
    with pytest.raises(FormatError, match=r"tile/0/000.p/3: has 64 bytes instead of 96"):
        decode_tile(bytes(64), Tile(0, 0, 3))

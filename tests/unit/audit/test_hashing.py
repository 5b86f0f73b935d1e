"""Leaf and node hashes and the frontier, against Certificate Transparency's reference tree and the definition."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marquee.audit.hashing import EMPTY_ROOT, Frontier, leaf_hash, node_hash
from marquee.audit.tiles import Edge

LEAVES = [
    bytes.fromhex(text)
    for text in (
        "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
    )
]  # fmt: skip
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
"""Of the first one to eight leaves: merkletree tests of Certificate Transparency."""


def by_definition(leaves: list[bytes]) -> bytes:
    """RFC 6962, section 2.1, word by word."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return leaf_hash(leaves[0])
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return node_hash(by_definition(leaves[:split]), by_definition(leaves[split:]))


@pytest.mark.parametrize("size", range(1, 9))
def test_the_reference_roots(size: int) -> None:
    """Certificate Transparency's eight trees, by the frontier and by the edge of tiles."""
    frontier = Frontier()
    for leaf in LEAVES[:size]:
        frontier.append(leaf_hash(leaf))
    assert frontier.root().hex() == ROOTS[size - 1]
    edge, _ = Edge().extended(map(leaf_hash, LEAVES[:size]))
    assert Frontier(size, edge.frontier()).root().hex() == ROOTS[size - 1]


def test_an_empty_tree() -> None:
    """Its root is the hash of nothing."""
    assert Frontier().root() == EMPTY_ROOT
    assert EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@given(st.lists(st.binary(max_size=40), max_size=700), st.data())
def test_any_tree_in_any_steps(leaves: list[bytes], data: st.DataObject) -> None:
    """The edge of tiles grows to the root of the definition, however the leaves are divided into batches."""
    cut = data.draw(st.integers(0, len(leaves)))
    edge, _ = Edge().extended(map(leaf_hash, leaves[:cut]))
    edge, _ = edge.extended(map(leaf_hash, leaves[cut:]))
    assert Frontier(len(leaves), edge.frontier()).root() == by_definition(leaves)


def test_a_frontier_of_the_wrong_width_is_refused() -> None:
    """A tree of five leaves has two perfect subtrees."""
    with pytest.raises(ValueError, match="has 2 perfect subtrees, not 1"):
        Frontier(5, [bytes(32)])

"""Inclusion and consistency proofs: all of small trees by the definition, and none that was altered."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marquee.audit.errors import ProofError
from marquee.audit.hashing import EMPTY_ROOT, leaf_hash, perfect_root
from marquee.audit.proofs import check_consistency, check_inclusion, consistency, inclusion, root_of

LEAVES = [leaf_hash(b"%d" % number) for number in range(70)]
SIZES = st.integers(1, len(LEAVES))


class Leaves:
    """A tree in memory."""

    def subtree(self, level: int, index: int) -> bytes:
        return perfect_root(LEAVES[index << level : (index + 1) << level])


TREE = Leaves()


def test_every_entry_of_every_small_tree() -> None:
    """Its path leads to the root, and to no other entry's."""
    for size in range(1, 40):
        root = root_of(TREE, size)
        for index in range(size):
            path = inclusion(TREE, index, size)
            check_inclusion(LEAVES[index], index, size, path, root)
            with pytest.raises(ProofError):
                check_inclusion(LEAVES[index], (index + 1) % (size + 1), size, path, root)


def test_every_pair_of_small_trees() -> None:
    """The smaller is where the larger began."""
    for size in range(40):
        for old in range(size + 1):
            path = consistency(TREE, old, size)
            check_consistency(old, root_of(TREE, old), size, root_of(TREE, size), path)


@given(SIZES, st.data())
def test_an_altered_inclusion_proof_is_refused(size: int, data: st.DataObject) -> None:
    """A flipped bit, a hash too many, one too few."""
    index = data.draw(st.integers(0, size - 1))
    path = inclusion(TREE, index, size)
    altered = data.draw(_altered(path))
    with pytest.raises(ProofError):
        check_inclusion(LEAVES[index], index, size, altered, root_of(TREE, size))


@given(SIZES, st.data())
def test_an_altered_consistency_proof_is_refused(size: int, data: st.DataObject) -> None:
    """The same."""
    old = data.draw(st.integers(1, size))
    altered = data.draw(_altered(consistency(TREE, old, size)))
    with pytest.raises(ProofError):
        check_consistency(old, root_of(TREE, old), size, root_of(TREE, size), altered)


@pytest.mark.parametrize(("old", "root", "size"), [(3, EMPTY_ROOT, 7), (0, bytes(32), 7), (5, bytes(32), 5)])
def test_another_older_root_is_refused(old: int, root: bytes, size: int) -> None:
    """Also that of an empty tree, and of one of the same size."""
    with pytest.raises(ProofError):
        check_consistency(old, root, size, root_of(TREE, size), consistency(TREE, old, size))


def test_a_log_that_became_smaller_is_refused() -> None:
    """Whatever is shown with it."""
    with pytest.raises(ProofError, match=r"has become smaller"):
        check_consistency(7, root_of(TREE, 7), 3, root_of(TREE, 3), [])


def test_what_does_not_exist_has_no_proof() -> None:
    """Neither an entry behind the end nor a tree that shrinks."""
    with pytest.raises(ValueError, match=r"has no leaf 4"):
        inclusion(TREE, 4, 4)
    with pytest.raises(ValueError, match=r"cannot have grown"):
        consistency(TREE, 5, 4)


def _altered(path: list[bytes]) -> st.SearchStrategy[list[bytes]]:
    longer = st.binary(min_size=32, max_size=32).map(lambda node: [*path, node])
    if not path:
        return longer
    flipped = st.tuples(st.integers(0, len(path) - 1), st.integers(0, 255)).map(lambda at: _flipped(path, *at))
    return longer | st.just(path[:-1]) | st.just(path[1:]) | flipped


def _flipped(path: list[bytes], node: int, bit: int) -> list[bytes]:
    number = int.from_bytes(path[node], "big") ^ 1 << bit
    return [*path[:node], number.to_bytes(32, "big"), *path[node + 1 :]]

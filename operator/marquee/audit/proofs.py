"""Inclusion and consistency proofs of RFC 6962, sections 2.1.1 and 2.1.2; verified as in RFC 9162, section 2.1.

Making a proof asks for perfect subtrees only, so that it needs no more than a few tiles.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

from marquee.audit.errors import ProofError
from marquee.audit.hashing import EMPTY_ROOT, node_hash

MAX_PROOF_HASHES: Final = 63
"""More than any tree that can be counted in 63 bits."""


class Tree(Protocol):
    """The hashes of a tree."""

    def subtree(self, level: int, index: int) -> bytes:
        """Root over the leaves from ``index << level`` on, ``1 << level`` of them, all of which exist."""


def root_of(tree: Tree, size: int, start: int = 0) -> bytes:
    """Merkle Tree Hash over the leaves from ``start``, ``size`` of them; ``start`` is a split point of the tree."""
    if size == 0:
        return EMPTY_ROOT
    if size & (size - 1) == 0:
        level = size.bit_length() - 1
        return tree.subtree(level, start >> level)
    split = _split(size)
    return node_hash(root_of(tree, split, start), root_of(tree, size - split, start + split))


def inclusion(tree: Tree, index: int, size: int) -> list[bytes]:
    """Hashes from the leaf's sibling up to the child of the root.

    Raises:
        ValueError: there is no such leaf.

    """
    if not 0 <= index < size:
        raise ValueError(f"a tree of {size} leaves has no leaf {index}")
    start, path = 0, []
    while size > 1:
        split = _split(size)
        if index - start < split:
            path.append(root_of(tree, size - split, start + split))
            size = split
        else:
            path.append(root_of(tree, split, start))
            start, size = start + split, size - split
    return path[::-1]


def consistency(tree: Tree, old: int, size: int) -> list[bytes]:
    """Hashes that show that the tree of ``old`` leaves is where the tree of ``size`` leaves began.

    Raises:
        ValueError: the older tree is the larger one.

    """
    if not 0 <= old <= size:
        raise ValueError(f"a tree of {size} leaves cannot have grown from one of {old}")
    if old in (0, size):
        return []
    start, path, complete = 0, [], True
    remaining = old
    while remaining != size:
        split = _split(size)
        if remaining <= split:
            path.append(root_of(tree, size - split, start + split))
            size = split
        else:
            path.append(root_of(tree, split, start))
            start, size, remaining, complete = start + split, size - split, remaining - split, False
    if not complete:
        path.append(root_of(tree, size, start))
    return path[::-1]


def check_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> None:
    """Refuse a path that does not lead from the leaf to the root.

    Raises:
        ProofError: it leads elsewhere, or its length cannot be right.

    """
    if not 0 <= index < size:
        raise ProofError("inclusion proof", f"a tree of {size} entries has no entry {index}", "ask for another proof")
    node, last, current = leaf, size - 1, index
    for sibling in path:
        if last == 0:
            raise ProofError("inclusion proof", "has more hashes than the tree has levels", "ask for another proof")
        if current & 1 or current == last:
            node = node_hash(sibling, node)
            while current and not current & 1:
                current, last = current >> 1, last >> 1
        else:
            node = node_hash(node, sibling)
        current, last = current >> 1, last >> 1
    if last:
        raise ProofError("inclusion proof", "has fewer hashes than the tree has levels", "ask for another proof")
    if node != root:
        raise ProofError("inclusion proof", f"entry {index} does not lead to the root", "the entry is not in this log")


def check_consistency(old: int, old_root: bytes, size: int, root: bytes, path: Sequence[bytes]) -> None:
    """Refuse a path that does not show that one tree began with the other.

    Raises:
        ProofError: it does not, so the log has changed or shows different people different trees.

    """
    where, remedy = f"consistency of {old} and {size}", "keep both checkpoints: together they show what the log did"
    if old > size:
        raise ProofError(where, "the log has become smaller", remedy)
    if old in (0, size):
        if path:
            raise ProofError(where, "a proof that must be empty has hashes", "ask for another proof")
        if old == size and old_root != root:
            raise ProofError(where, "two trees of the same size differ", remedy)
        if old == 0 and old_root != EMPTY_ROOT:
            raise ProofError(where, "an empty tree has another root", remedy)
        return
    hashes = list(path)
    if old & (old - 1) == 0:
        hashes.insert(0, old_root)
    if not hashes:
        raise ProofError(where, "the proof is empty", "ask for another proof")
    shown, shown_old, last = _fold(hashes, old - 1, size - 1)
    if last:
        raise ProofError(where, "the proof has the wrong number of hashes", "ask for another proof")
    if shown_old != old_root or shown != root:
        raise ProofError(where, "the larger tree did not grow from the smaller one", remedy)


def _fold(hashes: Sequence[bytes], current: int, last: int) -> tuple[bytes, bytes, int]:
    """Both roots that the hashes lead to, and how many levels are missing."""
    while current & 1:
        current, last = current >> 1, last >> 1
    old_root = root = hashes[0]
    for number, node in enumerate(hashes[1:], start=1):
        if last == 0:
            return root, old_root, len(hashes) - number
        if current & 1 or current == last:
            old_root, root = node_hash(node, old_root), node_hash(node, root)
            while current and not current & 1:
                current, last = current >> 1, last >> 1
        else:
            root = node_hash(root, node)
        current, last = current >> 1, last >> 1
    return root, old_root, last


def _split(size: int) -> int:
    """The largest power of two below ``size``."""
    return 1 << ((size - 1).bit_length() - 1)

"""Proofs for people who trust nobody: https://c2sp.org/tlog-proof, one text file with everything in it.

The entry itself is the ``extra`` line. An evidence bundle is several proofs one after the other, each of which is a
proof by itself: a model's entries from its first number on show that none was left out.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from marquee.audit.errors import FormatError, ProofError
from marquee.audit.hashing import HASH_BYTES, leaf_hash
from marquee.audit.keys import decode_base64
from marquee.audit.notes import SignedCheckpoint, read_checkpoint, read_number
from marquee.audit.policy import Policy
from marquee.audit.proofs import MAX_PROOF_HASHES, check_inclusion, inclusion
from marquee.audit.statements import position_of
from marquee.audit.store.port import Store
from marquee.audit.tiles import WIDTH
from marquee.audit.tree import StoredTree

HEADER: Final = "c2sp.org/tlog-proof@v1"
_AGAIN: Final = "ask for the proof again"


@dataclass(frozen=True)
class Proof:
    """An entry, its place, and the way from it to a signed root."""

    entry: bytes
    index: int
    path: tuple[bytes, ...]
    signed: SignedCheckpoint

    @property
    def text(self) -> str:
        """The file."""
        lines = [HEADER, f"extra {base64.b64encode(self.entry).decode()}", f"index {self.index}"]
        lines += [base64.b64encode(node).decode() for node in self.path]
        return "\n".join(lines) + f"\n\n{self.signed.text}"

    def require(self, policy: Policy, where: str = "proof") -> None:
        """Refuse what does not show that the entry is in the log. Raises `ProofError`."""
        policy.require(self.signed, where)
        checkpoint = self.signed.checkpoint
        check_inclusion(leaf_hash(self.entry), self.index, checkpoint.size, self.path, checkpoint.root)


def prove(store: Store, signed: SignedCheckpoint, indices: Iterable[int]) -> Iterator[Proof]:
    """Proofs of entries against a checkpoint of the store's log.

    Raises:
        ProofError: the checkpoint is older than an entry.
        StoreError, FormatError: the store failed, or is damaged.

    """
    size = signed.checkpoint.size
    tree = StoredTree(store, size)
    for index in indices:
        if not 0 <= index < size:
            what = f"entry {index} is not among its {size} entries"
            raise ProofError("checkpoint", what, "wait for a later checkpoint")
        yield Proof(tree.entry(index), index, tuple(inclusion(tree, index, size)), signed)


def indices_of(store: Store, size: int, model: str) -> Iterator[int]:
    """Where a model's entries are, among the first ``size``. Raises `StoreError`, `FormatError`."""
    tree = StoredTree(store, size)
    for number in range(-(-size // WIDTH)):
        for index, entry in enumerate(tree.bundle(number), start=number * WIDTH):
            if position_of(entry, f"entry {index}").model == model:
                yield index


def read_proof(text: str, where: str = "proof") -> Proof:
    """One proof from its text. Raises `FormatError`."""
    head, separator, note = text.partition("\n\n")
    lines = head.split("\n")
    if not separator or lines[0] != HEADER or len(lines) < 3:
        raise FormatError(where, f"does not begin with {HEADER}, an entry and an index", _AGAIN)
    if not lines[1].startswith("extra ") or not lines[2].startswith("index "):
        raise FormatError(where, "has no lines 'extra' and 'index'", _AGAIN)
    path = tuple(decode_base64(line, where) for line in lines[3:])
    if len(path) > MAX_PROOF_HASHES or any(len(node) != HASH_BYTES for node in path):
        raise FormatError(where, "has a line that is no hash, or too many of them", _AGAIN)
    entry = decode_base64(lines[1].removeprefix("extra "), where)
    index = read_number(lines[2].removeprefix("index "), where)
    return Proof(entry, index, path, read_checkpoint(note.encode(), where))


def read_proofs(text: str, where: str = "proofs") -> list[Proof]:
    """All proofs of a bundle. Raises `FormatError`."""
    first, *rest = text.split(f"{HEADER}\n")
    if first or not rest:
        raise FormatError(where, f"does not begin with {HEADER}", _AGAIN)
    return [read_proof(f"{HEADER}\n{part}", f"{where}, proof {number}") for number, part in enumerate(rest, start=1)]

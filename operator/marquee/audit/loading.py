"""What a writer must know before it goes on, read from the store, and what an interrupted writer left behind."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from marquee.audit.errors import AuditError, DamagedError, MissingError, SequenceError
from marquee.audit.hashing import Frontier, leaf_hash
from marquee.audit.heads import newest
from marquee.audit.keys import PublicKey
from marquee.audit.notes import Checkpoint, SignedCheckpoint
from marquee.audit.pending import FOLDER, Group, TornError, decode_group
from marquee.audit.proofs import root_of
from marquee.audit.sequences import Sequences, decode_remembered
from marquee.audit.statements import position_of
from marquee.audit.store.port import Store
from marquee.audit.tiles import WIDTH, Edge
from marquee.audit.tree import StoredTree

log = logging.getLogger(__name__)

REMEMBERED: Final = "sequences.json"
TORN: Final = "torn"


@dataclass(frozen=True)
class Loaded:
    """A log as it is stored."""

    head: SignedCheckpoint
    edge: Edge
    bundle: Sequence[bytes]
    """Entries of the last, partial bundle."""
    groups: Sequence[Group]
    """Behind the checkpoint, in order, without a gap."""
    stale: Sequence[str]
    """Groups that the checkpoint has, or that were never acknowledged."""
    torn: Sequence[str]
    sequences: Sequences
    remembered_size: int


def load(store: Store, origin: str, keys: Sequence[PublicKey]) -> Loaded | None:
    """Read a log, and check that its head is the root of its tiles; None in an empty store.

    Raises:
        DamagedError: what is stored contradicts itself.
        ProofError: it is another log's, or signed by nobody who is known.
        StoreError: the store failed.

    """
    paths = store.paths()
    head = newest(store, origin, keys, paths)
    if head is None:
        return None
    tree = StoredTree(store, head.checkpoint.size)
    try:
        edge = _edge(tree, head.checkpoint)
        bundle = tree.bundle(tree.size // WIDTH) if tree.size % WIDTH else []
        sequences, remembered_size = _sequences(store, tree)
    except MissingError as error:
        raise DamagedError(error.where, "is missing", "restore it from a copy of the log") from error
    groups, stale, torn = read_groups(store, tree.size, paths)
    _admit_all(sequences, groups)
    return Loaded(head, edge, bundle, groups, stale, torn, sequences, remembered_size)


def read_groups(store: Store, size: int, paths: Sequence[str]) -> tuple[list[Group], list[str], list[str]]:
    """Groups that follow on the checkpoint, those that are of no use any more, and those that were not written whole.

    Raises:
        DamagedError: an entry that was acknowledged is missing or differs.

    """
    found: dict[int, Group] = {}
    torn: list[str] = []
    for path in paths:
        if not path.startswith(f"{FOLDER}/"):
            continue
        try:
            group = decode_group(path, store.read(path))
        except TornError:
            torn.append(path)
        else:
            found[group.start] = group
    chain: list[Group] = []
    end = size
    while (group_at := found.pop(end, None)) is not None:
        chain.append(group_at)
        end = group_at.end
        if not group_at.entries:
            raise DamagedError(group_at.path, "has no entries", "restore it from a copy of the log")
    beyond = [group.path for group in found.values() if group.start > end]
    beyond += [path for path in torn if path > Group(end, ()).path]
    if beyond:
        raise DamagedError(min(beyond), f"entry {end} is missing before it", "restore it from a copy of the log")
    return chain, [group.path for group in found.values()], torn


def _edge(tree: StoredTree, checkpoint: Checkpoint) -> Edge:
    edge = tree.edge()
    if Frontier(tree.size, edge.frontier()).root() != checkpoint.root:
        what = f"the tiles of {tree.size} entries have another root than the checkpoint"
        raise DamagedError("tile", what, "run fsck, and restore the log from a copy")
    return edge


def _sequences(store: Store, tree: StoredTree) -> tuple[Sequences, int]:
    """From what was remembered, when it is of this tree, and the entries behind it."""
    sequences, start = Sequences(), 0
    try:
        remembered = decode_remembered(store.read(REMEMBERED), REMEMBERED)
        if (
            remembered.size <= tree.size
            and root_of(StoredTree(store, remembered.size), remembered.size) == remembered.root
        ):
            sequences, start = remembered.sequences, remembered.size
    except MissingError:
        pass
    except AuditError as error:
        log.warning("%s; the entries are read instead", error)
    for number in range(start // WIDTH, -(-tree.size // WIDTH)):
        for index, entry in enumerate(tree.bundle(number), start=number * WIDTH):
            if index >= start:
                admit_stored(sequences, entry, index)
    return sequences, start


def _admit_all(sequences: Sequences, groups: Sequence[Group]) -> None:
    for group in groups:
        for index, entry in enumerate(group.entries, start=group.start):
            admit_stored(sequences, entry, index)


def admit_stored(sequences: Sequences, entry: bytes, index: int) -> None:
    """An entry that is in the log already. Raises `DamagedError` when it could not have been appended."""
    where = f"entry {index}"
    try:
        if sequences.admit(position_of(entry, where), index, leaf_hash(entry)) != index:
            raise DamagedError(where, "is there twice", "run fsck")
    except SequenceError as error:
        raise DamagedError(where, f"{error.where}: {error.what}", "run fsck") from error

"""The log: one writer that appends durably, signs checkpoints, and finds its way back after any interruption.

An append is one file (`pending`), and acknowledged when it is on the disk. A checkpoint moves what is pending into
tiles and bundles, signs the new root and only then removes the pending files. Whatever is interrupted in between is
done again from the same bytes. After any failure the writer forgets what it had in memory and reads the store again
before it goes on.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from marquee.audit.errors import AuditError, FormatError, MissingError, StoreError, WriteLostError
from marquee.audit.hashing import EMPTY_ROOT, Frontier, leaf_hash
from marquee.audit.heads import CHECKPOINT, COPIES, COSIGNED, KEPT_COPIES, copy_path
from marquee.audit.keys import PrivateKey, PublicKey, Use
from marquee.audit.loading import REMEMBERED, TORN, Loaded, load
from marquee.audit.notes import Checkpoint, Signature, SignedCheckpoint, read_checkpoint, sign
from marquee.audit.pending import Group, encode_group
from marquee.audit.sequences import Course, Remembered, Sequences, encode_remembered
from marquee.audit.statements import position_of
from marquee.audit.store.port import Claim, Store
from marquee.audit.tiles import ENTRIES, HEIGHT, WIDTH, Edge, Tile, check_entry_size, decode_bundle, encode_bundle
from marquee.audit.tree import StoredTree

log = logging.getLogger(__name__)

REMEMBER_EVERY: Final = 8_192
"""Entries after which the courses of the models are written down, so that an opening need not read more."""


@dataclass(frozen=True)
class LogKeys:
    """Whose log it is.

    Args:
        origin: name of the log; its keys have the same name.
        signers: one key; two while one takes over, so that readers of either can follow.
        retired: public keys that signed earlier checkpoints.

    """

    origin: str
    signers: Sequence[PrivateKey]
    retired: Sequence[PublicKey] = ()

    def __post_init__(self) -> None:
        if not self.signers:
            raise FormatError(self.origin, "has no key to sign with", "mount the Secret with the log's key")
        for key in self.signers:
            if key.use is not Use.LOG or key.name != self.origin:
                raise FormatError(self.origin, f"the key {key.name!r} is not its own", "use a key with the log's name")

    @property
    def public(self) -> list[PublicKey]:
        """All that may have signed."""
        return [*(key.public for key in self.signers), *self.retired]


class AuditLog:
    """An open log. All methods may be called from any thread; one call happens at a time.

    Raises:
        LockedError: another process writes it.
        DamagedError: what is stored contradicts itself.
        ProofError: it is another log's, or signed by nobody who is known.
        StoreError: the store failed.

    """

    def __init__(self, store: Store, keys: LogKeys) -> None:
        self.store = store
        self.keys = keys
        self._lock = threading.RLock()
        self._claim: Claim = store.claim()
        self._is_whole = False
        self._size = 0
        self._groups: list[Group] = []
        self._leaves: list[bytes] = []
        self._bundle: list[bytes] = []
        self._edge = Edge()
        self._head: SignedCheckpoint
        self._sequences: Sequences
        self._remembered_size = 0
        try:
            self._reload()
        except BaseException:
            self._claim.release()
            raise

    @property
    def size(self) -> int:
        """Entries that are durable."""
        return self._size

    @property
    def head(self) -> SignedCheckpoint:
        """The newest checkpoint."""
        return self._head

    def course(self, model: str, *, settled: bool = True) -> Course:
        """A model's newest number and time.

        Args:
            model: its name.
            settled: wait for an append that is under way; otherwise entries may be counted that come to nothing.

        """
        if not self._lock.acquire(blocking=settled):
            return self._sequences.course(model)
        try:
            self._require_whole()
            return self._sequences.course(model)
        finally:
            self._lock.release()

    def models(self) -> list[str]:
        """Those that have entries. Raises `StoreError`."""
        with self._lock:
            self._require_whole()
            return list(self._sequences.models())

    def entry(self, index: int) -> bytes:
        """An entry, also one that is in no checkpoint yet. Raises `StoreError`, and IndexError where there is none."""
        with self._lock:
            self._require_whole()
            for group in self._groups:
                if group.start <= index < group.end:
                    return group.entries[index - group.start]
            if not 0 <= index < self._edge.size:
                raise IndexError(index)
            return StoredTree(self.store, self._edge.size).entry(index)

    def append(self, entries: Sequence[bytes]) -> list[int | AuditError]:
        """Enter a group of entries; when it returns, each index in the answer is durable.

        Returns:
            For each entry its index, also when it had been entered before, or why it was refused; the others are
            entered all the same.

        Raises:
            StoreError: nothing was acknowledged. Entries may have been entered; sending the same again is harmless.
            DamagedError: the store contradicts itself.

        """
        with self._lock:
            self._require_whole()
            self._is_whole = False  # until this has ended well
            fresh: list[bytes] = []
            leaves: list[bytes] = []
            outcomes = [self._admit(entry, fresh, leaves) for entry in entries]
            if fresh:
                group = Group(self._size, fresh)
                self.store.create({group.path: encode_group(group)})
                self._claim.check()
                self._groups.append(group)
                self._leaves += leaves
                self._size = group.end
            self._is_whole = True
            return outcomes

    def checkpoint(self) -> SignedCheckpoint:
        """Sign a checkpoint of all entries.

        Raises:
            StoreError: it was not written; all entries are safe, and it can be tried again.

        """
        with self._lock:
            self._require_whole()
            if not self._groups:
                return self._head
            self._is_whole = False
            edge = self._integrate()
            signed = self._sign(edge)
            done, first = self._groups, self._edge.size
            entries = [entry for group in done for entry in group.entries]
            self._bundle = [*self._bundle, *entries][-(edge.size % WIDTH) :] if edge.size % WIDTH else []
            self._edge, self._head, self._groups, self._leaves = edge, signed, [], []
            self._is_whole = True
            self._tidy([group.path for group in done], first)
            return signed

    def add_cosignatures(self, checkpoint: Checkpoint, signatures: Sequence[Signature]) -> None:
        """Keep what witnesses said about a checkpoint of this log. Raises `StoreError`."""
        with self._lock:
            if self._head.checkpoint == checkpoint:
                self._head = self._head.with_signatures(signatures)
                self.store.replace(CHECKPOINT, self._head.text.encode())
                signed = self._head
            else:
                signed = sign(checkpoint, self.keys.signers).with_signatures(signatures)
            self.store.replace(COSIGNED, signed.text.encode())

    def cosigned(self) -> SignedCheckpoint | None:
        """The checkpoint that witnesses cosigned last. Raises `StoreError`, `FormatError`."""
        try:
            return read_checkpoint(self.store.read(COSIGNED), COSIGNED)
        except MissingError:
            return None

    def close(self) -> None:
        """Sign what is pending and let the next writer in. Raises `StoreError`; the claim is released all the same."""
        with self._lock:
            try:
                self.checkpoint()
                self._remember()
            finally:
                self._claim.release()

    def _admit(self, entry: bytes, fresh: list[bytes], leaves: list[bytes]) -> int | AuditError:
        index = self._size + len(fresh)
        try:
            check_entry_size(entry)
            leaf = leaf_hash(entry)
            found = self._sequences.admit(position_of(entry), index, leaf)
        except AuditError as error:
            return error
        if found == index:
            fresh.append(entry)
            leaves.append(leaf)
        return found

    def _require_whole(self) -> None:
        """After a failure, what is in memory may differ from what is stored."""
        if not self._is_whole:
            self._claim.check()
            self._reload()

    def _reload(self) -> None:
        loaded = load(self.store, self.keys.origin, self.keys.public)
        if loaded is None:
            self._begin()
            loaded = load(self.store, self.keys.origin, self.keys.public)
            if loaded is None:
                raise WriteLostError(CHECKPOINT, "was written and is not there", "look at the store")
        self._settle(loaded)
        self._head, self._edge, self._bundle = loaded.head, loaded.edge, list(loaded.bundle)
        self._groups = list(loaded.groups)
        self._leaves = [leaf_hash(entry) for group in loaded.groups for entry in group.entries]
        self._size = loaded.groups[-1].end if loaded.groups else loaded.edge.size
        self._sequences = loaded.sequences
        self._remembered_size = loaded.remembered_size
        self._is_whole = True

    def _settle(self, loaded: Loaded) -> None:
        """Finish what was interrupted. What a failed flush may have lost is written with new pages."""
        for path in loaded.torn:
            log.warning("%s was not written whole and never acknowledged; it is put aside", path)
            self.store.create({f"{TORN}/{path.rpartition('/')[2]}": self.store.read(path)})
        self.store.remove(loaded.torn)
        with suppress(StoreError):  # a bucket may refuse to delete, and nothing depends on it
            self.store.remove(loaded.stale)
        for group in loaded.groups:
            self.store.create({group.path: encode_group(group)})
        if self._served() != loaded.head.checkpoint:
            self.store.replace(CHECKPOINT, loaded.head.text.encode())

    def _served(self) -> Checkpoint | None:
        try:
            return read_checkpoint(self.store.read(CHECKPOINT)).checkpoint
        except MissingError:
            return None

    def _begin(self) -> None:
        self._publish(sign(Checkpoint(self.keys.origin, 0, EMPTY_ROOT), self.keys.signers))

    def _integrate(self) -> Edge:
        """Write tiles and bundles; look at what came back before anything is signed."""
        edge, tiles = self._edge.extended(self._leaves)
        bundles = self._bundles(edge.size)
        self.store.create({tile.path: content for tile, content in (*bundles.items(), *tiles.items())})
        for bundle in bundles:
            hashes = b"".join(map(leaf_hash, decode_bundle(self.store.read(bundle.path), bundle.path)))
            level0 = Tile(0, bundle.index, bundle.width)
            if hashes != tiles[level0] or hashes != self.store.read(level0.path):
                what = "its entries do not have the hashes that were computed when they came in"
                raise WriteLostError(bundle.path, what, "look at the memory of this machine; nothing was signed")
        return edge

    def _bundles(self, size: int) -> Mapping[Tile, bytes]:
        first = self._edge.size // WIDTH
        entries = [*self._bundle, *(entry for group in self._groups for entry in group.entries)]
        return {
            Tile(ENTRIES, number, min(WIDTH, size - number * WIDTH)): encode_bundle(
                entries[(number - first) * WIDTH : (number - first + 1) * WIDTH]
            )
            for number in range(first, -(-size // WIDTH))
        }

    def _sign(self, edge: Edge) -> SignedCheckpoint:
        root = Frontier(edge.size, edge.frontier()).root()
        signed = sign(Checkpoint(self.keys.origin, edge.size, root), self.keys.signers)
        self._claim.check()
        self._publish(signed)
        return signed

    def _publish(self, signed: SignedCheckpoint) -> None:
        """The copy first: it is the one that counts."""
        text = signed.text.encode()
        path = copy_path(signed.checkpoint.size)
        self.store.create({path: text})
        self.store.replace(CHECKPOINT, text)

    def _tidy(self, groups: Sequence[str], first: int) -> None:
        """What is not needed any more goes; where that fails, it may stay."""
        with suppress(StoreError):
            self.store.remove(groups)
            for level in range(len(self._edge.rows)):
                index = first >> (HEIGHT * (level + 1))
                if self._edge.size >> (HEIGHT * (level + 1)) > index:
                    levels = (ENTRIES, level) if level == 0 else (level,)
                    for path in [Tile(one, index).path for one in levels]:
                        self.store.remove(self.store.paths(f"{path}.p"))
            self.store.remove(self.store.paths(COPIES)[:-KEPT_COPIES])
            if self._edge.size - self._remembered_size >= REMEMBER_EVERY:
                self._remember()

    def _remember(self) -> None:
        checkpoint = self._head.checkpoint
        if checkpoint.size > self._remembered_size:
            remembered = Remembered(checkpoint.size, checkpoint.root, self._sequences)
            self.store.replace(REMEMBERED, encode_remembered(remembered))
            self._remembered_size = checkpoint.size

"""``fsck``: read everything that a log has stored, and compare it with what its entries lead to.

What an interrupted writer may leave behind is no finding: groups that are in the tree already, tiles that are ahead of
the checkpoint, files that are not there for good yet. Everything else is, with its path.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from marquee.audit.errors import AuditError, DamagedError, FormatError, MissingError, ProofError
from marquee.audit.hashing import Frontier, leaf_hash, perfect_root
from marquee.audit.heads import CHECKPOINT, COPIES, COSIGNED, newest
from marquee.audit.keys import PublicKey
from marquee.audit.loading import REMEMBERED, TORN, admit_stored, read_groups
from marquee.audit.notes import Checkpoint, read_checkpoint, require_log
from marquee.audit.pending import FOLDER, decode_group
from marquee.audit.sequences import Remembered, Sequences, decode_remembered, encode_remembered
from marquee.audit.store.port import Store
from marquee.audit.tiles import ENTRIES, WIDTH, Tile, decode_bundle, encode_bundle, tile_at, tiles_of


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is not as it must be."""

    where: str
    what: str


@dataclass
class Report:
    """What `fsck` found."""

    checkpoint: Checkpoint | None = None
    entries: int = 0
    """In the tree and behind it."""
    findings: list[Finding] = field(default_factory=list)

    @property
    def is_good(self) -> bool:
        """Whether the log is as it must be."""
        return not self.findings

    def add(self, error: AuditError) -> None:
        """Note a finding."""
        self.findings.append(Finding(error.where, error.what))


def fsck(store: Store, origin: str, keys: Sequence[PublicKey]) -> Report:
    """Check a whole log; nothing is written. A writer that goes on meanwhile takes files away that this looks for.

    Args:
        store: where it is.
        origin: its name.
        keys: its public keys, present and retired.

    Raises:
        StoreError: the store failed; a file that is missing is a finding.

    """
    report = Report()
    try:
        paths = store.paths()
        head = newest(store, origin, keys, paths)
        if head is None:
            return report
        report.checkpoint = head.checkpoint
        _Check(store, report, paths, origin, keys, head.checkpoint).run()
    except (MissingError, DamagedError, FormatError, ProofError) as error:
        report.add(error)
    return report


class _Check:
    def __init__(
        self,
        store: Store,
        report: Report,
        paths: Sequence[str],
        origin: str,
        keys: Sequence[PublicKey],
        checkpoint: Checkpoint,
    ) -> None:
        self._store = store
        self._report = report
        self._paths = paths
        self._known = frozenset(paths)
        self._stale: Sequence[str] = ()
        self._origin = origin
        self._keys = keys
        self._size = checkpoint.size
        self._roots = {checkpoint.size: checkpoint.root}
        self._sequences = Sequences()
        self._frontier = Frontier()
        self._rows: list[list[bytes]] = [[]]
        self._at_size: dict[int, bytes] = {}
        self._remembered_size: int | None = None
        self._is_remembered = False

    def run(self) -> None:
        """All checks, in the order in which one leans on the other."""
        self._collect_heads()
        self._remembered_size = self._read_remembered_size()
        for index, entry in enumerate(self._entries()):
            self._note(index)
            self._admit(entry, index)
        self._report.entries = self._frontier.size
        self._note(self._frontier.size)
        self._check_heads()
        if REMEMBERED in self._known and not self._is_remembered:
            self._find(REMEMBERED, "is not what the entries lead to; delete it, it is computed again")
        self._check_tiles()
        self._check_others()

    def _find(self, where: str, what: str) -> None:
        self._report.findings.append(Finding(where, what))

    def _note(self, size: int) -> None:
        """Compare, or keep for comparing, what is known of the tree of this size."""
        if size in self._roots:
            self._at_size[size] = self._frontier.root()
        if size == self._remembered_size:
            expected = Remembered(size, self._frontier.root(), self._sequences)
            self._is_remembered = encode_remembered(expected) == self._store.read(REMEMBERED)

    def _entries(self) -> Iterator[bytes]:
        """Those of the tree, then those behind it."""
        for number in range(-(-self._size // WIDTH)):
            width = min(WIDTH, self._size - number * WIDTH)
            yield from self._bundle(Tile(ENTRIES, number, width))
        groups, stale, torn = read_groups(self._store, self._size, self._paths)
        for path in torn:
            self._find(path, "was not written whole; opening the log puts it aside")
        self._stale = stale
        for group in groups:
            yield from group.entries

    def _bundle(self, tile: Tile) -> list[bytes]:
        full = Tile(tile.level, tile.index)
        path = tile.path if tile.path in self._known else full.path
        entries = decode_bundle(self._store.read(path), path)
        if len(entries) < tile.width:
            raise DamagedError(path, f"has {len(entries)} of {tile.width} entries", "restore it from a copy")
        return entries[: tile.width]

    def _admit(self, entry: bytes, index: int) -> None:
        leaf = leaf_hash(entry)
        self._frontier.append(leaf)
        self._rows[0].append(leaf)
        try:
            admit_stored(self._sequences, entry, index)
        except (DamagedError, FormatError) as error:
            self._report.add(error)

    def _collect_heads(self) -> None:
        for path in self._paths:
            if path in (CHECKPOINT, COSIGNED) or path.startswith(f"{COPIES}/"):
                try:
                    signed = read_checkpoint(self._store.read(path), path)
                    require_log(signed, self._origin, self._keys, path)
                except AuditError as error:
                    self._report.add(error)
                    continue
                one = signed.checkpoint
                if self._roots.setdefault(one.size, one.root) != one.root:
                    self._find(path, f"SPLIT VIEW: two trees of {one.size} entries were signed")
                if path.startswith(f"{COPIES}/") and path != f"{COPIES}/{one.size:020d}":
                    self._find(path, f"is the checkpoint of {one.size} entries")
        if CHECKPOINT not in self._known and self._size:
            self._find(CHECKPOINT, "is missing")

    def _check_heads(self) -> None:
        for size, root in self._roots.items():
            if self._at_size.get(size) != root:
                self._find("tree", f"its first {size} entries do not have the root that was signed")

    def _read_remembered_size(self) -> int | None:
        if REMEMBERED not in self._known:
            return None
        try:
            return decode_remembered(self._store.read(REMEMBERED), REMEMBERED).size
        except FormatError:
            return None

    def _check_tiles(self) -> None:
        rows = self._rows
        while len(rows[-1]) >= WIDTH:
            last = rows[-1]
            rows.append([perfect_root(last[at : at + WIDTH]) for at in range(0, len(last) - WIDTH + 1, WIDTH)])
        found = {tile: path for path in self._paths if path.startswith("tile/") and (tile := self._tile(path))}
        for tile in tiles_of(self._size):
            if tile not in found and Tile(tile.level, tile.index) not in found:
                self._find(tile.path, "is missing")
        for tile, path in found.items():
            self._check_tile(tile, path)

    def _tile(self, path: str) -> Tile | None:
        tile = tile_at(path)
        if tile is None:
            self._find(path, "is no path of a tile")
        return tile

    def _check_tile(self, tile: Tile, path: str) -> None:
        level = max(tile.level, 0)
        first = tile.index * WIDTH
        row = self._rows[level] if level < len(self._rows) else []
        hashes = row[first : first + tile.width]
        if len(hashes) < tile.width:
            self._find(path, "is ahead of all entries")
            return
        content = self._store.read(path)
        if tile.level != ENTRIES:
            good = content == b"".join(hashes)
        else:
            try:
                entries = decode_bundle(content, path)
                good = [leaf_hash(entry) for entry in entries] == hashes and encode_bundle(entries) == content
            except FormatError:
                good = False
        if not good:
            self._find(path, "is not what the entries lead to")

    def _check_others(self) -> None:
        for path in self._stale:
            group = decode_group(path, self._store.read(path))
            behind = self._rows[0][group.start : group.end]
            if group.end <= self._size and [leaf_hash(entry) for entry in group.entries] != behind:
                self._find(path, "differs from the entries that the tree has there")
        folders = ("tile/", f"{COPIES}/", f"{FOLDER}/", f"{TORN}/")
        for path in self._paths:
            if path not in (CHECKPOINT, COSIGNED, REMEMBERED) and not path.startswith(folders):
                self._find(path, "does not belong to a log")

"""Ways to tamper with a log or a proof, each of which the offline verifier must find."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

from marquee.audit.hashing import Frontier, leaf_hash
from marquee.audit.keys import PrivateKey
from marquee.audit.notes import Checkpoint, SignedCheckpoint, cosign, sign
from marquee.audit.proofs import inclusion
from marquee.audit.proving import Proof
from marquee.audit.store.posix import FolderStore
from marquee.audit.tiles import ENTRIES, WIDTH, Edge, Tile, encode_bundle
from marquee.audit.tree import StoredTree
from marquee.audit.verify_offline import NotProven, verify
from tests.support.audit.logs import LOG_KEY, NEXT_KEY, ORIGIN, WITNESSES, entries, entry, policy_text

SIZE: Final = 270
"""One full tile and a partial one, of each kind."""
OLDER: Final = 200
WITNESS: Final = WITNESSES[:1]
Image = Mapping[str, bytes]
"""The public files of a log by path."""


@dataclass(frozen=True)
class Mutation:
    """Something that was tampered with."""

    kind: str
    what: str
    files: Image


def image(
    logged: Sequence[bytes], signed: SignedCheckpoint | None = None, *, key: PrivateKey = LOG_KEY
) -> dict[str, bytes]:
    """All files of a log with these entries, signed by a key, or with a checkpoint that is given."""
    edge, tiles = Edge().extended(map(leaf_hash, logged))
    files = {tile.path: content for tile, content in tiles.items()}
    for start in range(0, len(logged), WIDTH):
        part = logged[start : start + WIDTH]
        files[Tile(ENTRIES, start // WIDTH, len(part)).path] = encode_bundle(part)
    root = Frontier(len(logged), edge.frontier()).root()
    head = signed or _cosigned(sign(Checkpoint(ORIGIN, len(logged), root), [key]))
    return files | {"checkpoint": head.text.encode()}


@cache
def original() -> Image:
    """The log as it is."""
    return image(entries(SIZE))


class Bench:
    """A folder with the log, a proof and what its reader trusts; mutations are laid over it and taken away.

    Args:
        folder: empty; on a disk that is memory, as thousands of mutations go through it.

    """

    def __init__(self, folder: Path) -> None:
        self.log = folder / "log"
        self.proof = folder / "one.tlog-proof"
        self.trust = folder / "policy"
        self.seen = folder / "seen"
        self.trust.write_text(policy_text(1, WITNESS), encoding="utf-8")
        self.seen.write_bytes(image(entries(OLDER))["checkpoint"])
        self._write(original())
        self.proof_text = self._proofs([17, 20, 23])
        self.proof.write_bytes(self.proof_text)

    def is_found(self, mutation: Mutation) -> bool:
        """Whether the verifier refuses what was tampered with."""
        if set(mutation.files) == {"proof"}:
            self.proof.write_bytes(mutation.files["proof"])
            return not _holds(self.proof, self.trust, self.seen)
        missing = [path for path in original() if path not in mutation.files]
        changed = {path: content for path, content in mutation.files.items() if original().get(path) != content}
        for path in missing:
            (self.log / path).unlink()
        self._write(changed)
        found = not _holds(self.log, self.trust, self.seen)
        for path in changed:
            (self.log / path).unlink()
        self._write({path: original()[path] for path in [*missing, *changed] if path in original()})
        return found

    def holds(self) -> bool:
        """Whether the log and the proof, as they are, are accepted."""
        self.proof.write_bytes(self.proof_text)
        return _holds(self.log, self.trust, self.seen) and _holds(self.proof, self.trust, self.seen)

    def mutations(self, chance: random.Random, count: int) -> list[Mutation]:
        """So many, nearly half of them single bits of the proof, as these are the quickest to try."""
        kinds: list[Callable[[random.Random], Mutation]] = [
            *[self.flip_proof] * 9, *[flip] * 3,
            truncate, drop, reorder, replay, roll_back, swap_key, split_view, self.shuffle_proofs,
        ]  # fmt: skip
        return [chance.choice(kinds)(chance) for _ in range(count)]

    def flip_proof(self, chance: random.Random) -> Mutation:
        """One bit of the file of proofs."""
        return Mutation("bit", "proof", {"proof": _flipped(self.proof_text, chance)})

    def shuffle_proofs(self, chance: random.Random) -> Mutation:
        """A proof left out in the middle, one repeated, two in another order, or the end cut off."""
        header = self.proof_text.split(b"\n")[0] + b"\n"
        first, second, third = (header + part for part in self.proof_text.split(header)[1:])
        texts = [first + third, first + second + second, second + first + third, first + third + second]
        texts.append(self.proof_text[: chance.randrange(1, len(self.proof_text))].removesuffix(first + second))
        chosen = chance.choice(texts)
        if chosen in (first, first + second):
            chosen = first + third
        return Mutation("proofs", "order", {"proof": chosen})

    def _proofs(self, indices: Sequence[int]) -> bytes:
        store = FolderStore(self.log)
        tree = StoredTree(store, SIZE)
        head = _head()
        proofs = [Proof(entries(SIZE)[n], n, tuple(inclusion(tree, n, SIZE)), head) for n in indices]
        return "".join(proof.text for proof in proofs).encode()

    def _write(self, files: Image) -> None:
        for path, content in files.items():
            (self.log / path).parent.mkdir(parents=True, exist_ok=True)
            (self.log / path).write_bytes(content)


def flip(chance: random.Random) -> Mutation:
    """One bit of any file."""
    path = chance.choice(sorted(original()))
    return Mutation("bit", path, {**original(), path: _flipped(original()[path], chance)})


def truncate(chance: random.Random) -> Mutation:
    """The end of a file, or a whole file."""
    path = chance.choice(sorted(original()))
    length = chance.randrange(len(original()[path]))
    kept = {name: content for name, content in original().items() if name != path}
    return Mutation("truncation", path, kept | ({path: original()[path][:length]} if length else {}))


def drop(chance: random.Random) -> Mutation:
    """An entry; tiles made anew, the checkpoint kept, or signed anew by a thief of the key."""
    logged = list(entries(SIZE))
    del logged[chance.randrange(len(logged) - 3)]
    return Mutation("record", "left out", _resigned(logged, chance))


def reorder(chance: random.Random) -> Mutation:
    """Two entries."""
    logged = list(entries(SIZE))
    one, other = chance.sample(range(OLDER), 2)
    logged[one], logged[other] = logged[other], logged[one]
    return Mutation("reorder", f"{one} and {other}", _resigned(logged, chance))


def replay(chance: random.Random) -> Mutation:
    """An entry again, at another place."""
    logged = list(entries(SIZE))
    logged.insert(chance.randrange(OLDER), logged[chance.randrange(OLDER)])
    return Mutation("replay", "an entry", _resigned(logged, chance))


def roll_back(chance: random.Random) -> Mutation:
    """An older log, good in itself, instead of the one that was seen."""
    return Mutation("roll back", "log", image(entries(chance.randrange(1, OLDER))))


def swap_key(chance: random.Random) -> Mutation:
    """The log signed by somebody else, under its name; the same entries or other ones."""
    logged = entries(SIZE) if chance.random() < 0.5 else _other(chance)
    return Mutation("key swap", "log", image(logged, key=NEXT_KEY))


def split_view(chance: random.Random) -> Mutation:
    """Another history, signed well by the log and its witness, for the reader who kept a checkpoint of the first."""
    return Mutation("split view", "log", image(_other(chance)))


def _other(chance: random.Random) -> list[bytes]:
    """A history that differs in what was seen: an entry says something else."""
    logged = list(entries(SIZE))
    index = chance.randrange(OLDER)
    logged[index] = entry(index // 3 + 1, f"growth/model-{index % 3}", chance.randrange(100, 1000))
    return logged


def _resigned(logged: Sequence[bytes], chance: random.Random) -> dict[str, bytes]:
    return image(logged, None if chance.random() < 0.5 else _head())


def _head() -> SignedCheckpoint:
    edge, _ = Edge().extended(map(leaf_hash, entries(SIZE)))
    root = Frontier(SIZE, edge.frontier()).root()
    return _cosigned(sign(Checkpoint(ORIGIN, SIZE, root), [LOG_KEY]))


def _cosigned(signed: SignedCheckpoint) -> SignedCheckpoint:
    return signed.with_signatures(cosign(signed.checkpoint, witness, 1_800_000_000) for witness in WITNESS)


def _flipped(content: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(content))
    return content[:at] + bytes([content[at] ^ 1 << chance.randrange(8)]) + content[at + 1 :]


def _holds(path: Path, trust: Path, seen: Path) -> bool:
    try:
        verify(path, trust, seen)
    except (NotProven, OSError):
        return False
    return True

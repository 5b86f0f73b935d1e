#!/usr/bin/env python3
"""Verify proofs of a Marquee audit log, or a copy of a whole one, without network and without trust in its sender.

    python3 verify_offline.py --trust POLICY [--seen CHECKPOINT] [--signatures] FILE.tlog-proof|FOLDER

POLICY says whom you trust, and must come to you by another way than the proofs, one statement a line:
    log KEY [FIRST [LAST]]    the log's public key, and the sizes of trees for which it may sign (all of them)
    author KEY                who may write entries
    witness KEY               who has watched the log grow
    quorum NUMBER             how many witnesses must have signed

CHECKPOINT is one that you kept from an earlier time: the log must have grown out of it. Needs Python 3.11
and `cryptography`, and nothing of Marquee. Exit code: 0 proven, 1 not proven, 2 wrong arguments.
"""

import argparse
import base64
import json
import re
import sys
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

HEADER, PAYLOAD_TYPE = "c2sp.org/tlog-proof@v1", "application/vnd.in-toto+json"
LOG, COSIGNATURE = 1, 4  # what a key is for
Head = tuple[int, bytes]  # the size of a tree and its root


class NotProven(Exception):  # noqa: N818 - it is an answer
    """What does not hold, and where."""


class Key(NamedTuple):
    """A public key, and the sizes of trees for which it may sign."""

    name: str
    identifier: bytes
    raw: bytes
    first: int = 0
    last: int = 2**63


class Policy(NamedTuple):
    """Whom the reader trusts."""

    logs: list[Key]
    authors: list[Key]
    witnesses: list[Key]
    quorum: int


def require(condition: object, where: str, what: str) -> None:
    """Go on only where something holds."""
    if not condition:
        raise NotProven(f"{where}: {what}")


def unbase64(text: str, where: str) -> bytes:
    """Bytes, from their one encoding."""
    try:
        content = base64.b64decode(text, validate=True)
    except ValueError:
        content = b""
    require(base64.b64encode(content).decode() == text, where, "has something that is no base64")
    return content


def number(text: str, where: str) -> int:
    """A whole number without leading zeroes."""
    require(re.fullmatch("0|[1-9][0-9]{0,18}", text), where, f"{text[:40]!r} is no number")
    return int(text)


def read_key(words: list[str], use: int, where: str) -> Key:
    """A key from NAME+IDENTIFIER+BASE64 and sizes; the identifier is a hash of the others."""
    name, identifier, encoded = (words[0] + "++").split("+", 2)
    material = unbase64(encoded.removesuffix("++"), where)
    require(len(material) == 33 and material[0] == use, where, "is no Ed25519 key for this use")
    require(sha256(name.encode() + b"\n" + material).hexdigest()[:8] == identifier, where, "has another's identifier")
    return Key(name, bytes.fromhex(identifier), material[1:], *(number(size, where) for size in words[1:]))


def read_policy(text: str) -> Policy:
    """The keys and the quorum that a policy file names."""
    keys: dict[str, list[Key]] = {"log": [], "author": [], "witness": []}
    quorum = 0
    for ordinal, line in enumerate(text.splitlines(), start=1):
        where = f"policy, line {ordinal}"
        word, *rest = line.partition("#")[0].split() or [""]
        if word in keys and 1 <= len(rest) <= (3 if word == "log" else 1):
            keys[word].append(read_key(rest, COSIGNATURE if word == "witness" else LOG, where))
        else:
            require(not word or (word == "quorum" and len(rest) == 1), where, f"{word!r} says nothing here")
            quorum = number(rest[0], where) if word else quorum
    require(len({key.name for key in keys["log"]}) == 1, "policy", "names no log, or several")
    require(len({key.raw for key in keys["witness"]}) == len(keys["witness"]) >= quorum, "policy", "lacks witnesses")
    return Policy(keys["log"], keys["author"], keys["witness"], quorum)


def require_signed(key: Key, signature: bytes, message: bytes, where: str) -> None:
    """Go on only where this key made this signature."""
    try:
        Ed25519PublicKey.from_public_bytes(key.raw).verify(signature, message)
    except InvalidSignature:
        raise NotProven(f"{where}: {key.name} did not sign this") from None


def verify_checkpoint(note: bytes, policy: Policy, where: str) -> tuple[Head, list[str]]:
    """The head that a checkpoint shows, and words on who saw it."""
    text, separator, lines = note.decode(errors="replace").rpartition("\n\n")
    body = text.split("\n")
    require(separator and len(body) == 3, where, "is no checkpoint")
    size, root = number(body[1], where), unbase64(body[2], where)
    require(body[0] == policy.logs[0].name, where, f"is of another log: {body[0]!r}")
    line = r"— ([^\s+]+) ([A-Za-z0-9+/]{8,}={0,2})\n"
    require(re.fullmatch(f"({line})+", lines), where, "has a line that is no signature")
    decoded = [(name, unbase64(encoded, where)) for name, encoded in re.findall(line, lines)]
    signatures = [(name, content[:4], content[4:]) for name, content in decoded]
    keys = [key for key in policy.logs if key.first <= size <= key.last]
    good = [(key, one[2]) for key in keys for one in signatures if one[:2] == key[:2]]
    require(good, where, f"no key that is trusted for {size} entries has signed it")
    for key, signature in good:
        require_signed(key, signature, f"{text}\n".encode(), where)
    seen = dict[str, int]()
    for key in policy.witnesses:
        for signature in (one[2] for one in signatures if one[:2] == key[:2]):
            seconds = int.from_bytes(signature[:8], "big")
            require_signed(key, signature[8:], f"cosignature/v1\ntime {seconds}\n{text}\n".encode(), where)
            seen[key.name] = max(seconds, seen.get(key.name, 0))
    require(len(seen) >= policy.quorum, where, f"{len(seen)} of the {policy.quorum} witnesses demanded have signed")
    times = [(name, datetime.fromtimestamp(min(seconds, 2**35), UTC)) for name, seconds in sorted(seen.items())]
    return (size, root), [f"the witness {name} saw this tree at {when:%Y-%m-%d %H:%M:%S} UTC" for name, when in times]


def node_hash(left: bytes, right: bytes) -> bytes:
    """Hash of two subtrees (RFC 6962, section 2.1)."""
    return sha256(b"\x01" + left + right).digest()


def tree_root(row: list[bytes]) -> bytes:
    """Root over leaf hashes; at each level an odd last one goes up as it is."""
    while len(row) > 1:
        row = [node_hash(row[at], row[at + 1]) for at in range(0, len(row) - 1, 2)] + row[len(row) & ~1 :]
    return row[0] if row else sha256(b"").digest()


def path_root(node: bytes, index: int, size: int, path: list[bytes], where: str) -> bytes:
    """Root that an inclusion proof leads to (RFC 6962, section 2.1.1)."""
    require((size > 1) == bool(path) and index < size, where, "has an index or an inclusion proof of another tree")
    if size == 1:
        return node
    split = 1 << ((size - 1).bit_length() - 1)  # leaves in the left subtree
    if index < split:
        return node_hash(path_root(node, index, split, path[:-1], where), path[-1])
    return node_hash(path[-1], path_root(node, index - split, size - split, path[:-1], where))


def read_entry(entry: bytes, policy: Policy, where: str) -> tuple[dict[str, Any], list[str]]:
    """The statement of an entry and the authors who signed it; where authors are trusted, one of them must have."""
    try:
        envelope = json.loads(entry)
        payload = unbase64(envelope["payload"], where)
        statement = json.loads(payload)
        model, sequence = statement["predicate"]["model"], statement["predicate"]["sequence"]
        require(isinstance(model, str) and type(sequence) is int, where, "has no model and sequence")
        require(envelope["payloadType"] == PAYLOAD_TYPE, where, "is no in-toto Statement")
        signatures = [(str(one["keyid"]), str(one["sig"])) for one in envelope["signatures"]]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise NotProven(f"{where}: is no entry of this log") from None
    message, signed = b"DSSEv1 28 %s %d %s" % (PAYLOAD_TYPE.encode(), len(payload), payload), list[str]()
    for key in policy.authors + policy.logs * (model == "*"):  # the log itself is believed about itself alone
        for signature in (sig for keyid, sig in signatures if keyid == f"{key.name}+{key.identifier.hex()}"):
            require_signed(key, unbase64(signature, where), message, where)
            signed.append(key.name)
    require(signed or not policy.authors, where, "no author who is trusted has signed it")
    return statement, signed


def count(numbers: dict[str, int], statement: dict[str, Any], where: str, first: int = 1) -> None:
    """Each model's entries are numbered without a gap, so that one that was left out shows."""
    model, sequence = statement["predicate"]["model"], statement["predicate"]["sequence"]
    expected = numbers[model] + 1 if model in numbers else first
    require(sequence == expected, where, f"{model} has number {sequence} where {expected} must be: an entry is missing")
    numbers[model] = sequence


def verify_proofs(path: Path, policy: Policy, seen: Head | None) -> list[str]:
    """Words on what a file of proofs (https://c2sp.org/tlog-proof) proves."""
    parts = path.read_bytes().decode(errors="replace").split(f"{HEADER}\n")
    require(parts[0] == "" and len(parts) > 1, "file", f"does not begin with {HEADER}")
    roots, numbers, words, before = dict([seen] if seen else []), dict[str, int](), ["PROVEN"], -1
    for ordinal, part in enumerate(parts[1:], start=1):
        where = f"proof {ordinal}"
        first, _, note = part.partition("\n\n")
        lines = first.split("\n")
        require([line[:6] for line in lines[:2]] == ["extra ", "index "], where, "has no entry or no index")
        entry, index = unbase64(lines[0][6:], where), number(lines[1][6:], where)
        (size, root), witnesses = verify_checkpoint(note.encode(), policy, where)
        require(roots.setdefault(size, root) == root, where, f"SPLIT VIEW: two trees of {size} entries were signed")
        nodes = [unbase64(line, where) for line in lines[2:]]
        led = path_root(sha256(b"\x00" + entry).digest(), index, size, nodes, where)
        require(led == root, where, "the entry does not lead to the signed root: it was changed, or is of another log")
        require(index > before, where, f"entry {index} comes after entry {before}: repeated, or out of order")
        before = index
        statement, authors = read_entry(entry, policy, where)
        count(numbers, statement, where, first=statement["predicate"]["sequence"])
        words += [f"entry {index} of {size} in the log {policy.logs[0].name}, by {' and '.join(authors) or 'anybody'}:"]
        words += [f"    {line}" for line in [*json.dumps(statement, indent=2).splitlines(), *witnesses]]
    shown = ", ".join(f"{model} up to number {last}" for model, last in numbers.items())
    return [*words, f"nothing here was changed since it was signed, and nothing was left out in between ({shown})"]


def verify_log(root: Path, policy: Policy, seen: Head | None) -> list[str]:
    """Words on what a copy of a log (https://c2sp.org/tlog-tiles) proves."""
    (size, signed_root), witnesses = verify_checkpoint((root / "checkpoint").read_bytes(), policy, "checkpoint")
    require(not seen or seen[0] <= size, "checkpoint", f"ROLLED BACK to {size} entries: more were seen before")
    leaves, numbers = list[bytes](), dict[str, int]()
    while len(leaves) < size:
        for entry in read_bundle(root, len(leaves) // 256, min(256, size - len(leaves))):
            where = f"entry {len(leaves)}"
            count(numbers, read_entry(entry, policy, where)[0], where)
            leaves.append(sha256(b"\x00" + entry).digest())
    level, row = 0, leaves
    while row:
        for start in range(0, len(row), 256):
            check_files(root, level, start // 256, row[start : start + 256])
        level, row = level + 1, [tree_root(row[start : start + 256]) for start in range(0, len(row) - 255, 256)]
    require(tree_root(leaves) == signed_root, "tree", f"its {size} entries do not have the signed root")
    if seen:
        require(tree_root(leaves[: seen[0]]) == seen[1], "tree", f"SPLIT VIEW: not what was kept at {seen[0]} entries")
    words = ["PROVEN", f"the log {policy.logs[0].name} has exactly these {size} entries, as its key signed them"]
    words += [f"none was left out of the entries of its {len(numbers)} models", *witnesses]
    words += ["it has grown out of the checkpoint that you kept"] * bool(seen)
    return [*words, f"authors' signatures: {'each is good' if policy.authors else 'not checked'}"]


def read_bundle(root: Path, index: int, width: int) -> list[bytes]:
    """The entries of a bundle, each of which is stored behind its length."""
    path = tile_path("entries", index, width)
    path = path if (root / path).exists() else tile_path("entries", index, 256)
    content, at, parts = (root / path).read_bytes(), 0, list[bytes]()
    while len(parts) < width:
        start, at = at, at + 2 + int.from_bytes(content[at : at + 2], "big")
        require(start + 2 <= at <= len(content), path, f"ends within entry {len(parts)} of {width}")
        parts.append(content[start:at])
    check_files(root, "entries", index, parts)
    return [part[2:] for part in parts]


def check_files(root: Path, level: int | str, index: int, parts: list[bytes]) -> None:
    """A tile has these parts; earlier, narrower ones are beginnings of it, and a later one begins with it."""
    partial = root / (tile_path(level, index, 256) + ".p")
    widths = [int(file.name) for file in partial.glob("[1-9]*") if file.name.isdecimal() and int(file.name) < 256]
    widths += [256] if (root / tile_path(level, index, 256)).exists() else []
    require(max(widths, default=0) >= len(parts), tile_path(level, index, len(parts)), "is missing")
    for width in widths:
        content, expected = (root / tile_path(level, index, width)).read_bytes(), b"".join(parts[:width])
        good = content == expected if width <= len(parts) else content.startswith(expected)
        require(good, tile_path(level, index, width), "is not what the entries lead to")


def tile_path(level: int | str, index: int, width: int) -> str:
    """Where a tile or a bundle is: x001/x234/067 for 1,234,067."""
    groups = f"{index:,}".split(",")
    folders = "/".join([f"x{group:>03}" for group in groups[:-1]] + [f"{groups[-1]:>03}"])
    return f"tile/{level}/{folders}" + (f".p/{width}" if width < 256 else "")


def verify(path: Path, trust: Path, kept: Path | None = None, *, signatures: bool = False) -> list[str]:
    """Words on what is proven. Raises NotProven, and OSError where a file cannot be read."""
    policy = read_policy(trust.read_bytes().decode(errors="replace"))
    seen = verify_checkpoint(kept.read_bytes(), policy._replace(quorum=0), "kept checkpoint")[0] if kept else None
    whole = policy if signatures else policy._replace(authors=[])
    words = verify_log(path, whole, seen) if path.is_dir() else verify_proofs(path, policy, seen)
    words += ["NOT PROVEN", "that what an entry says is true: only that it was said then, and not changed since"]
    words += ["that everybody is shown the same log: your policy demands no witness"] * (not policy.quorum)
    return [*words, "what happened after the last entry that the checkpoint covers"]


def main(argv: list[str] | None = None) -> None:
    """Print what is proven, or end with exit code 1 and the reason."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("path", type=Path, help="a file of proofs, or a folder with a copy of a log")
    parser.add_argument("--trust", type=Path, required=True, help="policy file")
    parser.add_argument("--seen", type=Path, help="a checkpoint that you kept")
    parser.add_argument("--signatures", action="store_true", help="check each entry's author in a folder, too")
    arguments = parser.parse_args(argv)
    try:
        print("\n".join(verify(arguments.path, arguments.trust, arguments.seen, signatures=arguments.signatures)))
    except (NotProven, OSError) as problem:
        sys.exit(f"NOT PROVEN: {problem}")


if __name__ == "__main__":
    main()

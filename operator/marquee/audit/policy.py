"""Whom a reader trusts: the log's keys, the authors of entries, and how many witnesses must have seen a checkpoint.

As text, one statement a line; ``#`` begins a comment::

    log      marquee.example/audit+a1b2c3d4+AX...  0 5000    # a retired key: only for trees of up to 5,000 entries
    log      marquee.example/audit+0f1e2d3c+AY...
    author   operator.example+...
    witness  witness.example/one+...
    witness  witness.example/two+...
    quorum   2
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from marquee.audit.errors import FormatError, ProofError
from marquee.audit.keys import PublicKey, Use, read_public
from marquee.audit.notes import Cosigned, SignedCheckpoint, cosignatures, read_number, require_log

_MAX_ARGUMENTS: Final = 3
UNLIMITED: Final = 2**63


@dataclass(frozen=True)
class LogKey:
    """A log's key and the sizes of trees for which it may sign."""

    key: PublicKey
    first: int = 0
    last: int = UNLIMITED

    def may_sign(self, size: int) -> bool:
        """Whether its signature counts for a tree of this size."""
        return self.first <= size <= self.last


@dataclass(frozen=True)
class Policy:
    """What must hold before a checkpoint is believed."""

    origin: str
    logs: Sequence[LogKey]
    authors: Sequence[PublicKey] = ()
    witnesses: Sequence[PublicKey] = ()
    quorum: int = 0

    def __post_init__(self) -> None:
        if not 0 <= self.quorum <= len(self.witnesses):
            what = f"demands {self.quorum} of {len(self.witnesses)} witnesses"
            raise FormatError("policy", what, "name more witnesses or demand fewer")
        if len({witness.raw for witness in self.witnesses}) < len(self.witnesses):
            raise FormatError("policy", "names the key of a witness twice", "name as many keys as there are witnesses")

    def log_keys(self, size: int) -> list[PublicKey]:
        """The keys whose signature counts for a tree of this size."""
        return [log.key for log in self.logs if log.may_sign(size)]

    def require(self, signed: SignedCheckpoint, where: str = "checkpoint") -> list[Cosigned]:
        """The witnesses that have seen a checkpoint, once the log and enough of them have signed it.

        Raises:
            ProofError: the log has not, or too few have.

        """
        require_log(signed, self.origin, self.log_keys(signed.checkpoint.size), where)
        seen = cosignatures(signed, self.witnesses, where)
        if len(seen) < self.quorum:
            what = f"{len(seen)} of the {self.quorum} witnesses that the policy demands have cosigned"
            raise ProofError(where, what, "wait for them, or ask the log for a later checkpoint")
        return seen


def read_policy(text: str, where: str = "policy") -> Policy:
    """A policy from its text. Its log's name is the origin.

    Raises:
        FormatError: a line says nothing, or what they say cannot hold.

    """
    logs: list[LogKey] = []
    keys: dict[str, list[PublicKey]] = {"author": [], "witness": []}
    quorum = 0
    for number, line in enumerate(text.splitlines(), start=1):
        here = f"{where}, line {number}"
        word, *arguments = line.partition("#")[0].split() or [""]
        if word == "log" and 1 <= len(arguments) <= _MAX_ARGUMENTS:
            sizes = [read_number(argument, here) for argument in arguments[1:]]
            logs.append(LogKey(_key_for(Use.LOG, arguments[0], here), *sizes))
        elif word in keys and len(arguments) == 1:
            use = Use.LOG if word == "author" else Use.COSIGNATURE
            keys[word].append(_key_for(use, arguments[0], here))
        elif word == "quorum" and len(arguments) == 1:
            quorum = read_number(arguments[0], here)
        elif word:
            remedy = "write: log KEY [FIRST [LAST]], author KEY, witness KEY, or quorum NUMBER"
            raise FormatError(here, f"{word!r} with {len(arguments)} arguments says nothing", remedy)
    if len({log.key.name for log in logs}) != 1:
        raise FormatError(where, "names no log, or several", "give the keys of one log, all with its name")
    return Policy(logs[0].key.name, logs, keys["author"], keys["witness"], quorum)


def _key_for(use: Use, text: str, where: str) -> PublicKey:
    key = read_public(text, where)
    if key.use is not use:
        raise FormatError(where, f"{key.name} is a key for another use", "give the key that belongs in this line")
    return key

"""The audit log over HTTP: the operator appends entries, everybody reads entries, tiles and proofs."""

from __future__ import annotations

from typing import Final

from pydantic import Field

from marquee.contract.manifest import ContractModel

ENTRY_TYPE: Final = "application/vnd.dsse.envelope.v1+json"
"""Content type of an entry."""


class EnteredReply(ContractModel):
    """The answer to an entry: it is on disk, whoever entered it when."""

    model: str
    sequence: int
    index: int


class LoggedEntry(ContractModel):
    """One entry of the log."""

    index: int = Field(ge=0)
    entry: str = Field(description="its bytes, in base64")


class AuditEntriesReply(ContractModel):
    """Some entries."""

    size: int = Field(description="entries in the log; those of the last second may be in no checkpoint yet")
    entries: tuple[LoggedEntry, ...] = ()

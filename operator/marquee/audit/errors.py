"""What can go wrong with an audit log, as one tree.

::

    AuditError
    ├── FormatError            bytes that do not follow their format
    │   └── EntryTooLargeError     more than 65,535 bytes
    ├── ProofError             a hash, a signature or a count does not show what is claimed
    │   ├── ForeignLogError        a checkpoint of another log
    │   └── KeyUnknownError        nobody who is trusted signed
    ├── SequenceError          an entry that does not follow the one before it
    │   ├── SequenceGapError       one is missing before it
    │   └── SequenceReusedError    its number belongs to another entry
    ├── DamagedError           what is stored contradicts itself; a person must look
    ├── BusyError              too much waits to be written; nothing was taken
    └── StoreError             the store did not do what it was asked to; nothing was acknowledged
        ├── StoreFullError         no space
        ├── StoreRefusedError      no permission
        ├── MissingError           no such file
        ├── ImmutableError         the file exists with other content
        ├── WriteLostError         what was read back is not what was written
        └── LockedError            another process writes this log

Every message says where it happened, what happened, and what to do.
"""

from __future__ import annotations


class AuditError(Exception):
    """Base of the tree: where, what, and what to do about it."""

    def __init__(self, where: str, what: str, remedy: str) -> None:
        super().__init__(f"{where}: {what}; {remedy}")
        self.where = where
        self.what = what
        self.remedy = remedy


class FormatError(AuditError):
    """Bytes that do not follow their format."""


class EntryTooLargeError(FormatError):
    """An entry that does not fit into an entry bundle."""


class ProofError(AuditError):
    """A hash, a signature or a count does not show what is claimed."""


class ForeignLogError(ProofError):
    """A checkpoint whose origin is another log's."""


class KeyUnknownError(ProofError):
    """A note that none of the trusted keys signed."""


class SequenceError(AuditError):
    """An entry that does not follow the one before it."""


class SequenceGapError(SequenceError):
    """An entry is missing before this one."""


class SequenceReusedError(SequenceError):
    """The sequence number belongs to another entry."""


class DamagedError(AuditError):
    """What is stored contradicts itself, so that going on could hide something."""


class BusyError(AuditError):
    """More waits to be written than may be kept in memory."""


class StoreError(AuditError):
    """The store did not do what it was asked to."""


class StoreFullError(StoreError):
    """No space is left."""


class StoreRefusedError(StoreError):
    """The store does not permit it."""


class MissingError(StoreError):
    """There is no such file."""


class ImmutableError(StoreError):
    """A file that never changes exists with other content."""


class WriteLostError(StoreError):
    """What was read back is not what was written."""


class LockedError(StoreError):
    """Another process writes this log."""

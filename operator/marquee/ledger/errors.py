"""What can go wrong in the ledger, as one tree.

::

    LedgerError
    ├── SettingsError           an environment variable or a mounted file cannot be used
    ├── SchemaError             the database belongs to another version
    ├── StoreUnavailableError   the database does not answer; nothing was acknowledged
    ├── BusyError               too much waits to be written; nothing was taken
    ├── UnwritableError         an entry that nobody foresaw; the log says why
    ├── SealBrokenError         what is kept of a subject cannot be read: a key is missing, or something was changed
    ├── ErasurePendingError     a subject is marked, and its erasure will be finished when the reason is gone
    ├── ModelsUnavailableError  the cluster's API server cannot be asked for a MarketingModel
    ├── ModelNotJudgedError     a MarketingModel that Marquee rolls out itself, or that asks nothing
    └── RejectedError           an entry contradicts what the book says
        ├── BatchReusedError        a batch id came back with other content
        ├── DeclarationChangedError a rollout was declared with other metrics
        ├── RolloutUnknownError     no such rollout
        ├── StampingChangedError    a rollout that is over, or between other revisions
        ├── ProfileUnknownError     drift counters over bins that nobody has described
        ├── EpochSharedError        drift counters of two processes that say they are one
        ├── ClockWentBackError      drift counters of an earlier slice than the process has sent before
        └── TooManyRolloutsError    a model has too many rollouts that nobody declared
"""

from __future__ import annotations


class LedgerError(Exception):
    """Anything below; the message is for people."""


class SettingsError(LedgerError):
    """An environment variable or a mounted file has a content that cannot be used."""


class SchemaError(LedgerError):
    """The database was written by a newer version of the ledger."""


class StoreUnavailableError(LedgerError):
    """The database does not answer; the entry was not acknowledged and may be sent again."""


class BusyError(LedgerError):
    """More waits to be written than may be kept in memory."""


class UnwritableError(LedgerError):
    """An entry could not be written for a reason that nobody foresaw: a mistake in the ledger."""


class SealBrokenError(LedgerError):
    """A master key is missing or another one, or what is kept of a subject was changed."""


class ErasurePendingError(LedgerError):
    """An erasure could not be finished now; the subject is marked, and the ledger finishes it by itself."""


class ModelsUnavailableError(LedgerError):
    """The cluster's API server cannot be asked for a MarketingModel, or there is none."""


class ModelNotJudgedError(LedgerError):
    """A MarketingModel that nobody else rolls out, or that cannot be read."""


class RejectedError(LedgerError):
    """An entry contradicts what the book says; sending it again cannot help."""


class BatchReusedError(RejectedError):
    """A batch id came back with other content."""


class DeclarationChangedError(RejectedError):
    """A rollout that has been declared is declared with other metrics."""


class RolloutUnknownError(RejectedError):
    """The ledger knows no such rollout."""


class StampingChangedError(RejectedError):
    """A rollout is over, or compares other revisions than those that are to stamp for it."""


class TooManyRolloutsError(RejectedError):
    """A model has more undeclared rollouts than a mistake explains."""


class ProfileUnknownError(RejectedError):
    """Drift counters over bins that no pod of the revision has described."""


class EpochSharedError(RejectedError):
    """Two processes send drift counters with one epoch, or one of them sends an old number with other content."""


class ClockWentBackError(RejectedError):
    """A process sends drift counters of an earlier slice than before within one epoch."""

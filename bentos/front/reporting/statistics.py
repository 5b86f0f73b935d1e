"""What became of exposures and counts, for the metrics page."""

from __future__ import annotations

from enum import StrEnum


class Kind(StrEnum):
    """What is reported; the number of an exposure's records is that of its units, a count's that of its requests."""

    EXPOSURES = "exposures"
    COUNTS = "counts"
    DRIFT = "drift"
    """Counters of what the model saw; the number of records is that of rows."""
    PROFILES = "drift-profiles"
    """Over which bins they are counted."""
    DECISIONS = "decisions"
    """Predictions that are kept to be explained."""


class Reason(StrEnum):
    """Why records were given up."""

    BUFFER_FULL = "buffer-full"
    """The reporter did not take them out of memory in time."""
    SPOOL_FULL = "spool-full"
    """The ledger was away for longer than the spool has room for."""
    SPOOL_BROKEN = "spool-broken"
    """The spool could not be written."""
    REFUSED = "refused"
    """The ledger says that sending them again cannot help."""
    SUPPRESSED = "suppressed"
    """They waited when the ledger said that nothing is to be kept of their subject."""
    TOO_MANY_COHORTS = "too-many-cohorts"
    """More cohorts within a second than any gateway stamps."""


class Statistics:
    """Plain integers, each written by one thread; the scrape may see them a moment apart."""

    def __init__(self) -> None:
        self.sent = dict.fromkeys(Kind, 0)
        self.spooled = dict.fromkeys(Kind, 0)
        self.dropped = {(kind, reason): 0 for kind in Kind for reason in Reason}
        self.torn_files = 0
        self.retries = 0
        self.last_success_seconds = 0.0
        """Since 1970; 0: never."""
        self.fresh_units = 0
        """Packed, and in memory for the first try."""
        self.spool_bytes = 0
        """In the store, be it a folder or memory."""
        self.spool_batches = 0

    def drop(self, kind: Kind, reason: Reason, records: int) -> None:
        """Count records that the ledger will never see."""
        self.dropped[kind, reason] += records

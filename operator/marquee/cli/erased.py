"""What an entry about an erased data subject proves, and what it does not, in words."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from marquee.audit.errors import AuditError
from marquee.audit.events import SubjectErased
from marquee.audit.proving import read_proofs
from marquee.audit.statements import read_entry


def explained(path: Path) -> Iterator[str]:
    """Lines about the erasures in a file of proofs that was verified; none where it has none."""
    found = [
        (proof.index, statement)
        for proof in read_proofs(path.read_text(encoding="utf-8"), str(path))
        if (statement := _statement(proof.entry)) is not None
    ]
    if not found:
        return
    yield "ERASURES"
    for index, (time, event) in found:
        yield (
            f"entry {index}: at {time} the key of one subject of {event.concerned} was to be destroyed "
            f"({event.reason}), by the ledger itself"
        )
    yield "a receipt with the same commitment is about the same subject; nobody can tell who that was from the log"
    yield "NOT PROVEN"
    yield "that it was destroyed: the ledger says so before it does it, and no copy of the key elsewhere is shown here"


def _statement(entry: bytes) -> tuple[str, SubjectErased] | None:
    try:
        statement = read_entry(entry)
    except AuditError:  # of another version
        return None
    if not isinstance(statement.event, SubjectErased):
        return None
    return f"{statement.stamp.time:%Y-%m-%d %H:%M:%S} UTC", statement.event

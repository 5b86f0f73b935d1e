"""What a step of a rollout waits for the audit log: one entry, signed, sent to a ledger, flushed, and answered."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from pathlib import Path

import httpx

from marquee.audit.events import Stamp
from marquee.audit.statements import Statement, write_entry
from marquee.contract.audit import ENTRY_TYPE
from marquee.contract.audit_paths import AUDIT_ENTRIES_PATH
from tests.support.audit.logs import AUTHOR, SUBJECT, event
from tests.support.ledger import Ledger, keeping_a_log, settings_of


def step_milliseconds(folder: Path, count: int) -> float:
    """The median of so many steps of one model, one after the other."""
    folder.mkdir()
    times, previous = list[float](), None
    with (
        Ledger(settings_of(folder, **keeping_a_log(folder))) as ledger,
        httpx.Client(base_url=ledger.url, trust_env=False, timeout=30) as http,
    ):
        for sequence in range(1, count + 1):
            started = time.perf_counter()
            stamp = Stamp(
                model="growth/lead",
                sequence=sequence,
                time=datetime.now(UTC),
                previous=previous,
                author=AUTHOR.public.text,
            )
            entry = write_entry(Statement(stamp, event(sequence % 1_001), (SUBJECT,)), [AUTHOR])
            answer = http.post(AUDIT_ENTRIES_PATH, content=entry, headers={"content-type": ENTRY_TYPE})
            times.append(time.perf_counter() - started)
            previous = int(answer.raise_for_status().json()["index"])
    return sorted(times)[count // 2] * 1e3

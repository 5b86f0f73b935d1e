"""``python -m marquee.ledger [serve | verify | fsck | new-key]``.

``serve`` runs the service, ``verify`` recomputes the integers from the rows and exits with 1 when they differ,
``fsck`` reads the whole audit log and exits with 1 when something is not as it must be, ``new-key`` prints an API key
and the hash that goes into the file of keys.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
from collections.abc import Sequence

from marquee.ledger.access.keys import new_key
from marquee.ledger.book.verifying import verify
from marquee.ledger.errors import LedgerError
from marquee.ledger.keeping import check
from marquee.ledger.service import serve
from marquee.ledger.settings import Settings, settings_from
from marquee.ledger.store.database import Database
from marquee.ledger.store.reading import reading

EXIT_CODE_SETTINGS = 78
"""EX_CONFIG of sysexits.h, as predictors use it."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the exit code."""
    parser = argparse.ArgumentParser(prog="marquee.ledger", description=__doc__)
    parser.add_argument("command", nargs="?", choices=("serve", "verify", "fsck", "new-key"), default="serve")
    command = parser.parse_args(arguments).command
    if command == "new-key":
        key, digest = new_key()
        print(f"key:    {key}\nsha256: {digest}")
        return 0
    try:
        settings = settings_from()
        logging.basicConfig(level=settings.log_level, stream=sys.stderr, format="%(levelname)s %(name)s: %(message)s")
        return {"verify": _verify, "fsck": _fsck, "serve": _serve}[command](settings)
    except LedgerError as error:
        print(f"the ledger cannot run: {error}", file=sys.stderr)
        return EXIT_CODE_SETTINGS


def _serve(settings: Settings) -> int:
    import uvloop

    uvloop.run(serve(settings))
    return 0


def _verify(settings: Settings) -> int:
    database = Database(settings.database_url)
    try:
        contradictions = asyncio.run(reading(database, verify))
    finally:
        database.dispose()
    for sentence in contradictions:
        print(sentence)
    print(f"{len(contradictions)} contradictions" if contradictions else "the integers agree with the rows")
    return 1 if contradictions else 0


def _fsck(settings: Settings) -> int:
    report = check(settings)
    for finding in report.findings:
        print(f"{finding.where}: {finding.what}")
    signed = report.checkpoint.size if report.checkpoint else 0
    print(f"{report.entries} entries, {signed} of them in the checkpoint; {len(report.findings)} findings")
    return 0 if report.is_good else 1


if __name__ == "__main__":
    sys.exit(main())

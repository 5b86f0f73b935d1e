"""``python -m tests.support.audit.appending FOLDER``: appends for ever, and tells each entry that is acknowledged."""

from __future__ import annotations

import sys
from hashlib import sha256
from pathlib import Path

from marquee.audit.committing import Committer
from marquee.audit.log import AuditLog
from marquee.audit.store.posix import FolderStore
from tests.support.audit.logs import KEYS, entry


def main(folder: Path) -> None:
    """Eight entries at a time; a line has an index and the hash of what is there."""
    committer = Committer(AuditLog(FolderStore(folder), KEYS), checkpoint_seconds=0.05)
    committer.start()
    sequence = committer.log.course("growth/lead").last
    while True:
        sent = [entry(sequence + number) for number in range(1, 9)]
        for one, future in [(one, committer.submit(one)) for one in sent]:
            print(future.result(), sha256(one).hexdigest(), flush=True)
        sequence += len(sent)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""The audit log's writer is killed while it writes: what it acknowledged is there, and the next one goes on."""

from __future__ import annotations

import os
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest

from marquee.audit.checking import fsck
from marquee.audit.log import AuditLog
from marquee.audit.store.posix import FolderStore
from tests.support.audit.logs import KEYS, ORIGIN, PUBLIC

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("acknowledged", [1, 30, 300])
def test_a_killed_writer_loses_nothing(tmp_path: Path, acknowledged: int) -> None:
    """SIGKILL after so many acknowledgements, three times on the same log."""
    told: dict[int, str] = {}
    for _ in range(3):
        told |= _run_until_killed(tmp_path / "log", acknowledged)
        assert fsck(FolderStore(tmp_path / "log"), ORIGIN, PUBLIC).findings == []
        log = AuditLog(FolderStore(tmp_path / "log"), KEYS)
        assert {index: sha256(log.entry(index)).hexdigest() for index in told} == told
        log._claim.release()


def _run_until_killed(folder: Path, acknowledged: int) -> dict[int, str]:
    command = [sys.executable, "-m", "tests.support.audit.appending", str(folder)]
    environment = os.environ | {"PYTHONPATH": f"{ROOT}/operator:{ROOT}"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment, cwd=ROOT) as writer:
        assert writer.stdout is not None
        lines = [writer.stdout.readline() for _ in range(acknowledged)]
        writer.kill()
        lines += writer.stdout.readlines()
    told = [line.split() for line in lines if line.endswith("\n")]
    assert len(told) >= acknowledged
    return {int(index): digest for index, digest in told}

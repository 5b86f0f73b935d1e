"""The witness: what it cosigns, what it refuses and how, what it remembers; over HTTP and as a process."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from marquee.audit.__main__ import main
from marquee.audit.errors import AuditError, DamagedError, FormatError, LockedError, ProofError
from marquee.audit.keys import PrivateKey, Use
from marquee.audit.log import AuditLog, LogKeys
from marquee.audit.notes import Checkpoint, cosignatures, sign
from marquee.audit.policy import read_policy
from marquee.audit.proofs import consistency
from marquee.audit.store.posix import FolderStore
from marquee.audit.tree import StoredTree
from marquee.audit.witness.asking import Witness, ask
from marquee.audit.witness.judging import ADD_CHECKPOINT, Refusal, Submission, judge
from marquee.audit.witness.memory import Memory
from marquee.audit.witness.service import application, listening, read_logs
from tests.support.audit.disk import Disk
from tests.support.audit.logs import LOG_KEY, NEXT_KEY, ORIGIN, WITNESSES, entries, filled, policy_text

KEY = WITNESSES[0]
LOGS = {ORIGIN: [LOG_KEY.public]}


@pytest.fixture
def log() -> AuditLog:
    """Seven entries."""
    return filled(FolderStore("/log", Disk()), 7)


def submission(log: AuditLog, old: int) -> Submission:
    size = log.head.checkpoint.size
    return Submission(old, tuple(consistency(StoredTree(log.store, size), old, size)), log.head)


def status(body: bytes, seen: dict[str, Checkpoint] | None = None) -> int:
    verdict = judge(body, LOGS, seen or {})
    return int(verdict.status) if isinstance(verdict, Refusal) else 200


def test_a_log_that_grows_is_cosigned(log: AuditLog) -> None:
    """From nothing, then from what was seen; the same again is cosigned again."""
    body = submission(log, 0).body
    assert judge(body, LOGS, {}) == log.head.checkpoint
    seen = {ORIGIN: log.head.checkpoint}
    assert judge(Submission(7, (), log.head).body, LOGS, seen) == log.head.checkpoint
    log.append(entries(12)[7:])
    log.checkpoint()
    assert judge(submission(log, 7).body, LOGS, seen) == log.head.checkpoint


def test_the_body_is_that_of_the_specification(log: AuditLog) -> None:
    """Old size, hashes, an empty line, the checkpoint."""
    text = submission(log, 3).body.decode()
    assert re.match(r"old 3\n([A-Za-z0-9+/]{43}=\n){3,4}\nlogs.example/marquee\n7\n", text)


def test_each_refusal_has_its_status(log: AuditLog) -> None:
    """As the specification lists them."""
    seen = {ORIGIN: log.head.checkpoint}
    other = filled(FolderStore("/log", Disk()), 7, models=2)
    log.append(entries(12)[7:])
    log.checkpoint()
    good = submission(log, 7)
    foreign = PrivateKey("logs.example/other", Use.LOG, bytes(32))
    unknown = Submission(0, (), sign(Checkpoint(foreign.name, 1, bytes(32)), [foreign]))
    assert status(b"") == status(b"old x\n\n") == status(good.body.replace(b"old 7", b"old 07")) == 400
    assert status(Submission(13, (), log.head).body) == 400
    assert status(unknown.body) == 404
    assert status(Submission(7, good.path, sign(log.head.checkpoint, [NEXT_KEY])).body, seen) == 403
    assert status(submission(log, 3).body, seen) == 409
    assert status(Submission(7, (), other.head).body, seen) == 409
    assert status(Submission(7, good.path[::-1], log.head).body, seen) == 422
    assert status(good.body, {ORIGIN: other.head.checkpoint}) == 422


def test_a_conflict_says_which_size_was_seen(log: AuditLog) -> None:
    """So that the log can send the right proof."""
    verdict = judge(submission(log, 3).body, LOGS, {})
    assert isinstance(verdict, Refusal)
    assert (verdict.text, verdict.content_type) == ("0\n", "text/x.tlog.size")


def test_what_was_cosigned_is_remembered(log: AuditLog) -> None:
    """Across restarts; times never go back, also when the clock does."""
    disk = Disk()
    memory = Memory(FolderStore("/w", disk), KEY, clock=lambda: 100)
    memory.cosign(log.head.checkpoint)
    again = Memory(FolderStore("/w", disk.ended()), KEY, clock=lambda: 50)
    assert again.seen == {ORIGIN: log.head.checkpoint}
    signed = log.head.with_signatures([again.cosign(log.head.checkpoint)])
    assert [one.seconds for one in cosignatures(signed, [KEY.public])] == [100]


def test_a_memory_of_somebody_else_is_not_gone_on_with(log: AuditLog) -> None:
    """It could contradict what it signed; nor do two processes have one memory."""
    disk = Disk()
    Memory(FolderStore("/w", disk), KEY).cosign(log.head.checkpoint)
    with pytest.raises(LockedError):
        Memory(FolderStore("/w", disk), KEY)
    with pytest.raises(DamagedError, match=r"was not written by this witness; restore it, or begin with a new key"):
        Memory(FolderStore("/w", disk.ended()), WITNESSES[1])


@asynccontextmanager
async def served(folder: Path) -> AsyncIterator[Witness]:
    """A witness on a free port."""
    memory = Memory(FolderStore(folder), KEY)
    async with listening(application(memory, LOGS), "127.0.0.1", 0) as port:
        yield Witness(f"http://127.0.0.1:{port}", KEY.public)
    memory.close()


async def test_a_log_asks_and_keeps_the_answer(log: AuditLog, tmp_path: Path) -> None:
    """With the quorum reached, the policy holds; a forgetful log learns which size was seen."""
    async with served(tmp_path) as witness, aiohttp.ClientSession() as session:
        for size in (7, 12):
            log.append(entries(size)[7:])
            log.checkpoint()
            log.add_cosignatures(log.head.checkpoint, await ask(session, witness, log.store, log.head))
            witness.size = 3
        read_policy(policy_text(1)).require(log.head)
        assert log.cosigned() == log.head


async def test_a_split_view_is_not_cosigned(log: AuditLog, tmp_path: Path) -> None:
    """The second tree of a log, of any size."""
    async with served(tmp_path) as witness, aiohttp.ClientSession() as session:
        await ask(session, witness, log.store, log.head)
        for size, words in ((7, "has seen another tree, of 7 entries"), (9, "refuses with 422"), (5, "of 7 entries")):
            other = filled(FolderStore("/log", Disk()), size, models=2)
            with pytest.raises(ProofError, match=words):
                await ask(session, witness, other.store, other.head)


async def test_two_at_once_cannot_set_it_back(log: AuditLog, tmp_path: Path) -> None:
    """One of them is told what was seen."""
    bodies = [submission(log, 0).body]
    log.append(entries(9)[7:])
    log.checkpoint()
    bodies.append(submission(log, 0).body)
    async with served(tmp_path) as witness, aiohttp.ClientSession() as session:

        async def post(body: bytes) -> int:
            async with session.post(witness.url + ADD_CHECKPOINT, data=body) as response:
                return response.status

        assert sorted(await asyncio.gather(*map(post, bodies))) == [200, 409]
        assert await post(b"x" * 100_000) == 413


async def test_a_witness_that_is_away_is_told(log: AuditLog) -> None:
    """With its address."""
    async with aiohttp.ClientSession() as session:
        with pytest.raises(AuditError, match=r"http://127.0.0.1:1: cannot be reached"):
            await ask(session, Witness("http://127.0.0.1:1", KEY.public), log.store, log.head)


async def test_a_witness_with_another_key_is_told(log: AuditLog, tmp_path: Path) -> None:
    """Its answer has no cosignature that is known."""
    async with served(tmp_path) as witness, aiohttp.ClientSession() as session:
        witness.key = WITNESSES[1].public
        with pytest.raises(ProofError, match=r"answered without its cosignature; compare its public key"):
            await ask(session, witness, log.store, log.head)


@pytest.mark.parametrize("text", ["", "# nothing", "x", KEY.public.text])
def test_what_names_no_log(text: str) -> None:
    """An empty list, no key, a witness's key."""
    with pytest.raises(FormatError):
        read_logs(text, "logs")


@pytest.fixture
def process(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """The witness as its keeper starts it."""
    (tmp_path / "key").write_text(KEY.text, encoding="utf-8")
    (tmp_path / "logs").write_text(f"{LOG_KEY.public.text}  # ours\n", encoding="utf-8")
    command = [sys.executable, "-m", "marquee.audit", "witness", "--port", "0"]
    command += [part for name in ("key", "logs", "state") for part in (f"--{name}", str(tmp_path / name))]
    with subprocess.Popen(
        command, stderr=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": "operator"}
    ) as child:
        yield child
        child.kill()


async def test_the_process(process: subprocess.Popen[str], log: AuditLog) -> None:
    """It listens, cosigns, and ends when it is asked to."""
    assert process.stderr is not None
    found = re.search(r"listening on port (\d+)", process.stderr.readline())
    assert found
    async with aiohttp.ClientSession() as session:
        await ask(session, Witness(f"http://127.0.0.1:{found[1]}", KEY.public), log.store, log.head)
    process.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(process.wait, 30) == 0


def test_a_witness_that_cannot_begin_says_why(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No key, a log's key."""
    (tmp_path / "logs").write_text(LOG_KEY.public.text, encoding="utf-8")
    command = [
        "witness",
        "--logs",
        str(tmp_path / "logs"),
        "--state",
        str(tmp_path / "s"),
        "--key",
        str(tmp_path / "key"),
    ]
    assert main(command) == 78
    assert "the key cannot be read" in capsys.readouterr().err
    (tmp_path / "key").write_text(LOG_KEY.text, encoding="utf-8")
    assert main(command) == 78
    assert "is no witness's key; make one with: python -m marquee.audit new-key --witness" in capsys.readouterr().err


def test_the_key_of_the_log_is_not_the_witnesss() -> None:
    """One key for both would let a log cosign itself."""
    with pytest.raises(FormatError):
        LogKeys(ORIGIN, [KEY])

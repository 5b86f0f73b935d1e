"""The ledger asks real witnesses for cosignatures, hands out what they signed, and says when its own key changes."""

from __future__ import annotations

import base64
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from marquee.audit.events import INSTALLATION, KeyRotated
from marquee.audit.keys import PrivateKey, Use
from marquee.audit.statements import read_entry
from marquee.audit.verify_offline import verify
from marquee.contract.audit_paths import AUDIT_ENTRIES_PATH, AUDIT_POLICY_PATH, AUDIT_PROOFS_PATH
from marquee.ledger import witnessing
from marquee.ledger.errors import SettingsError
from marquee.ledger.settings import settings_from
from tests.support.audit.logs import NEXT_KEY, WITNESSES
from tests.support.ledger import LOG_NAME, LOG_SEED, Ledger, keeping_a_log, settings_of
from tests.support.plainhttp import http_client
from tests.unit.ledger.test_audit import Author

LOG_KEY: Final = PrivateKey(LOG_NAME, Use.LOG, LOG_SEED)


@contextmanager
def witness(folder: Path, key: PrivateKey, log: PrivateKey = LOG_KEY) -> Iterator[str]:
    """A process that watches a log; its key and address as the settings have them."""
    folder.mkdir()
    (folder / "key").write_text(key.text, encoding="utf-8")
    (folder / "logs").write_text(log.public.text + "\n", encoding="utf-8")
    command = [sys.executable, "-m", "marquee.audit", "witness", "--port", "0"]
    command += [part for name in ("key", "logs", "state") for part in (f"--{name}", str(folder / name))]
    environment = os.environ | {"PYTHONPATH": "operator"}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.stderr is not None
            found = re.search(r"listening on port (\d+)", process.stderr.readline())
            assert found
            yield f"{key.public.text} http://127.0.0.1:{found[1]}"
        finally:
            process.kill()


def await_cosigned(ledger: Ledger, size: int) -> None:
    audit, deadline = ledger.running.state.audit, time.monotonic() + 60
    assert audit is not None
    while audit.cosigned_size < size:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_quorum_of_witnesses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two of three are there: what they cosigned satisfies a reader who demands two, and the third one's absence holds
    up nobody."""
    monkeypatch.setattr(witnessing, "ASK_SECONDS", 0.02)
    with ExitStack() as stack:
        lines = [stack.enter_context(witness(tmp_path / key.name[-1], key)) for key in WITNESSES[:2]]
        lines.append(f"{WITNESSES[2].public.text} http://127.0.0.1:1")
        settings = settings_of(tmp_path, **keeping_a_log(tmp_path), audit_witnesses=tuple(lines), audit_quorum=2)
        ledger = stack.enter_context(Ledger(settings))
        http = stack.enter_context(http_client(ledger.url, timeout=60))
        author = Author(http)
        for size in (2, 4):
            author.append(2)
            await_cosigned(ledger, size)
            proof, trust = tmp_path / f"{size}.tlog-proof", tmp_path / "policy"
            proof.write_text(http.get(AUDIT_PROOFS_PATH, params={"index": size - 1}).text, encoding="utf-8")
            trust.write_text(http.get(AUDIT_POLICY_PATH).text, encoding="utf-8")
            assert "\nquorum 2\n" in trust.read_text(encoding="utf-8")
            words = "\n".join(verify(proof, trust))
            assert words.count("saw this tree at") == 2
            assert "your policy demands no witness" not in words
        assert f"marquee_audit_cosigned_entries {4.0}" in http.get("/metrics").text


def test_without_a_quorum_a_proof_has_the_logs_word_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A witness that does not know the log refuses; entries and proofs are given all the same, after a wait."""
    monkeypatch.setattr(witnessing, "ASK_SECONDS", 0.02)
    monkeypatch.setattr("marquee.ledger.auditing._CHECKPOINT_POLLS", 4)
    with witness(tmp_path / "w", WITNESSES[0], NEXT_KEY) as line:
        settings = settings_of(tmp_path, **keeping_a_log(tmp_path), audit_witnesses=(line,))
        with Ledger(settings) as ledger, http_client(ledger.url, timeout=60) as http:
            Author(http).append(1)
            deadline = time.monotonic() + 60
            while (proof := http.get(AUDIT_PROOFS_PATH, params={"index": 0})).status_code == 503:
                assert time.monotonic() < deadline, proof.text
            assert proof.status_code == 200
            assert proof.text.count("\u2014 ") == 1
            audit = ledger.running.state.audit
            assert audit is not None
            assert audit.cosigned_size == 0


@pytest.mark.parametrize(
    ("environment", "why"),
    [
        ({"AUDIT_WITNESSES": "x http://127.0.0.1:1"}, "MARQUEE_LEDGER_AUDIT_WITNESSES"),
        ({"AUDIT_WITNESSES": WITNESSES[0].public.text}, "is no witness's key, a space and an address"),
        ({"AUDIT_WITNESSES": f"{LOG_KEY.public.text} http://127.0.0.1:1"}, "is no witness's key"),
        ({"AUDIT_WITNESSES": f"{WITNESSES[0].public.text} http://h:1", "AUDIT_QUORUM": "2"}, "2 of 1 witnesses"),
    ],
)
def test_witnesses_that_cannot_be(tmp_path: Path, environment: dict[str, str], why: str) -> None:
    """No key, no address, the log's own key, more than there are: said at the start."""
    given = settings_from({f"MARQUEE_LEDGER_{name}": value for name, value in environment.items()})
    changes: dict[str, Any] = {"audit_witnesses": given.audit_witnesses, "audit_quorum": given.audit_quorum}
    settings = settings_of(tmp_path, **keeping_a_log(tmp_path), **changes)
    with pytest.raises(SettingsError, match=why), Ledger(settings):
        pass


def test_another_key_is_entered_once(tmp_path: Path) -> None:
    """At the first start with it, by the ledger itself; not at the next one."""
    given = keeping_a_log(tmp_path)
    folder = given["audit_keys_path"]
    with Ledger(settings_of(tmp_path, **given)) as ledger, http_client(ledger.url) as http:
        Author(http).append(1)
    successor = PrivateKey(LOG_NAME, Use.LOG, bytes([8] * 32))
    (folder / "key").write_text(successor.seed.hex(), encoding="ascii")
    (folder / "retired").write_text(LOG_KEY.public.text + "\n", encoding="ascii")
    for _ in range(2):
        with (
            Ledger(settings_of(tmp_path, **given)) as ledger,
            http_client(ledger.url) as http,
        ):
            entries = http.get(AUDIT_ENTRIES_PATH, params={"from": 0}).json()["entries"]
    assert len(entries) == 2
    statement = read_entry(base64.b64decode(entries[1]["entry"]))
    assert isinstance(statement.event, KeyRotated)
    assert statement.stamp.model == INSTALLATION
    assert successor.public.identifier.hex() in statement.event.successor
    assert LOG_KEY.public.identifier.hex() in statement.event.retired

"""``docs/audit.md`` says what is so."""

from __future__ import annotations

from pathlib import Path

import pytest

from marquee.audit.__main__ import main
from marquee.audit.events import EVENTS, PREDICATES
from marquee.audit.log import AuditLog
from marquee.audit.proving import HEADER, read_proofs
from marquee.audit.store.posix import FolderStore
from tests.support.audit.logs import KEYS, entries, filled, write_policy

TEXT = (Path(__file__).resolve().parents[3] / "docs" / "audit.md").read_text(encoding="utf-8")


def test_every_kind_of_event_is_there() -> None:
    """In the table of what an entry says."""
    assert [kind for kind in EVENTS if f"`{kind.removeprefix(PREDICATES).partition('/')[0]}`" not in TEXT] == []
    assert all(kind.endswith("/v1") for kind in EVENTS)


def test_the_format_by_hand_is_the_one_that_is_written() -> None:
    """Its first line, and the text that an author signs."""
    assert f"\n{HEADER}\nextra " in TEXT
    assert "DSSEv1 28 application/vnd.in-toto+json LENGTH PAYLOAD" in TEXT
    assert len("application/vnd.in-toto+json") == 28


def test_the_commands_do_what_they_say(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A new key, fsck, all proofs of a model."""
    trust, folder = str(write_policy(tmp_path)), str(tmp_path / "log")
    log = filled(FolderStore(folder), 9)
    log.append(entries(10)[9:])
    log.close()
    assert main(["new-key", "logs.example/marquee"]) == 0
    assert capsys.readouterr().out.startswith("PRIVATE+KEY+logs.example/marquee+")
    assert main(["fsck", folder, "--trust", trust]) == 0
    assert capsys.readouterr().out == "10 entries, 10 of them in the checkpoint; 0 findings\n"
    assert main(["prove", folder, "--trust", trust, "--model", "growth/model-1"]) == 0
    assert [proof.index for proof in read_proofs(capsys.readouterr().out)] == [1, 4, 7]
    assert main(["prove", folder, "--trust", trust, "--index", "0"]) == 0
    assert read_proofs(capsys.readouterr().out)[0].entry == entries(10)[0]


def test_findings_are_told_with_their_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And the exit code is 1; 78 when nothing can be checked at all."""
    folder, trust = tmp_path / "log", str(write_policy(tmp_path))
    AuditLog(FolderStore(folder), KEYS).close()
    (folder / "notes.txt").write_text("x", encoding="utf-8")
    assert main(["fsck", str(folder), "--trust", trust]) == 1
    assert capsys.readouterr().out.startswith("notes.txt: does not belong to a log\n")
    assert main(["fsck", str(folder), "--trust", str(tmp_path / "none")]) == 78
    assert "cannot be read" in capsys.readouterr().err
    assert main(["prove", str(folder), "--trust", trust, "--index", "5"]) == 78
    assert "entry 5 is not among its 0 entries" in capsys.readouterr().err

"""``marquee audit verify``, as a person sees it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from marquee.audit.proving import prove
from marquee.audit.store.posix import FolderStore
from marquee.cli.exits import Exit
from marquee.cli.main import main
from tests.support.audit.logs import filled, write_policy


@pytest.fixture
def proof(tmp_path: Path) -> Path:
    """Of one entry."""
    log = filled(FolderStore(tmp_path / "log"), 9)
    path = tmp_path / "one.tlog-proof"
    path.write_text(next(prove(log.store, log.head, [4])).text, encoding="utf-8")
    return path


def test_a_proof(proof: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is proven, and what is not."""
    assert main(["audit", "verify", str(proof), "--trust", str(write_policy(tmp_path))]) == Exit.DONE
    out = capsys.readouterr().out
    assert out.startswith("PROVEN\nentry 4 of 9 in the log logs.example/marquee, by operator.example:\n")
    assert "\nNOT PROVEN\nthat what an entry says is true" in out


def test_what_does_not_hold(proof: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The place and the reason, and no word on standard output."""
    proof.write_text(proof.read_text(encoding="utf-8").replace("index 4", "index 5"), encoding="utf-8")
    assert main(["audit", "verify", str(proof), "--trust", str(write_policy(tmp_path))]) == Exit.FAILED
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("marquee: NOT PROVEN: proof 1: the entry does not lead to the signed root")


@pytest.mark.usefixtures("proof")
def test_a_whole_log_with_a_kept_checkpoint(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With each author's signature."""
    trust, log = str(write_policy(tmp_path)), tmp_path / "log"
    command = ["audit", "verify", str(log), "--trust", trust, "--seen", str(log / "checkpoint"), "--signatures"]
    assert main(command) == Exit.DONE
    assert "authors' signatures: each is good\n" in capsys.readouterr().out


def test_a_file_that_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its path is said."""
    assert main(["audit", "verify", str(tmp_path / "no"), "--trust", str(write_policy(tmp_path))]) == Exit.FAILED
    assert f"No such file or directory: '{tmp_path}/no'" in capsys.readouterr().err


def test_without_cryptography(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What to install."""
    monkeypatch.setitem(sys.modules, "marquee.audit.verify_offline", None)
    monkeypatch.delattr("marquee.audit.verify_offline", raising=False)
    assert main(["audit", "verify", str(tmp_path), "--trust", str(tmp_path)]) == Exit.FAILED
    assert "install it with: pip install 'marquee[audit]'" in capsys.readouterr().err


def test_as_a_plugin(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """``kubectl marquee audit`` too."""
    monkeypatch.setattr(sys, "argv", ["/usr/bin/kubectl-marquee"])
    with pytest.raises(SystemExit) as ended:
        main(["audit", "verify", "--help"])
    assert ended.value.code == 0
    assert "usage: kubectl marquee audit verify" in capsys.readouterr().out

"""``kubectl marquee subject | erase | suppress | unsuppress`` against a real ledger."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from marquee.cli.exits import Exit
from marquee.cli.main import main
from marquee.contract.assignment import unit_hash
from tests.support.ledger import Ledger, keeping_a_log, settings_of
from tests.support.people import People
from tests.support.plainhttp import http_client


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ledger]:
    """One that keeps a log."""
    folder = tmp_path_factory.mktemp("book")
    with Ledger(settings_of(folder, **keeping_a_log(folder))) as ledger:
        yield ledger


@pytest.fixture
def lead(ledger: Ledger) -> Iterator[People]:
    """What its pods know of Ann and Bob."""
    with http_client(ledger.url, timeout=30) as http:
        people = People(http, "growth/lead")
        people.log("ann", "bob")
        yield people


def run(ledger: Ledger, *words: str, namespace: str = "growth") -> int:
    return main([*words, "-n", namespace, "--ledger", ledger.url])


def test_all_that_is_kept_of_somebody(ledger: Ledger, lead: People, capsys: pytest.CaptureFixture[str]) -> None:
    """For people, and whole for programs; by the identifier from standard input, or by its hash."""
    assert run(ledger, "subject", "lead", "--unit", "ann") == Exit.DONE
    lines = capsys.readouterr().out.splitlines()
    digest = unit_hash(lead.model, "ann").hex()
    kept = lead.kept("ann")
    assert lines[0] == f"growth/lead: {kept} decisions are kept of {digest}; not suppressed"
    assert lines[2].split(" by ")[1].startswith("lead-v1, rollout r, canary; deleted after 20")
    assert lines[3] == '  inputs    visits 3.0, country "CH", age null'
    assert run(ledger, "subject", "lead", "--unit-hash", digest, "-o", "json") == Exit.DONE
    found = json.loads(capsys.readouterr().out)
    assert (found["subject"], found["next"], len(found["decisions"])) == (digest, None, kept)


def test_an_identifier_from_standard_input(
    ledger: Ledger, lead: People, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Where it must not stand in a shell's history."""
    monkeypatch.setattr(sys, "stdin", io.StringIO("bob\n"))
    assert run(ledger, "subject", "lead", "--unit", "-") == Exit.DONE
    assert unit_hash(lead.model, "bob").hex() in capsys.readouterr().out


def test_erasing_asks_first(ledger: Ledger, lead: People, capsys: pytest.CaptureFixture[str]) -> None:
    """It cannot be undone; where nobody can be asked, nothing happens."""
    assert run(ledger, "erase", "lead", "--unit", "ann") == Exit.FAILED
    assert "nothing is erased: it cannot be undone, say --yes" in capsys.readouterr().err
    assert lead.kept("ann") > 0


def test_a_receipt_and_its_proof(
    ledger: Ledger, lead: People, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Tells how to prove it, and what it names is there; a second time there is nothing any more."""
    churn = People(lead.http, "growth/churn")
    churn.log("eve")
    lead.log("eve")
    assert run(ledger, "erase", "--unit", "eve", "--yes", "--reason", "Objection") == Exit.DONE
    out = capsys.readouterr().out
    assert "growth/churn: the key of 1 decisions is destroyed" in out
    assert "hmac-sha256:" in out
    index = out.rpartition("audit prove --entry ")[2].strip()
    proof = tmp_path / "one.tlog-proof"
    assert main(["audit", "prove", "--entry", index, "--ledger-url", ledger.url, "--file", str(proof)]) == Exit.DONE
    assert f"entry {index}: 1 proofs are in" in capsys.readouterr().out
    assert (lead.kept("eve"), churn.kept("eve")) == (0, 0)
    assert run(ledger, "erase", "lead", "--unit", "eve", "--yes", "-o", "json") == Exit.DONE
    assert json.loads(capsys.readouterr().out) == {"erased": []}
    assert run(ledger, "erase", "--unit", "eve", "--yes") == Exit.DONE
    assert capsys.readouterr().out == "nothing was kept of this person\n"


def test_a_list_of_people(ledger: Ledger, lead: People, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """From a file and from the command line; what is sent are hashes."""
    (tmp_path / "people").write_text("carl\n\ndora\n", encoding="utf-8")
    words = ("suppress", "lead", "--unit", "carl", "--unit", "emil", "--file", str(tmp_path / "people"))
    assert run(ledger, *words) == Exit.DONE
    assert capsys.readouterr().out.startswith("growth/lead: 3 of 3 are suppressed anew; revision ")
    listed = set(lead.suppressions().json()["units"])
    assert {unit_hash(lead.model, unit).hex() for unit in ("carl", "dora", "emil")} <= listed
    assert run(ledger, "unsuppress", "lead", "--unit", "dora", "-o", "json") == Exit.DONE
    assert json.loads(capsys.readouterr().out)["changed"] == 1


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("suppress", "lead"), "name somebody with --unit, --unit-hash or --file"),
        (("suppress", "lead", "--file", "/nowhere"), "/nowhere cannot be read"),
        (("erase", "--unit-hash", "00" * 8, "--yes"), "--unit-hash is of one model"),
        (("subject", "lead", "--unit-hash", "ANN"), "the ledger refuses: 400: unitHash: a unit's hash is 16"),
        (("subject", "other", "--unit", "ann"), "the ledger refuses: 503"),
    ],
)
def test_what_cannot_be_done(
    ledger: Ledger, lead: People, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], why: str
) -> None:
    """The reason is on standard error."""
    assert lead.model
    assert run(ledger, *words) == Exit.FAILED
    assert why in capsys.readouterr().err


def test_a_ledger_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    """How to reach one."""
    words: list[Any] = ["subject", "lead", "-n", "growth", "--unit", "ann"]
    assert main([*words, "--ledger", "http://127.0.0.1:1"]) == Exit.FAILED
    assert "port-forward service/marquee-ledger 8090" in capsys.readouterr().err
    assert main([*words, "--ledger", "ledger:8090"]) == Exit.FAILED
    assert "is no address of a ledger" in capsys.readouterr().err

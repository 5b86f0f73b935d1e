"""From requests to the ledger's book: pods as processes, a real ledger, and every row once."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from marquee.contract.drift import Layout, unpack
from marquee.contract.manifest import NumericProfile, ReferenceProfile, ScoreProfile
from tests.unit.front.artifacts import write_artifact
from tests.unit.front.pods import Client, Pod
from tests.unit.front.reporting.ledgers import LedgerProcess

EDGES = (0.0, 1.0, 2.0)
PROFILE = ReferenceProfile(
    rows=4,
    features={"f0": NumericProfile(edges=EDGES, counts=(1, 1, 1, 1))},
    score=ScoreProfile(edges=(5.0,), counts=(2, 2)),
)
SETTINGS = {"prediction_cache_ttl_seconds": "60", "drain_seconds": "30", "log_sample_rate": "0"}


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[LedgerProcess]:
    """A book of its own: it is read from its file."""
    with LedgerProcess(tmp_path / "book") as ledger:
        yield ledger


def artifact(folder: Path, profile: ReferenceProfile = PROFILE) -> str:
    """Two numbers in, 2 * f0 + 3 * f1 out."""

    def change(document: dict[str, Any]) -> None:
        document["profile"] = profile.model_dump(mode="json", by_alias=True)

    return write_artifact(folder, change=change)


def booked(tmp_path: Path) -> tuple[Counter[str], int]:
    """All counters that are not 0 by name and place, and the number of epochs."""
    connection = sqlite3.connect(tmp_path / "book" / "ledger.db")
    rows = connection.execute("SELECT counters FROM drift_slices").fetchall()
    (epochs,) = connection.execute("SELECT COUNT(*) FROM drift_epochs").fetchone()
    connection.close()
    layout, found = Layout(PROFILE, traces=True), Counter[str]()
    for (packed,) in rows:
        counters = unpack(packed, layout.size)
        found.update({"rows": counters[0], "refused": counters[1]})
        for block in layout.blocks:
            for place in range(block.start, block.end):
                found[f"{block.name}/{place - block.start}"] += counters[place]
        for place in layout.traced:
            found[f"traced/{place - layout.traced.start}"] += counters[place]
    return Counter({name: count for name, count in found.items() if count}), epochs


def test_every_request_of_two_pods_and_a_restart_is_in_the_book_once(ledger: LedgerProcess, tmp_path: Path) -> None:
    """Fresh and cached answers, refused requests; the ledger is away when the first pod leaves."""
    digest = artifact(tmp_path / "artifact")
    settings = SETTINGS | {"ledger_url": ledger.url, "spool_path": str(tmp_path / "spool")}
    for away in (False, True, False):
        with Pod(tmp_path, tmp_path / "artifact", digest, **settings) as pod:
            pod.wait_until_ready()
            client = Client(pod.port)
            for f0 in (-1.0, 0.5, 0.5, 7.0):
                assert client.predict({"f0": f0, "f1": 1.0})[0] == 200
            assert client.predict({"f0": "many", "f1": 1.0})[0] == 422
            client.close()
            if away:
                ledger.kill()
            pod.terminate()
            if away:
                ledger.start()
            assert pod.exit_code(within=60) == 0
    counters, epochs = booked(tmp_path)
    assert epochs == 3
    assert counters == {
        "rows": 15,
        "refused": 3,
        "f0/0": 3,
        "f0/1": 6,
        "f0/3": 3,
        "f0/5": 3,
        "score:score/0": 9,
        "score:score/1": 3,
        "traced/0": 9,
        "traced/1": 3,
    }


def test_an_artifact_without_a_profile_is_served_and_said_to_have_none(ledger: LedgerProcess, tmp_path: Path) -> None:
    """Drift is off; the ledger knows why."""
    digest = artifact(tmp_path / "artifact", ReferenceProfile(rows=0, features={}))
    with Pod(tmp_path, tmp_path / "artifact", digest, **SETTINGS, ledger_url=ledger.url) as pod:
        pod.wait_until_ready()
        client = Client(pod.port)
        assert client.predict({"f0": 1.0, "f1": 1.0})[0] == 200
        client.close()
        pod.terminate()
        assert pod.exit_code(within=60) == 0
        assert "drift is not counted" in pod.log.read_text(encoding="utf-8")
    connection = sqlite3.connect(tmp_path / "book" / "ledger.db")
    assert connection.execute("SELECT revision, size FROM drift_sources").fetchall() == [("fixture-1", 2)]
    assert connection.execute("SELECT COUNT(*) FROM drift_slices").fetchone() == (0,)
    connection.close()

"""Processes that train one model together, talking over gloo on the loopback device."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Final

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marquee.cli.main import main
from marquee.contract.pod import EXIT_CODE_FAILURE
from marquee.contract.retraining import RetrainingResult, RunSetting
from marquee.contract.training import TrainingFailure, TrainingFailureReason
from models.distributed import Team
from models.retraining.fetching import fetch_artifact
from models.retraining.scoring import score
from tests.support.lead_tables import lead_columns, write_table
from tests.support.seasons import rows_of

PATIENCE_SECONDS: Final = 240
TOLERANCE: Final = 1e-3
"""Of probabilities: floats are added in another order, over a thousand steps."""
MEETS_AND_WAITS: Final = """
import os, sys, time
from marquee.contract.distributed import read_standing
from models.distributed import together
from marquee.contract.training import TrainingError
import torch.distributed as dist
try:
    with together(read_standing(os.environ)) as team:
        print("met", flush=True)
        if not team.is_first:
            time.sleep(3600)
        dist.barrier()
except TrainingError as error:
    print(error.failure.reason, error.failure.message)
"""


def place_of(rank: int, port: int) -> dict[str, str]:
    """What Kubeflow Trainer tells the pod of one of two nodes."""
    told = {"NNODES": "2", "NPROC_PER_NODE": "1", "NODE_RANK": str(rank), "MASTER_ADDR": "127.0.0.1"}
    return {f"PET_{name}": value for name, value in told.items()} | {"PET_MASTER_PORT": str(port)}


def free_port() -> int:
    """One that nobody listens at."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def start(*words: str, **environment: str) -> subprocess.Popen[str]:
    """A Python process that knows this tree."""
    told = os.environ | {"GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"} | environment
    return subprocess.Popen(
        [sys.executable, *words], env=told, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def settings_of(folder: Path, name: str, rank: str = "") -> dict[str, str]:
    """A run on the table in the folder."""
    return {
        RunSetting.RUN: name,
        RunSetting.MODEL: "lead",
        RunSetting.TRIGGER: "Manual",
        RunSetting.SEED: "7",
        RunSetting.DATA: str(folder / "rows.parquet"),
        RunSetting.ARTIFACT: str(folder / name),
        RunSetting.METRICS: "auc",
        "MARQUEE_TERMINATION_MESSAGE": str(folder / f"{name}-{rank}"),
    }


def trainer(folder: Path, name: str, **environment: str) -> subprocess.Popen[str]:
    """``marquee retrain lead-scoring`` as one of several processes."""
    settings = settings_of(folder, name, environment.get("PET_NODE_RANK", ""))
    return start("-m", "marquee.cli.main", "retrain", "lead-scoring", **settings, **environment)


@given(st.integers(min_value=0, max_value=10_000), st.integers(min_value=1, max_value=64))
def test_shares_are_all_rows_each_once(rows: int, processes: int) -> None:
    """In order, and no share has two rows more than another."""
    shares = [range(rows)[Team(rank, processes).share(rows)] for rank in range(processes)]
    assert [row for share in shares for row in share] == list(range(rows))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_two_processes_give_the_model_that_one_gives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same run alone and on two nodes; the first alone writes the artifact and the result."""
    columns = lead_columns()
    write_table(tmp_path / "rows.parquet", columns)
    port = free_port()
    runs = [trainer(tmp_path, "two", **place_of(rank, port)) for rank in (0, 1)]
    for name, value in settings_of(tmp_path, "alone").items():
        monkeypatch.setenv(name, value)
    assert main(["retrain", "lead-scoring"]) == 0
    said = [run.communicate(timeout=PATIENCE_SECONDS) for run in runs]
    assert [run.returncode for run in runs] == [0, 0], said
    results = [RetrainingResult.model_validate_json((tmp_path / name).read_text()) for name in ("alone-", "two-0")]
    assert not (tmp_path / "two-1").exists()
    assert said[1][0] == ""
    rows = rows_of(columns, tmp_path / "again")
    scores = []
    for result in results:
        artifact = fetch_artifact(result.uri, setting="artifact", digest=result.digest)
        scores.append(score(artifact.manifest.runtime, artifact.files, rows, output="probability"))
    np.testing.assert_allclose(scores[1], scores[0], atol=TOLERANCE)
    assert np.ptp(scores[0]) > 100 * TOLERANCE
    assert results[0].code_digest == results[1].code_digest


def test_whoever_loses_another_says_so() -> None:
    """It could go on, and does not wait until its deadline."""
    port = free_port()
    first, second = (start("-c", MEETS_AND_WAITS, **place_of(rank, port)) for rank in (0, 1))
    try:
        assert second.stdout is not None
        assert second.stdout.readline() == "met\n"
        second.send_signal(signal.SIGKILL)
        said, trouble = first.communicate(timeout=PATIENCE_SECONDS)
    finally:
        first.kill()
        second.kill()
        second.communicate()
    assert "PeerLost process 0 of 2 has lost another one" in said, trouble


@pytest.mark.parametrize("environment", [{"PET_NNODES": "2", "PET_NPROC_PER_NODE": "4"}, {"PET_NNODES": "many"}])
def test_what_torchrun_should_have_started_is_refused(environment: dict[str, str], tmp_path: Path) -> None:
    """At once, with the variable's name."""
    write_table(tmp_path / "rows.parquet", lead_columns(10))
    run = trainer(tmp_path, "x", **environment)
    run.communicate(timeout=PATIENCE_SECONDS)
    failure = TrainingFailure.model_validate_json((tmp_path / "x-").read_text())
    assert (run.returncode, failure.reason) == (EXIT_CODE_FAILURE, TrainingFailureReason.ARGUMENTS_INVALID)
    assert failure.message.startswith("PET_")

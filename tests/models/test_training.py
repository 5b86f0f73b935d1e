"""Full training runs through the command line, as a person or a Job starts them, and what predictors make of them."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bentos.front.artifact import verify
from bentos.front.predictor import Predictor
from bentos.front.runtimes import load_runtime
from marquee.contract.manifest import MANIFEST_NAME, Manifest, OnnxRuntime, PythonRuntime
from models.customer_value.reproduction import PUBLISHED
from models.customer_value.serving import CustomerValueModel
from models.features import matrix
from models.lead_scoring.comparison import LEAST_LIFT
from models.lead_scoring.export import run_onnx, to_onnx
from models.lead_scoring.features import model_rows
from models.lead_scoring.schema import FIELDS
from models.metrics import auc
from tests.support.networks import quick_network
from tests.support.training import caravan_data

SECONDS = 600
"""Far above what a run takes (docs/models.md), for machines that do other work beside it."""


def train(use_case: str, out: Path, **environment: str) -> dict[str, Any]:
    """Run ``marquee train`` in a process of its own; the last line of its output."""
    done = subprocess.run(
        [sys.executable, "-m", "marquee.cli.main", "train", use_case, "--out", str(out), "--seed", "1"],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def manifest_in(folder: Path) -> Manifest:
    return Manifest.model_validate_json((folder / MANIFEST_NAME).read_bytes())


@pytest.fixture(scope="module")
def lead_scoring(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    """One full run of lead scoring: its result and its artifact."""
    folder = tmp_path_factory.mktemp("artifacts") / "lead-scoring"
    return train("lead-scoring", folder), folder


def test_the_network_beats_its_baselines_with_all_settings(lead_scoring: tuple[dict[str, Any], Path]) -> None:
    """The declared gate on the whole data set, with a seed that nothing was tuned on."""
    metrics = lead_scoring[0]["metrics"]
    assert metrics["beats_baseline"] == 1
    assert metrics["improvement_on_logistic_low"] > 0
    assert metrics["improvement_on_rule_low"] > 0
    assert metrics["log_loss"] < metrics["logistic_log_loss"]
    assert metrics["lift_top_20"] >= LEAST_LIFT
    assert metrics["calibration_error"] < 0.02


def test_the_artifact_scores_customers(lead_scoring: tuple[dict[str, Any], Path]) -> None:
    """The graph orders the customers it was trained on, at the right level, and answers its own example."""
    result, folder = lead_scoring
    manifest = manifest_in(folder)
    assert Manifest.digest_of((folder / MANIFEST_NAME).read_bytes()) == result["digest"]
    assert isinstance(manifest.runtime, OnnxRuntime)
    graph = (folder / manifest.runtime.file).read_bytes()
    data = caravan_data()
    probability = run_onnx(graph, model_rows(data))
    assert auc(probability, data.bought) > result["metrics"]["auc"]
    assert probability.mean() == pytest.approx(data.bought.mean(), abs=0.01)
    example = run_onnx(graph, matrix(manifest.inputs, [manifest.example]))
    assert 0 < example[0] < 1
    assert served_example(folder) == pytest.approx([example[0]])


def test_the_profile_covers_every_field_and_every_customer(lead_scoring: tuple[dict[str, Any], Path]) -> None:
    """Each field's counts and the scores' add up to the training set."""
    profile = manifest_in(lead_scoring[1]).profile
    assert profile.score is not None
    assert list(profile.features) == sorted(field.name for field in FIELDS)
    for part in (profile.score, *profile.features.values()):
        counts = part.counts.values() if isinstance(part.counts, dict) else part.counts
        assert sum(counts) == profile.rows == len(caravan_data().bought)


def test_customer_value_is_the_same_to_the_last_byte_in_two_processes(tmp_path: Path) -> None:
    """With SOURCE_DATE_EPOCH even the time; hash seeds leave no trace."""
    results = [
        train("customer-value", tmp_path / name, SOURCE_DATE_EPOCH="1700000000", PYTHONHASHSEED=seed)
        for name, seed in (("one", "1"), ("two", "2"))
    ]
    assert results[0]["digest"] == results[1]["digest"]
    one, two = (sorted((tmp_path / name).iterdir()) for name in ("one", "two"))
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in two]
    metrics = results[0]["metrics"]
    assert metrics["improvement_on_persistence_low"] > 0
    for name, published in PUBLISHED.items():
        assert metrics[f"sample_{name}"] == pytest.approx(published.value, abs=published.tolerance)
    check_customer_value(tmp_path / "one")


def check_customer_value(folder: Path) -> None:
    """The entry point loads the artifact, and a predictor's answers are its own."""
    manifest = manifest_in(folder)
    assert manifest.runtime == PythonRuntime(entrypoint="models.customer_value.serving:CustomerValueModel")
    answers = CustomerValueModel(folder).predict(matrix(manifest.inputs, [manifest.example]))
    assert all(np.isfinite(answer).all() and answer[0] > 0 for answer in answers.values())
    assert [answers[field.name][0] for field in manifest.outputs] == served_example(folder)


def served_example(folder: Path) -> list[float]:
    """What a predictor answers to the artifact's example, after it has verified and warmed it up."""
    artifact = verify(folder, Manifest.digest_of((folder / MANIFEST_NAME).read_bytes()))
    predictor = Predictor(artifact, load_runtime(artifact, threads=1))
    predictor.warm_up()
    return [float(column[0]) for column in predictor.predict_now(predictor.example)]


GRAPH_DIGEST = """
import hashlib
from models.lead_scoring.export import to_onnx
from tests.support.networks import quick_network
print(hashlib.sha256(to_onnx(quick_network())).hexdigest())
"""


def test_the_graph_is_the_same_to_the_last_byte_in_two_processes() -> None:
    """A network trained for a second, exported here and there: addresses, paths and hash seeds leave no trace."""
    there = subprocess.run(
        [sys.executable, "-c", GRAPH_DIGEST],
        env=os.environ | {"PYTHONHASHSEED": "1", "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=True,
    ).stdout
    assert there.strip() == hashlib.sha256(to_onnx(quick_network())).hexdigest()

"""The one workload of the suite: gradient boosting of 100 trees on 50 numbers, one row a request, as JSON."""

from __future__ import annotations

import json
from pathlib import Path

from tests.unit.front.artifacts import boosted_graph, numbers, write_artifact

FEATURES = 50
TREES = 100
INPUTS = {f"f{index}": round(0.37 * index - 9.0, 2) for index in range(FEATURES)}
BODY = json.dumps({"inputs": INPUTS}).encode()
MODEL_VARIABLE = "BENCH_MODEL"
"""Path of the ONNX file, for the floor and the rival."""


def prepare(folder: Path, *, trees: int = TREES, graph: bytes | None = None) -> dict[str, str]:
    """Write the artifact and return the environment under which each of the three serves it.

    Args:
        folder: for the artifact and caches.
        trees: of the gradient boosting.
        graph: another model of the same inputs instead.

    """
    artifact = folder / "artifact"
    digest = write_artifact(
        artifact,
        inputs=numbers(FEATURES, minimum=-1e6, maximum=1e6),
        files={"model.onnx": graph or boosted_graph(features=FEATURES, trees=trees)},
        example=dict(INPUTS),
        model="bench",
    )
    return {
        MODEL_VARIABLE: str(artifact / "model.onnx"),
        "MARQUEE_MODEL": "bench",
        "MARQUEE_NAMESPACE": "bench",
        "MARQUEE_REVISION": "bench-1",
        "MARQUEE_ARTIFACT_URI": str(artifact),
        "MARQUEE_ARTIFACT_DIGEST": digest,
        "MARQUEE_CACHE_PATH": str(folder / "cache"),
        "MARQUEE_DRAIN_SECONDS": "1",
        "BENTOML_HOME": str(folder / "bentoml"),
        "BENTOML_DO_NOT_TRACK": "True",
        "OMP_NUM_THREADS": "1",
    }


def reporting(folder: Path) -> dict[str, str]:
    """What a front needs besides to sign ids, and to report to a ledger that is not there."""
    key = folder / "prediction-key"
    key.mkdir(exist_ok=True)
    (key / "0").write_text("ab" * 32, encoding="ascii")
    return {
        "MARQUEE_PREDICTION_KEY_PATH": str(key),
        "MARQUEE_LEDGER_URL": "http://127.0.0.1:9",
        "MARQUEE_SPOOL_PATH": str(folder / "spool"),
    }

"""Small artifacts of known behaviour, written where a predictor pod finds them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from marquee.contract.manifest import (
    FileEntry,
    Lineage,
    Manifest,
    NumberField,
    OnnxRuntime,
    OutputField,
    PythonRuntime,
    ReferenceProfile,
)

FEATURES = ("recency", "frequency", "spend")


@dataclass(frozen=True, slots=True)
class Written:
    """An artifact's folder and the digest of its manifest."""

    folder: Path
    digest: str


def linear(folder: Path, model: str, *, bias: float, **changes: Any) -> Written:
    """An ONNX artifact whose output ``score`` is the sum of its three inputs plus ``bias``."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").write_bytes(_linear_graph(bias))
    return write_manifest(folder, model, **changes)


def python_class(folder: Path, model: str, *, source: str) -> Written:
    """A Python artifact whose class ``Model`` is given as source."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "artifact_model.py").write_text(source, encoding="utf-8")
    return write_manifest(folder, model, runtime=PythonRuntime(entrypoint="artifact_model:Model"))


def write_manifest(folder: Path, model: str, **changes: Any) -> Written:
    """The manifest over the folder's files; ``changes`` replace fields of it."""
    files = {
        str(path.relative_to(folder)): FileEntry(
            sha256=hashlib.sha256(path.read_bytes()).hexdigest(), bytes=path.stat().st_size
        )
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != "manifest.json"
    }
    fields: dict[str, Any] = {
        "model": model,
        "use_case": "LeadScoring",
        "runtime": OnnxRuntime(outputs={"score": ("scores", 0)}),
        "inputs": tuple(NumberField(name=name, minimum=-1e6, maximum=1e6) for name in FEATURES),
        "outputs": (OutputField(name="score"),),
        "example": dict.fromkeys(FEATURES, 1.0),
        "files": files,
        "metrics": {"auc": 0.5},
        "lineage": Lineage(code_digest="sha256:" + "0" * 64, seed=0, data=(), libraries={}),
        "profile": ReferenceProfile(rows=0, features={}),
        "created_at": "2026-01-01T00:00:00Z",
    }
    raw = Manifest(**(fields | changes)).to_bytes()
    (folder / "manifest.json").write_bytes(raw)
    return Written(folder, Manifest.digest_of(raw))


def _linear_graph(bias: float) -> bytes:
    weights = numpy_helper.from_array(np.ones((len(FEATURES), 1), dtype=np.float32), "weights")
    offset = numpy_helper.from_array(np.array([bias], dtype=np.float32), "bias")
    graph = helper.make_graph(
        [helper.make_node("Gemm", ["inputs", "weights", "bias"], ["scores"])],
        "linear",
        [helper.make_tensor_value_info("inputs", TensorProto.FLOAT, ["rows", len(FEATURES)])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["rows", 1])],
        [weights, offset],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())

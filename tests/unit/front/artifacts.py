"""Small artifacts for tests and benchmarks of the front: graphs built by hand, manifests with real digests."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from marquee.contract.manifest import (
    MANIFEST_NAME,
    FileEntry,
    InputField,
    Lineage,
    Manifest,
    NumberField,
    OnnxRuntime,
    OutputField,
    ReferenceProfile,
    Runtime,
)

OPSET = 17


def numbers(count: int, **limits: Any) -> tuple[InputField, ...]:
    """``count`` number fields f0, f1, ..."""
    return tuple(NumberField(name=f"f{index}", **limits) for index in range(count))


def linear_graph(
    weights: Sequence[float],
    *,
    bias: float = 0.0,
    input_name: str = "inputs",
    output_name: str = "scores",
    rows: int | str = "rows",
    flat: bool = False,
) -> bytes:
    """Return inputs @ weights + bias as scores, of shape (rows, 1), or (rows,) when ``flat``."""
    width = len(weights)
    nodes = [
        helper.make_node("MatMul", [input_name, "weights"], ["products"]),
        helper.make_node("Add", ["products", "bias"], ["column" if flat else output_name]),
    ]
    constants = [
        helper.make_tensor("weights", TensorProto.FLOAT, [width, 1], list(weights)),
        helper.make_tensor("bias", TensorProto.FLOAT, [1], [bias]),
    ]
    if flat:
        nodes.append(helper.make_node("Squeeze", ["column", "axis"], [output_name]))
        constants.append(helper.make_tensor("axis", TensorProto.INT64, [1], [1]))
    return _graph(nodes, constants, width, input_name, output_name, rows, [rows] if flat else [rows, 1])


def boosted_graph(*, features: int = 50, trees: int = 100, depth: int = 5, seed: int = 7) -> bytes:
    """Gradient boosting: ``trees`` full binary trees with random splits, summed, through a logistic link."""
    shuffled = random.Random(seed)
    columns: dict[str, list[Any]] = {
        key: [] for key in ("treeids", "nodeids", "featureids", "values", "modes", "truenodeids", "falsenodeids")
    }
    leaves: dict[str, list[Any]] = {"treeids": [], "nodeids": [], "ids": [], "weights": []}
    inner = 2**depth - 1
    for tree in range(trees):
        for node in range(2 * inner + 1):
            is_leaf = node >= inner
            columns["treeids"].append(tree)
            columns["nodeids"].append(node)
            columns["featureids"].append(0 if is_leaf else shuffled.randrange(features))
            columns["values"].append(0.0 if is_leaf else shuffled.gauss(0, 1))
            columns["modes"].append("LEAF" if is_leaf else "BRANCH_LEQ")
            columns["truenodeids"].append(0 if is_leaf else 2 * node + 1)
            columns["falsenodeids"].append(0 if is_leaf else 2 * node + 2)
            if is_leaf:
                leaves["treeids"].append(tree)
                leaves["nodeids"].append(node)
                leaves["ids"].append(0)
                leaves["weights"].append(shuffled.gauss(0, 0.1))
    attributes: dict[str, Any] = {f"nodes_{key}": values for key, values in columns.items()}
    attributes |= {f"target_{key}": values for key, values in leaves.items()}
    attributes |= {"n_targets": 1, "post_transform": "LOGISTIC", "domain": "ai.onnx.ml"}
    ensemble = helper.make_node("TreeEnsembleRegressor", ["inputs"], ["scores"], **attributes)
    return _graph([ensemble], [], features, "inputs", "scores", "rows", ["rows", 1])


def deep_graph(*, features: int = 50, width: int = 32, layers: int = 400, seed: int = 7) -> bytes:
    """Many narrow dense layers and one output: to call each costs more than to multiply one row or sixteen by it."""
    random_numbers = np.random.default_rng(seed)
    nodes, constants, before, size = [], [], "inputs", features
    for layer, columns in enumerate([width] * layers + [1]):
        weights = random_numbers.standard_normal((size, columns), dtype=np.float32) * np.float32((2 / size) ** 0.5)
        constants.append(numpy_helper.from_array(weights, f"weights{layer}"))
        if columns == 1:
            nodes.append(helper.make_node("MatMul", [before, f"weights{layer}"], ["sums"]))
            nodes.append(helper.make_node("Tanh", ["sums"], ["scores"]))
        else:
            nodes.append(helper.make_node("MatMul", [before, f"weights{layer}"], [f"sums{layer}"]))
            nodes.append(helper.make_node("Relu", [f"sums{layer}"], [f"layer{layer}"]))
        before, size = f"layer{layer}", columns
    return _graph(nodes, constants, features, "inputs", "scores", "rows", ["rows", 1])


def _graph(
    nodes: list[Any],
    constants: list[Any],
    width: int,
    input_name: str,
    output_name: str,
    rows: int | str,
    output_shape: list[int | str],
) -> bytes:
    graph = helper.make_graph(
        nodes,
        "fixture",
        [helper.make_tensor_value_info(input_name, TensorProto.FLOAT, [rows, width])],
        [helper.make_tensor_value_info(output_name, TensorProto.FLOAT, output_shape)],
        initializer=constants,
    )
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", 3)]
    model: bytes = (helper.make_model(graph, opset_imports=opsets, ir_version=8)).SerializeToString()
    return model


def write_artifact(
    folder: Path,
    *,
    inputs: Sequence[InputField] | None = None,
    example: dict[str, Any] | None = None,
    files: dict[str, bytes] | None = None,
    runtime: Runtime | None = None,
    outputs: Sequence[str] = ("score",),
    model: str = "fixture",
    change: Callable[[dict[str, Any]], None] | None = None,
) -> str:
    """Write an artifact and return the digest of its manifest.

    Without arguments: two numbers in, 2 * f0 + 3 * f1 out. ``change`` may spoil the manifest's JSON before it
    is written, for manifests that the contract's own types would refuse to make.
    """
    inputs = tuple(inputs) if inputs is not None else numbers(2)
    if files is None:
        files = {"model.onnx": linear_graph([2.0, 3.0][: len(inputs)] + [0.0] * (len(inputs) - 2))}
    manifest = Manifest(
        model=model,
        use_case="a fixture",
        runtime=runtime or OnnxRuntime(outputs=dict.fromkeys(outputs, ("scores", 0))),
        inputs=inputs,
        outputs=tuple(OutputField(name=name) for name in outputs),
        example=example or {field.name: 1.0 for field in inputs},
        files={path: _entry(content) for path, content in files.items()},
        metrics={},
        lineage=Lineage(code_digest="sha256:" + "0" * 64, seed=1, data=(), libraries={}),
        profile=ReferenceProfile(rows=0, features={}),
        created_at="2025-01-01T00:00:00Z",
    )
    raw = manifest.to_bytes()
    if change is not None:
        raw = _changed(raw, change)
    folder.mkdir(parents=True, exist_ok=True)
    for path, content in {**files, MANIFEST_NAME: raw}.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content)
    return Manifest.digest_of(raw)


def _entry(content: bytes) -> FileEntry:
    return FileEntry(sha256=hashlib.sha256(content).hexdigest(), bytes=len(content))


def _changed(raw: bytes, change: Callable[[dict[str, Any]], None]) -> bytes:
    import orjson

    document = orjson.loads(raw)
    change(document)
    return orjson.dumps(document)

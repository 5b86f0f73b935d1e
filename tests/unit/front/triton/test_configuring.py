"""``config.pbtxt`` from the artifact's schema and the typed settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2 as proto

from bentos.front.artifact import Artifact
from bentos.front.failures import CannotServeError
from bentos.front.triton.configuring import input_of, model_config, outputs_of
from bentos.front.triton.repository import write_model
from marquee.contract.manifest import Manifest, OnnxRuntime, PythonRuntime, TensorRtRuntime, TorchScriptRuntime
from marquee.contract.triton import TritonSettings
from tests.unit.front.artifacts import numbers, write_artifact

FOLDER = Path("/var/cache/marquee/sha256/abc")


@pytest.fixture
def graph(tmp_path: Path) -> Manifest:
    """Three numbers in; two outputs from two tensors of the graph."""
    write_artifact(
        tmp_path,
        model="churn",
        inputs=numbers(3),
        outputs=("score", "value"),
        runtime=OnnxRuntime(input_name="rows", outputs={"score": ("scores", 1), "value": ("values", 0)}),
    )
    return Manifest.model_validate_json((tmp_path / "manifest.json").read_bytes())


@pytest.fixture
def python_class(tmp_path: Path) -> Manifest:
    """Two numbers in, one output, by a class."""
    write_artifact(tmp_path / "class", model="churn", runtime=PythonRuntime(entrypoint="model:Model"))
    return Manifest.model_validate_json((tmp_path / "class" / "manifest.json").read_bytes())


@pytest.fixture
def torch_module(tmp_path: Path) -> Manifest:
    """Three numbers in; two outputs from the tensors of a TorchScript module."""
    write_artifact(
        tmp_path / "module",
        model="churn",
        inputs=numbers(3),
        outputs=("score", "value"),
        files={"model.pt": b"module"},
        runtime=TorchScriptRuntime(outputs={"score": (1, 1), "value": (0, 0)}),
    )
    return Manifest.model_validate_json((tmp_path / "module" / "manifest.json").read_bytes())


@pytest.fixture
def plan(tmp_path: Path) -> Manifest:
    """Three numbers in, one output, by a TensorRT plan."""
    write_artifact(
        tmp_path / "plan",
        model="churn",
        inputs=numbers(3),
        files={"model.plan": b"plan"},
        runtime=TensorRtRuntime(input_name="rows", outputs={"score": ("scores", 1)}),
    )
    return Manifest.model_validate_json((tmp_path / "plan" / "manifest.json").read_bytes())


def config_of(manifest: Manifest, **settings: Any) -> Any:
    """The configuration as Triton parses it."""
    text = model_config("churn", manifest, TritonSettings.model_validate(settings), folder=FOLDER, threads=2)
    return text_format.Parse(text, proto.ModelConfig())


def test_a_graph_in_full(graph: Manifest) -> None:
    """Every field has its place; what the manifest does not know of outputs is left to the backend."""
    config = config_of(
        graph,
        max_batch_size=32,
        instance_groups=[
            {"kind": "CPU", "count": 2, "rate_limits": [{"name": "lane", "count": 1}]},
            {"kind": "GPU", "gpus": [0, 2]},
        ],
        dynamic_batching={"preferred_batch_sizes": [8, 16], "max_queue_delay_microseconds": 500},
        response_cache=True,
        warm_up={"batch_sizes": [1, 16], "rounds": 3},
    )
    assert text_format.MessageToString(config) == (
        'name: "churn"\n'
        "max_batch_size: 32\n"
        'input {\n  name: "rows"\n  data_type: TYPE_FP32\n  dims: 3\n}\n'
        "instance_group {\n  count: 2\n  kind: KIND_CPU\n  rate_limiter {\n    resources {\n"
        '      name: "lane"\n      global: true\n      count: 1\n    }\n  }\n}\n'
        "instance_group {\n  count: 1\n  gpus: 0\n  gpus: 2\n  kind: KIND_GPU\n}\n"
        'default_model_filename: "model.onnx"\n'
        "dynamic_batching {\n  preferred_batch_size: 8\n  preferred_batch_size: 16\n"
        "  max_queue_delay_microseconds: 500\n}\n"
        'parameters {\n  key: "intra_op_thread_count"\n  value {\n    string_value: "2"\n  }\n}\n'
        + "".join(
            f'model_warmup {{\n  name: "example-{size}"\n  batch_size: {size}\n  inputs {{\n    key: "rows"\n'
            "    value {\n      data_type: TYPE_FP32\n      dims: 3\n"
            '      input_data_file: "example"\n    }\n  }\n  count: 3\n}\n'
            for size in (1, 16)
        )
        + 'backend: "onnxruntime"\n'
        "response_cache {\n  enable: true\n}\n"
    )


def test_defaults_are_one_instance_that_batches_what_waits(graph: Manifest) -> None:
    """Without settings: one on the CPU, up to 64 rows at once, no delay, no cache, no warm-up of Triton's own."""
    config = config_of(graph)
    (group,) = config.instance_group
    assert (group.kind, group.count) == (proto.ModelInstanceGroup.KIND_CPU, 1)
    assert config.max_batch_size == 64
    assert config.HasField("dynamic_batching")
    assert config.dynamic_batching.max_queue_delay_microseconds == 0
    assert not config.HasField("response_cache")
    assert not config.model_warmup


def test_the_python_backend_is_told_everything(graph: Manifest, python_class: Manifest) -> None:
    """It has one output of float64 for each of the manifest, and knows where the artifact is."""
    config = config_of(graph, backend="python")
    assert [(tensor.name, tensor.data_type, list(tensor.dims)) for tensor in config.output] == [
        ("score", proto.TYPE_FP64, [1]),
        ("value", proto.TYPE_FP64, [1]),
    ]
    assert config.parameters["marquee_artifact"].string_value == str(FOLDER)
    assert not config.default_model_filename
    assert config.input[0].data_type == proto.TYPE_FP32
    assert config_of(python_class, backend="python").input[0].data_type == proto.TYPE_FP64


def test_outputs_are_found_by_backend(graph: Manifest) -> None:
    """Onnxruntime answers the graph's tensors, the Python backend the manifest's outputs."""
    onnx, python = TritonSettings(), TritonSettings.model_validate({"backend": "python"})
    assert (input_of(graph, onnx), outputs_of(graph, onnx)) == ("rows", [("scores", 1), ("values", 0)])
    assert (input_of(graph, python), outputs_of(graph, python)) == ("inputs", [("score", 0), ("value", 0)])


def test_a_torch_module_is_called_by_places(torch_module: Manifest) -> None:
    """Its tensors have no names and say no shapes, so the configuration tells Triton both."""
    config = config_of(torch_module, backend="pytorch")
    assert (config.backend, config.default_model_filename) == ("pytorch", "model.pt")
    assert [(tensor.name, tensor.data_type, list(tensor.dims)) for tensor in config.input] == [
        ("INPUT__0", proto.TYPE_FP32, [3])
    ]
    assert [(tensor.name, tensor.data_type, list(tensor.dims)) for tensor in config.output] == [
        ("OUTPUT__0", proto.TYPE_FP32, [-1]),
        ("OUTPUT__1", proto.TYPE_FP32, [-1]),
    ]
    assert config.parameters["INTRA_OP_THREAD_COUNT"].string_value == "2"
    settings = TritonSettings.model_validate({"backend": "pytorch"})
    assert outputs_of(torch_module, settings) == [("OUTPUT__1", 1), ("OUTPUT__0", 0)]


def test_a_plan_knows_its_own_tensors(plan: Manifest) -> None:
    """Triton reads the shapes of a plan's outputs from the plan."""
    config = config_of(plan, backend="tensorrt", instance_groups=[{"kind": "GPU"}])
    assert (config.backend, config.default_model_filename) == ("tensorrt", "model.plan")
    assert (config.input[0].name, config.input[0].data_type) == ("rows", proto.TYPE_FP32)
    assert not config.output
    assert config.instance_group[0].kind == proto.ModelInstanceGroup.KIND_GPU
    assert outputs_of(plan, TritonSettings.model_validate({"backend": "tensorrt"})) == [("scores", 1)]


@pytest.mark.parametrize(
    ("fixture", "backend", "others"),
    [
        ("graph", "pytorch", "onnxruntime or python"),
        ("python_class", "onnxruntime", "python"),
        ("torch_module", "python", "pytorch"),
        ("plan", "onnxruntime", "tensorrt"),
    ],
)
def test_a_backend_that_does_not_run_the_artifact(
    fixture: str, backend: str, others: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """It is refused before Triton is asked, with the backends that do."""
    manifest: Manifest = request.getfixturevalue(fixture)
    artifact = Artifact(tmp_path, manifest, "sha256:" + "0" * 64)
    settings = TritonSettings.model_validate({"backend": backend})
    with pytest.raises(CannotServeError, match=rf"one's is {manifest.runtime.flavour}; use the backend {others}$"):
        write_model(tmp_path / "repository", artifact, settings, threads=1, example=b"")
    assert not (tmp_path / "repository").exists()

"""Runtime flavours: a graph or class that fits its manifest predicts, and each misfit has its reason."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper

from bentos.front.failures import CannotServeError
from bentos.front.predictor import Predictor, load_predictor
from bentos.front.settings import Settings
from marquee.contract.manifest import NumberField, OnnxRuntime, PythonRuntime, TorchScriptRuntime
from marquee.contract.pod import FailureReason
from tests.unit.front.artifacts import linear_graph, numbers

Make = Callable[..., Settings]

MODEL = b'''
"""A model shipped with its artifact."""

import numpy as np

from helper import factor


class Model:
    def __init__(self, folder):
        assert (folder / "manifest.json").exists()

    def predict(self, rows):
        return {"score": rows.sum(axis=1) * factor(), "count": np.full(len(rows), 7)}
'''
HELPER = b"def factor():\n    return 2.0\n"


@pytest.fixture(autouse=True)
def modules() -> Iterator[None]:
    """Forget the modules that artifacts bring along."""
    known, path, flag = set(sys.modules), list(sys.path), sys.dont_write_bytecode
    yield
    for name in {"model", "helper", "broken"} - known:
        sys.modules.pop(name, None)
    sys.path[:], sys.dont_write_bytecode = path, flag


def refused(settings: Settings) -> CannotServeError:
    with pytest.raises(CannotServeError) as error:
        load_predictor(settings)
    return error.value


def python(settings: Make, source: bytes, outputs: tuple[str, ...] = ("score",), **more: Any) -> Settings:
    runtime = PythonRuntime(entrypoint="model:Model")
    return settings(runtime=runtime, files={"model.py": source, **more}, outputs=outputs)


@pytest.mark.parametrize("flat", [True, False])
def test_a_graph_predicts_rows(settings: Make, flat: bool) -> None:
    """Outputs of shape (rows, 1) and (rows,) are the same to the caller."""
    graph = linear_graph([2.0, 3.0], bias=0.5, flat=flat)
    predictor = load_predictor(settings(files={"model.onnx": graph}))
    (scores,) = predictor.predict_now(np.array([[1.0, 1.0], [2.0, 0.0]]))
    np.testing.assert_allclose(scores, [5.5, 4.5])


def test_a_python_class_predicts_rows(settings: Make) -> None:
    """A class of the artifact, with a helper beside it, answers in the manifest's order of outputs."""
    predictor = load_predictor(python(settings, MODEL, ("count", "score"), **{"helper.py": HELPER}))
    count, score = predictor.predict_now(np.array([[1.0, 2.0], [3.0, 4.0]]))
    np.testing.assert_array_equal(count, [7, 7])
    np.testing.assert_array_equal(score, [6, 14])


def test_loading_a_python_class_leaves_its_artifact_as_it_was(settings: Make) -> None:
    """A second start finds the cached artifact intact: no bytecode lies beside the source."""
    pod = python(settings, MODEL, ("count", "score"), **{"helper.py": HELPER})
    load_predictor(pod)
    folder = pod.cache_path / "sha256" / pod.artifact_digest.removeprefix("sha256:")
    assert sorted(path.name for path in folder.rglob("*")) == ["helper.py", "manifest.json", "model.py"]


def test_a_python_class_may_come_from_the_image(settings: Make) -> None:
    """An entry point that the artifact does not ship is imported from what is installed."""
    runtime = PythonRuntime(entrypoint="tests.unit.front.test_runtimes:Installed")
    predictor = load_predictor(settings(runtime=runtime))
    np.testing.assert_array_equal(predictor.predict_now(np.array([[1.0, 2.0]]))[0], [1.0])


class Installed:
    """The first input is the score."""

    def __init__(self, _folder: object) -> None:
        pass

    def predict(self, rows: Any) -> dict[str, Any]:
        """Return the first column."""
        return {"score": rows[:, 0]}


def graph_of(kind: int) -> bytes:
    """A graph whose input and output have another number type."""
    node = helper.make_node("Identity", ["inputs"], ["scores"])
    tensors = [helper.make_tensor_value_info(name, kind, ["rows", 2]) for name in ("inputs", "scores")]
    graph = helper.make_graph([node], "typed", tensors[:1], tensors[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    content: bytes = model.SerializeToString()
    return content


@pytest.mark.parametrize(
    ("artifact", "words"),
    [
        ({"files": {"model.onnx": linear_graph([1.0, 2.0, 3.0])}}, "takes 3 columns; the manifest has 2"),
        ({"files": {"model.onnx": linear_graph([1.0, 2.0], input_name="x")}}, "inputs are x; the manifest"),
        ({"files": {"model.onnx": linear_graph([1.0, 2.0], output_name="y")}}, "no output scores, only y"),
        ({"files": {"model.onnx": linear_graph([1.0, 2.0], rows=1)}}, "any number of rows"),
        ({"files": {"model.onnx": graph_of(TensorProto.DOUBLE)}}, "must be tensor(float)"),
        ({"runtime": OnnxRuntime(outputs={"score": ("scores", 1)})}, "there is no column 1"),
        ({"runtime": OnnxRuntime(outputs={"score": ("scores", -1)})}, "there is no column -1"),
    ],
)
def test_a_graph_that_does_not_fit_is_a_schema_mismatch(settings: Make, artifact: Any, words: str) -> None:
    """Width, names, types and columns of graph and manifest are compared before the first row."""
    error = refused(settings(**artifact))
    assert error.reason is FailureReason.SCHEMA_MISMATCH
    assert words in error.message
    assert "export the model and its manifest together" in error.message


@pytest.mark.parametrize(
    ("source", "reason", "words"),
    [
        (b"class Model:\n  def __init__(self, f): 1/0\n", FailureReason.MODEL_LOAD_FAILED, "ZeroDivisionError"),
        (b"import nothing_like_this\n", FailureReason.MODEL_LOAD_FAILED, "nothing_like_this"),
        (b"x = 1\n", FailureReason.MODEL_LOAD_FAILED, "Model"),
        (b"class Model:\n  def __init__(self, f): 0\n", FailureReason.SCHEMA_MISMATCH, "no method predict"),
        (b"=", FailureReason.MODEL_LOAD_FAILED, "SyntaxError"),
    ],
)
def test_a_class_that_cannot_be_loaded_says_why(
    settings: Make, source: bytes, reason: FailureReason, words: str
) -> None:
    """Import errors, constructors that raise and missing methods are told apart."""
    error = refused(python(settings, source))
    assert error.reason is reason
    assert words in error.message


@pytest.mark.parametrize(
    ("answer", "reason", "words"),
    [
        ("rows", FailureReason.SCHEMA_MISMATCH, "must return a dict with the outputs ['score'], not ndarray"),
        ("{'other': rows[:, 0]}", FailureReason.SCHEMA_MISMATCH, "not ['other']"),
        ("{'score': rows}", FailureReason.SCHEMA_MISMATCH, "output score has shape (1, 2) for 1 rows"),
        ("{'score': rows[:0, 0]}", FailureReason.SCHEMA_MISMATCH, "output score has shape (0,) for 1 rows"),
        ("{'score': ['a'] * len(rows)}", FailureReason.SCHEMA_MISMATCH, "no array of numbers"),
        ("{'score': rows[:, 0] * float('nan')}", FailureReason.WARM_UP_FAILED, "score is NaN or infinite"),
        ("{'score': 1 / 0}", FailureReason.WARM_UP_FAILED, "ZeroDivisionError"),
    ],
)
def test_what_a_class_answers_is_checked_at_warm_up(
    settings: Make, answer: str, reason: FailureReason, words: str
) -> None:
    """Wrong names, shapes and types, NaN and exceptions are found before the pod is ready."""
    source = f"class Model:\n  def __init__(self, f): 0\n  def predict(self, rows):\n    return {answer}\n"
    error = refused(python(settings, source.encode()))
    assert error.reason is reason
    assert words in error.message


def test_a_file_that_is_no_graph_fails_to_load(settings: Make) -> None:
    """Onnxruntime's own words are kept."""
    error = refused(settings(files={"model.onnx": b"no protobuf"}))
    assert error.reason is FailureReason.MODEL_LOAD_FAILED
    assert "model.onnx: onnxruntime cannot load it" in error.message


def test_a_graph_that_answers_infinity_is_not_warm(settings: Make) -> None:
    """A model that overflows on its own example never becomes ready."""
    error = refused(settings(files={"model.onnx": linear_graph([3e38, 3e38])}))
    assert error.reason is FailureReason.WARM_UP_FAILED


def test_an_artifact_of_another_model_is_refused(settings: Make) -> None:
    """A revision that points at the artifact of another model is not served."""
    error = refused(settings(model="other"))
    assert error.reason is FailureReason.MODEL_MISMATCH
    assert "'other'" in error.message
    assert "'fixture'" in error.message


def test_an_example_that_breaks_the_schema_makes_the_manifest_invalid(settings: Make) -> None:
    """The example is what probes and warm-up send: it has to pass the validator."""
    fields = [NumberField(name="f0", maximum=1), NumberField(name="f1")]
    error = refused(settings(inputs=fields, example={"f0": 2.0, "f1": 0.0}))
    assert error.reason is FailureReason.MANIFEST_INVALID
    assert "/example/f0 is too large" in error.message


def test_graphs_get_the_threads_that_the_settings_name(settings: Make) -> None:
    """The pod's share of the processor decides, not the machine's number of cores."""
    predictor: Predictor = load_predictor(settings({"threads": 3}, inputs=numbers(2)))
    session = predictor._runtime._session  # type: ignore[attr-defined]
    assert session.get_session_options().intra_op_num_threads == 3


def test_what_only_triton_runs(settings: Make) -> None:
    """A pod without Triton says which backend such an artifact needs."""
    runtime = TorchScriptRuntime(outputs={"score": (0, 0)})
    error = refused(settings(runtime=runtime, files={"model.pt": b"module"}))
    assert error.reason is FailureReason.SETTINGS_INVALID
    assert "ask for it with backend pytorch" in str(error)

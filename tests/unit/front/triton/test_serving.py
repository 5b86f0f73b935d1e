"""Models in a real Triton server, beside the same models in this process."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import grpc
import numpy as np
import pytest

from bentos.front.explaining.beside import Explaining
from bentos.front.failures import CannotServeError
from bentos.front.predictor import OverloadedError, load_predictor
from bentos.front.runtimes import ModelFailedError, ModelUnavailableError
from bentos.front.runtimes.triton import TritonModel
from bentos.front.triton.control import TritonControl
from marquee.contract.pod import FailureReason
from tests.support.triton import Triton
from tests.unit.front.artifacts import boosted_graph, linear_graph, numbers
from tests.unit.front.triton.conftest import Configure, Serve, close, python_artifact

MODEL = "class Model:\n    def __init__(self, folder): 0\n    def predict(self, rows):\n"
"""A class whose last line is still to come."""

HELD = """
class Model:
    def __init__(self, folder):
        self.file = folder.parent / "calls"

    def predict(self, rows):
        import time
        with self.file.open("a") as file:
            file.write(f"{len(rows)}\\n")
        time.sleep(float(rows[0, 0]))
        return {"score": rows[:, 1]}
"""
"""Sleeps as many seconds as the first number says, and notes how many rows each call had."""

QUICK = {"f0": 0.0, "f1": 1.0}


def calls(folder: Path) -> list[int]:
    """Rows of each call of `HELD`."""
    return [int(line) for line in (folder / "calls").read_text(encoding="utf-8").split()]


def rows_of(count: int, width: int) -> np.ndarray[tuple[int, int], np.dtype[np.float64]]:
    return np.random.default_rng(7).normal(size=(count, width))


async def test_a_graph_predicts_what_it_does_in_process(triton: Triton, configure: Configure) -> None:
    """One row, a batch, and more rows than Triton takes at once: to the last bit."""
    pod = configure(triton, {"max_batch_size": 16}, inputs=numbers(50), files={"model.onnx": boosted_graph(trees=20)})
    beside, inside = load_predictor(pod), load_predictor(pod.model_copy(update={"triton": None}))
    for count in (1, 16, 101):
        rows = rows_of(count, 50)
        (expected,), (answered,) = await inside.predict(rows), await beside.predict(rows)
        np.testing.assert_array_equal(answered, expected)
    close(beside)


async def test_a_class_predicts_what_it_does_in_process(triton: Triton, configure: Configure) -> None:
    """Float64 all the way: numbers that float32 does not hold come back as they went."""
    pod = configure(triton, **python_artifact(MODEL + "        return {'score': rows[:, 0] * 3 - rows[:, 1]}\n"))
    beside, inside = load_predictor(pod), load_predictor(pod.model_copy(update={"triton": None}))
    rows = rows_of(33, 2) * 1e12
    np.testing.assert_array_equal((await beside.predict(rows))[0], (await inside.predict(rows))[0])
    close(beside)


async def test_a_row_is_explained_as_it_is_in_process(triton: Triton, configure: Configure) -> None:
    """Thirty inputs, so that orders are sampled: to the last bit."""
    pod = configure(triton, inputs=numbers(30), files={"model.onnx": boosted_graph(features=30, trees=5)})
    beside, inside = load_predictor(pod), load_predictor(pod.model_copy(update={"triton": None}))
    row = rows_of(1, 30)
    (expected,), (answered,) = await Explaining(inside).explain(row), await Explaining(beside).explain(row)
    assert answered == expected
    assert answered.method == "shapley-permutation"
    close(beside)


async def test_requests_that_wait_are_joined(triton: Triton, serve: Serve) -> None:
    """Many callers at once cost fewer calls of the model than there are callers, and each gets its own answer."""
    predictor = serve(inputs=numbers(2), files={"model.onnx": linear_graph([2.0, 3.0])})
    rows = rows_of(64, 2)
    before = triton.value("nv_inference_exec_count")
    answers = await asyncio.gather(*(predictor.predict(rows[index : index + 1]) for index in range(64)))
    assert triton.value("nv_inference_exec_count") - before < 64
    np.testing.assert_allclose([answer[0][0] for answer in answers], rows @ [2.0, 3.0], rtol=1e-5)


@pytest.mark.parametrize(
    ("settings", "artifact", "words"),
    [
        ({"backend": "onnxruntime"}, {}, "onnxruntime"),
        ({}, python_artifact("class Model:\n    def __init__(self, f): raise ValueError('a column')\n"), "a column"),
        ({}, python_artifact("import nothing_like_this\n"), "nothing_like_this"),
        ({"instance_groups": [{"kind": "GPU"}]}, {}, "GPU"),
    ],
)  # fmt: skip
def test_a_refused_model_has_tritons_words(
    serve: Serve, settings: dict[str, object], artifact: dict[str, object], words: str
) -> None:
    """A missing backend, a constructor or an import that fails, a GPU that is not there."""
    with pytest.raises(CannotServeError) as error:
        serve(settings, **artifact)
    assert error.value.reason is FailureReason.MODEL_REFUSED
    assert "Triton refuses the model: " in error.value.message
    assert words in error.value.message


def test_a_backend_that_cannot_run_the_artifact_is_refused_before_triton(serve: Serve) -> None:
    """A Python class is nothing for onnxruntime; the message names the field and the way out."""
    with pytest.raises(CannotServeError) as error:
        serve({"backend": "onnxruntime"}, **python_artifact("class Model: ..."))
    assert error.value.reason is FailureReason.SETTINGS_INVALID
    assert "spec.serving.triton.backend" in error.value.message
    assert "use the backend python" in error.value.message


def test_an_example_that_the_model_raises_on_is_no_warm_model(serve: Serve) -> None:
    """The kind of the error and its place come through, not its text, which may hold inputs."""
    source = MODEL + "        raise ValueError('secret')\n"
    with pytest.raises(CannotServeError) as error:
        serve(**python_artifact(source))
    assert error.value.reason is FailureReason.WARM_UP_FAILED
    assert "ValueError at " in error.value.message
    assert "secret" not in error.value.message


def test_without_a_server_the_address_is_named() -> None:
    """Nobody listens: after the time given, where it was tried and where to look."""
    control = TritonControl("127.0.0.1:1", "churn")
    with pytest.raises(CannotServeError) as error:
        control.wait_until_live(seconds=0.3)
    control.close()
    assert error.value.reason is FailureReason.MODEL_SERVER_UNREACHABLE
    assert "Triton at 127.0.0.1:1: no answer for 0.3 s" in error.value.message


async def test_a_late_answer_is_given_up_and_what_waited_is_not_run(serve: Serve, tmp_path: Path) -> None:
    """The caller waits no longer than the settings say, and Triton drops requests whose time is over."""
    predictor = serve({"timeout_milliseconds": 300}, example=QUICK, **python_artifact(HELD))
    folder = tmp_path / "cache" / "sha256"
    before = len(calls(folder))
    started = time.monotonic()
    slow = [asyncio.create_task(predictor.predict(np.array([[1.0, 1.0]])))]
    await asyncio.sleep(0.1)
    slow += [asyncio.create_task(predictor.predict(np.array([[1.0, 1.0]]))) for _ in range(7)]
    outcomes = await asyncio.gather(*slow, return_exceptions=True)
    assert time.monotonic() - started < 5
    assert [type(outcome) for outcome in outcomes] == [ModelUnavailableError] * 8
    assert "no prediction within 300 ms" in str(outcomes[0])
    await asyncio.sleep(2.5)
    (answer,) = await predictor.predict(np.array([[0.0, 5.0]]))
    assert answer[0] == 5.0
    assert len(calls(folder)) - before == 2


async def test_a_caller_that_leaves_takes_its_request_along(serve: Serve, tmp_path: Path) -> None:
    """A cancelled prediction that still waited in Triton is not run."""
    predictor = serve(example=QUICK, **python_artifact(HELD))
    before = len(calls(tmp_path / "cache" / "sha256"))
    first = asyncio.create_task(predictor.predict(np.array([[0.8, 1.0]])))
    await asyncio.sleep(0.2)
    left = [asyncio.create_task(predictor.predict(np.array([[0.0, 2.0]]))) for _ in range(5)]
    await asyncio.sleep(0.2)
    for task in left:
        task.cancel()
    assert (await first)[0][0] == 1.0
    assert {type(outcome) for outcome in await asyncio.gather(*left, return_exceptions=True)} == {
        asyncio.CancelledError
    }
    await predictor.predict(np.array([[0.0, 3.0]]))
    assert calls(tmp_path / "cache" / "sha256")[before:] == [1, 1]


async def test_waiting_predictions_are_bounded(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    """One more than may wait is refused at once."""
    predictor = serve(example=QUICK, **python_artifact(HELD))
    monkeypatch.setattr(TritonModel, "max_waiting", 2)
    waiting = [asyncio.create_task(predictor.predict(np.array([[0.3, 1.0]]))) for _ in range(2)]
    await asyncio.sleep(0.05)
    with pytest.raises(OverloadedError):
        await predictor.predict(np.array([[0.0, 1.0]]))
    await asyncio.gather(*waiting)


async def test_a_model_that_raises_fails_its_callers_alone(serve: Serve) -> None:
    """What Triton says of a failed call is an error of the model, and the next call is answered."""
    source = MODEL + "        return {'score': 1 / rows[:, 0] if rows[0, 0] else [][1]}\n"
    predictor = serve(**python_artifact(source))
    with pytest.raises(ModelFailedError, match="IndexError at"):
        await predictor.predict(np.array([[0.0, 1.0]]))
    (answer,) = await predictor.predict(np.array([[2.0, 1.0]]))
    assert answer[0] == 0.5


async def test_a_batch_that_raises_fails_each_of_its_callers(serve: Serve) -> None:
    """Joined requests each get an error of their own: one that they share would be the end of Triton."""
    sleeps = "        __import__('time').sleep(rows[0, 0])\n"
    raises = "        return {'score': rows[:, 1] if rows[0, 1] > 0 else [][1]}\n"
    predictor = serve(example=QUICK, **python_artifact(MODEL + sleeps + raises))
    first = asyncio.create_task(predictor.predict(np.array([[0.4, 1.0]])))
    await asyncio.sleep(0.1)
    joined = await asyncio.gather(
        *(predictor.predict(np.array([[0.0, -1.0]])) for _ in range(6)), return_exceptions=True
    )
    assert {type(outcome) for outcome in joined} == {ModelFailedError}
    assert (await first)[0][0] == 1.0
    assert (await predictor.predict(np.array([[0.0, 2.0]])))[0][0] == 2.0


async def test_the_response_cache_answers_what_was_asked_before(triton: Triton, serve: Serve, tmp_path: Path) -> None:
    """The same bytes are predicted once; without the cache they are predicted again."""
    row = np.array([[0.0, 4.0]])
    for settings, expected in (({"response_cache": True}, 1), ({}, 2)):
        predictor = serve(settings, example=QUICK, **python_artifact(HELD))
        before, hits = len(calls(tmp_path / "cache" / "sha256")), triton.value("nv_cache_num_hits_per_model")
        answers = [(await predictor.predict(row))[0][0] for _ in range(2)]
        assert answers == [4.0, 4.0]
        assert len(calls(tmp_path / "cache" / "sha256")) - before == expected
        assert triton.value("nv_cache_num_hits_per_model") - hits == 2 - expected


def test_each_instance_is_warmed_up(serve: Serve, tmp_path: Path) -> None:
    """Every instance predicts the example at every size, as often as asked, before the front's own warm-up."""
    warm_up = {"batch_sizes": [1, 8], "rounds": 2}
    serve({"instance_groups": [{"count": 2}], "warm_up": warm_up}, example=QUICK, **python_artifact(HELD))
    assert sorted(calls(tmp_path / "cache" / "sha256")[:8]) == [1] * 4 + [8] * 4


@pytest.mark.parametrize(("limits", "at_once"), [([{"name": "lane", "count": 1}], False), ([], True)])
async def test_the_rate_limiter_bounds_what_runs_at_once(
    serve: Serve, limits: list[dict[str, object]], at_once: bool
) -> None:
    """Two instances that share one lane run one after the other, and side by side without it."""
    asked = {
        "instance_groups": [{"count": 2, "rate_limits": limits}],
        "max_batch_size": 1,
        "timeout_milliseconds": 20_000,
    }
    predictor = serve(asked, example=QUICK, **python_artifact(HELD))
    started = time.monotonic()
    await asyncio.gather(*(predictor.predict(np.array([[1.5, 1.0]])) for _ in range(2)))
    assert (time.monotonic() - started < 3) is at_once


def test_a_version_may_be_a_link(triton: Triton, tmp_path: Path) -> None:
    """So a graph is served from the verified artifact itself, without a copy."""
    (tmp_path / "version").mkdir()
    (tmp_path / "version" / "model.py").write_text("class TritonPythonModel: ...\n", encoding="utf-8")
    model = triton.repository / "linked"
    model.mkdir()
    (model / "config.pbtxt").write_text(
        'backend: "python" max_batch_size: 1 input {name: "i" data_type: TYPE_FP32 dims: 1} '
        'output {name: "o" data_type: TYPE_FP32 dims: 1}',
        encoding="utf-8",
    )
    (model / "1").symlink_to(tmp_path / "version", target_is_directory=True)
    control = TritonControl(triton.address, "linked")
    control.load()
    assert control.is_ready()
    control.close()


def test_a_server_that_answers_late_is_not_called_absent(triton: Triton) -> None:
    """None is the answer of a server that needs longer than a check waits, False that of one without the model."""
    control = TritonControl(triton.address, "nothing")
    assert control.is_ready() is False
    control._stub.ModelReady = lambda *_, **__: (_ for _ in ()).throw(_Late())
    assert control.is_ready() is None
    control.close()


class _Late(grpc.RpcError):  # type: ignore[misc]
    def code(self) -> grpc.StatusCode:
        return grpc.StatusCode.DEADLINE_EXCEEDED

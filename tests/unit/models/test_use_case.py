"""The run of a use case: what it writes, when it writes nothing, and how it says so."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from marquee.contract.manifest import MANIFEST_NAME, Manifest, NumberField, OnnxRuntime, OutputField
from marquee.contract.training import (
    TrainingError,
    TrainingFailureReason,
    TrainingRequest,
    TrainingResult,
)
from models.artifact import TrainedModel
from models.data.packages import PackageFile
from models.profile import profile_of
from models.use_case import Source, UseCase

DATA = b"1\n2\n3\n"
FILE = PackageFile("things", "1", "0" * 64, "things/data.csv", hashlib.sha256(DATA).hexdigest())
FIELD = NumberField(name="x", minimum=0, maximum=9)


class Counter:
    """A training that counts how often it ran; the file it makes holds the seed."""

    def __init__(self) -> None:
        self.runs = 0

    def __call__(self, data_cache: Path, *, seed: int) -> TrainedModel:
        """Train."""
        assert (data_cache / FILE.cache_path).exists()
        self.runs += 1
        rows = np.arange(10.0)[:, None]
        return TrainedModel(
            runtime=OnnxRuntime(outputs={"y": ("y", 0)}),
            inputs=(FIELD,),
            outputs=(OutputField(name="y"),),
            example={"x": 1.0},
            files={"model.onnx": f"graph {seed}".encode()},
            metrics={"b": 1 / 3, "a": 2.0},
            profile=profile_of([FIELD], rows, rows[:, 0]),
        )


@pytest.fixture
def fit() -> Counter:
    """A training without a model."""
    return Counter()


@pytest.fixture
def use_case(fit: Counter) -> UseCase:
    """A use case around it."""
    return UseCase(
        name="things",
        summary="a test",
        package="models.customer_value",
        sources=(Source("data", FILE, lambda content: content.count(b"\n")),),
        libraries=("numpy",),
        fit=fit,
    )


@pytest.fixture
def request_of(tmp_path: Path) -> Callable[..., TrainingRequest]:
    """Requests that find their data in a cache."""
    path = tmp_path / "cache" / FILE.cache_path
    path.parent.mkdir(parents=True)
    path.write_bytes(DATA)
    request = TrainingRequest(model="leads", out=str(tmp_path / "out"), seed=0, data_cache=tmp_path / "cache")
    return lambda **changes: dataclasses.replace(request, **changes)


def refusal(use_case: UseCase, request: TrainingRequest) -> TrainingError:
    with pytest.raises(TrainingError) as caught:
        use_case.train(request)
    return caught.value


def test_an_artifact_is_what_its_result_says(use_case: UseCase, request_of: Callable[..., TrainingRequest]) -> None:
    """The digest is the manifest's, and the manifest pins the files, data and seed."""
    request = request_of(seed=4)
    result = use_case.train(request)
    raw = (Path(request.out) / MANIFEST_NAME).read_bytes()
    manifest = Manifest.model_validate_json(raw)
    assert result.digest == Manifest.digest_of(raw)
    assert result.uri == Path(request.out).as_uri()
    assert (manifest.model, manifest.use_case) == ("leads", "things")
    assert manifest.files["model.onnx"].sha256 == hashlib.sha256(b"graph 4").hexdigest()
    assert manifest.lineage.seed == 4
    assert [(source.name, source.rows, source.sha256) for source in manifest.lineage.data] == [("data", 3, FILE.sha256)]
    assert result.metrics == {"a": 2.0, "b": 0.333333}


def test_two_runs_differ_in_nothing_but_the_time(
    use_case: UseCase, request_of: Callable[..., TrainingRequest], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And with a given time in nothing at all."""
    manifests = []
    for name, epoch in (("one", "1700000000"), ("two", "1700000000"), ("three", "1800000000")):
        monkeypatch.setenv("SOURCE_DATE_EPOCH", epoch)
        use_case.train(request_of(out=str(tmp_path / name)))
        manifests.append((tmp_path / name / MANIFEST_NAME).read_bytes())
    assert manifests[0] == manifests[1]
    assert json.loads(manifests[0])["createdAt"] == "2023-11-14T22:13:20Z"
    assert manifests[2] != manifests[0]
    first, third = (json.loads(raw) | {"createdAt": ""} for raw in (manifests[0], manifests[2]))
    assert first == third


def test_a_run_that_is_done_is_not_done_again(
    use_case: UseCase, fit: Counter, request_of: Callable[..., TrainingRequest]
) -> None:
    """A Job that is started again answers with the artifact that is there; so does --replace."""
    first = use_case.train(request_of())
    assert use_case.train(request_of()) == first
    assert use_case.train(request_of(replace=True)) == first
    assert fit.runs == 1


def test_a_damaged_artifact_is_not_mistaken_for_a_finished_run(
    use_case: UseCase, fit: Counter, request_of: Callable[..., TrainingRequest]
) -> None:
    """Its files are checked; --replace makes it whole."""
    request = request_of()
    result = use_case.train(request)
    (Path(request.out) / "model.onnx").write_bytes(b"graph X")
    assert refusal(use_case, request).failure.reason is TrainingFailureReason.OUTPUT_OCCUPIED
    repaired = use_case.train(request_of(replace=True))
    assert fit.runs == 2
    assert repaired.metrics == result.metrics
    assert (Path(request.out) / "model.onnx").read_bytes() == b"graph 0"


def test_another_artifact_of_the_model_is_replaced_only_when_asked(
    use_case: UseCase, request_of: Callable[..., TrainingRequest]
) -> None:
    """A revision may point to it."""
    use_case.train(request_of())
    error = refusal(use_case, request_of(seed=1))
    assert error.failure.reason is TrainingFailureReason.OUTPUT_OCCUPIED
    assert "--replace" in str(error)
    assert use_case.train(request_of(seed=1, replace=True)).metrics


def test_what_is_no_artifact_of_the_model_is_never_overwritten(
    use_case: UseCase, fit: Counter, request_of: Callable[..., TrainingRequest]
) -> None:
    """Not even with --replace; and nothing is trained before that is known."""
    use_case.train(request_of())
    assert "artifact of model 'leads'" in str(refusal(use_case, request_of(model="other", replace=True)))
    folder = Path(request_of().out)
    (folder / MANIFEST_NAME).write_text("{}")
    assert "is no artifact" in str(refusal(use_case, request_of(replace=True)))
    (folder / MANIFEST_NAME).unlink()
    assert "'model.onnx'" in str(refusal(use_case, request_of(replace=True)))
    assert fit.runs == 1


def test_an_empty_folder_is_free(use_case: UseCase, request_of: Callable[..., TrainingRequest]) -> None:
    """A folder made beforehand is used."""
    Path(request_of().out).mkdir()
    assert use_case.train(request_of()).digest.startswith("sha256:")


def test_an_output_that_cannot_be_written_is_an_error_and_not_a_crash(
    use_case: UseCase, request_of: Callable[..., TrainingRequest], tmp_path: Path
) -> None:
    """A file where a folder should be, say."""
    (tmp_path / "file").write_text("")
    for out in (tmp_path / "file", tmp_path / "file" / "below"):
        assert refusal(use_case, request_of(out=str(out))).failure.reason is TrainingFailureReason.OUTPUT_UNWRITABLE


@pytest.mark.parametrize(
    ("change", "named"),
    [({"seed": -1}, "--seed -1"), ({"seed": 2**32}, "--seed"), ({"model": "Lead Scoring"}, "--model 'Lead Scoring'")],
    ids=str,
)
def test_arguments_are_checked_before_anything_is_done(
    use_case: UseCase, fit: Counter, request_of: Callable[..., TrainingRequest], change: dict[str, object], named: str
) -> None:
    """The error names the argument."""
    error = refusal(use_case, request_of(**change))
    assert error.failure.reason is TrainingFailureReason.ARGUMENTS_INVALID
    assert named in str(error)
    assert fit.runs == 0


def test_a_time_that_is_none_is_refused(
    use_case: UseCase, request_of: Callable[..., TrainingRequest], monkeypatch: pytest.MonkeyPatch
) -> None:
    """SOURCE_DATE_EPOCH is named."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "yesterday")
    assert "SOURCE_DATE_EPOCH=yesterday" in str(refusal(use_case, request_of()))


def test_a_result_fits_a_termination_message(use_case: UseCase, request_of: Callable[..., TrainingRequest]) -> None:
    """Too many metrics are left out; digest and URI never are."""
    result = use_case.train(request_of())
    assert TrainingResult.model_validate_json(result.to_text()) == result
    many = result.model_copy(update={"metrics": {f"metric_{index}": 0.123456 for index in range(500)}})
    assert len(many.to_text().encode()) <= 4_096
    assert TrainingResult.model_validate_json(many.to_text()).digest == result.digest

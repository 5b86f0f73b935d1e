"""A retraining run from a table to a compared artifact, with a network that is trained in a second."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from marquee.cli.main import main
from marquee.cli.train import default_data_cache
from marquee.contract.manifest import MANIFEST_NAME, DataSource, Lineage, Manifest, OutputField, PythonRuntime
from marquee.contract.pod import EXIT_CODE_FAILURE
from marquee.contract.retrainer import EvaluationRequest, RetrainingRequest
from marquee.contract.retraining import Champion, RetrainingResult, RunSetting, Span
from marquee.contract.training import TrainingError, TrainingFailureReason
from models.artifact import TrainedModel, manifest_of, write
from models.customer_value.use_case import USE_CASE as CUSTOMER_VALUE
from models.data.caravan import CARAVAN
from models.destination import destination_of
from models.lead_scoring.retraining import learner
from models.lead_scoring.schema import FIELDS
from models.lead_scoring.training import typical_record
from models.profile import profile_of
from models.retraining.evaluating import evaluate
from models.retraining.exporting import export
from models.retraining.running import QUALITY_FILE, Subject, retrain
from tests.support.lead_tables import FIRST, lead_columns, write_table
from tests.support.networks import SETTINGS

SUBJECT = Subject(
    "lead-scoring",
    "models.lead_scoring",
    ("numpy", "torch"),
    learner(dataclasses.replace(SETTINGS, epochs=15, batch=64)),
)
RULE = b"""
import numpy as np


class Rule:
    def __init__(self, folder):
        self.rate = float((folder / "rate").read_text())

    def predict(self, rows):
        return {"probability": np.full(len(rows), self.rate)}
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a table of 50 days."""
    return write_table(tmp_path_factory.mktemp("data") / "leads" / "all.parquet", lead_columns()).parent


@pytest.fixture
def request_of(data: Path, tmp_path: Path) -> Callable[..., RetrainingRequest]:
    """Requests for a run on it."""
    plain = RetrainingRequest(
        run="lead-1", model="lead", trigger="Drift", seed=3, data_uri=str(data), start=FIRST,
        end=FIRST + dt.timedelta(days=50), excluded=(), out=str(tmp_path / "out"), champions=(),
        metrics=("log_loss", "auc", "brier"), slices=(), data_cache=tmp_path / "cache",
    )  # fmt: skip
    return lambda **changes: dataclasses.replace(plain, **changes)


@pytest.fixture(scope="module")
def before(data: Path, tmp_path_factory: pytest.TempPathFactory) -> RetrainingResult:
    """An earlier run's, of the first half."""
    out = tmp_path_factory.mktemp("before") / "r1"
    return retrain(
        SUBJECT,
        RetrainingRequest(
            run="lead-0", model="lead", trigger="Manual", seed=3, data_uri=str(data), start=None,
            end=FIRST + dt.timedelta(days=25), excluded=(), out=str(out), champions=(), metrics=("auc",), slices=(),
            data_cache=out.parent,
        ),
    )  # fmt: skip


def a_champion(result: RetrainingResult, revision: str = "lead-v1") -> Champion:
    return Champion(revision=revision, uri=result.uri, digest=result.digest)


def a_rule(folder: Path, rate: str, *, sha256: str = "0" * 64, output: str = "probability") -> Champion:
    """A champion that ships its own code: the same probability for all."""
    rows = np.zeros((3, len(FIELDS)))
    trained = TrainedModel(
        runtime=PythonRuntime(entrypoint="rule:Rule"),
        inputs=FIELDS,
        outputs=(OutputField(name=output),),
        example=typical_record(rows),
        files={"rule.py": RULE, "rate": rate.encode()},
        metrics={},
        profile=profile_of(FIELDS, rows, rows[:, 0]),
    )
    source = DataSource(name="x", sha256=sha256, rows=1, origin="x")
    lineage = Lineage(code_digest="sha256:" + "0" * 64, seed=0, data=(source,), libraries={})
    manifest = manifest_of(trained, model="lead", use_case="lead-scoring", lineage=lineage)
    stored = write(manifest, trained.files, destination_of(str(folder)))
    return Champion(revision=folder.name, uri=folder.as_uri(), digest=stored.digest)


def refused(request: RetrainingRequest) -> TrainingError:
    with pytest.raises(TrainingError) as caught:
        retrain(SUBJECT, request)
    return caught.value


def test_candidate_champions_and_baseline_meet_on_the_newest_rows(
    request_of: Callable[..., RetrainingRequest], before: RetrainingResult, tmp_path: Path
) -> None:
    """240 of 1,200; champions of either flavour, also two whose modules have one name."""
    rules = [a_rule(tmp_path / name, rate) for name, rate in (("half", "0.5"), ("third", "0.35"))]
    asked = request_of(champions=(a_champion(before), *rules), slices=("PPERSAUT",))
    result = retrain(SUBJECT, asked)
    compared = result.comparison
    assert compared.rows == 240
    assert list(compared.champions) == ["lead-v1", "half", "third"]
    assert compared.champions["half"] == {"log_loss": pytest.approx(np.log(2), abs=1e-6), "auc": 0.5, "brier": 0.25}
    assert compared.champions["third"]["brier"] < 0.25
    assert compared.baseline is not None
    for learned in (compared.challenger, compared.champions["lead-v1"], compared.baseline):
        assert learned["auc"] > 0.7
    assert [(each.name, each.champion is not None) for each in compared.slices] == [
        (name, True) for name in sorted(("PPERSAUT=0", "PPERSAUT=6"), key=lambda name: (-sizes(compared)[name], name))
    ]
    assert sum(each.rows for each in compared.slices) == 240


def sizes(compared: object) -> dict[str, int]:
    return {each.name: each.rows for each in compared.slices}  # type: ignore[attr-defined]


def test_nothing_is_learned_while_it_is_not_known_who_has_withdrawn(
    request_of: Callable[..., RetrainingRequest], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The run reads its list before any row, and ends with its own reason when it cannot."""
    monkeypatch.setenv(RunSetting.LEDGER_URL, "http://127.0.0.1:9")
    monkeypatch.setenv(RunSetting.NAMESPACE, "crm")
    monkeypatch.setenv(RunSetting.LEDGER_TOKEN, str(tmp_path / "no-token"))
    error = refused(request_of())
    assert error.failure.reason is TrainingFailureReason.SUPPRESSIONS_UNAVAILABLE
    assert not (tmp_path / "out").exists()


def test_the_artifact_is_what_was_compared(request_of: Callable[..., RetrainingRequest], data: Path) -> None:
    """Its digest, metrics, lineage and report; and it gives the same figures when it is evaluated."""
    request = request_of()
    result = retrain(SUBJECT, request)
    raw = (Path(request.out) / MANIFEST_NAME).read_bytes()
    manifest = Manifest.model_validate_json(raw)
    assert result.digest == Manifest.digest_of(raw)
    assert (manifest.model, manifest.use_case, manifest.lineage.seed, manifest.lineage.parent) == (
        "lead", "lead-scoring", 3, None,
    )  # fmt: skip
    assert manifest.lineage.code_digest == result.code_digest
    assert [(source.name, source.rows) for source in manifest.lineage.data] == [("training", 960), ("held-out", 240)]
    assert manifest.metrics["auc"] == result.comparison.challenger["auc"]
    assert manifest.metrics["baseline_auc"] == (result.comparison.baseline or {})["auc"]
    assert json.loads((Path(request.out) / QUALITY_FILE).read_text())["rowsUsed"] == 1_200
    newest = FIRST + dt.timedelta(hours=960)
    again = evaluate(
        SUBJECT, EvaluationRequest(artifact=request.out, data_uri=str(data), start=newest, metrics=("auc", "brier"))
    )
    assert again.digest == result.digest
    assert again.rows == 240
    assert again.metrics == {name: result.comparison.challenger[name] for name in ("auc", "brier")}


def test_the_same_run_gives_the_same_bytes(request_of: Callable[..., RetrainingRequest], tmp_path: Path) -> None:
    """Wherever it writes, whatever the clock says; a run that finds its work done, or half done, ends it."""
    first = retrain(SUBJECT, request_of())
    out = tmp_path / "out"
    assert retrain(SUBJECT, request_of()) == first
    (out / MANIFEST_NAME).unlink()
    assert retrain(SUBJECT, request_of()) == first
    (out / "model.onnx").write_bytes(b"cut")
    assert retrain(SUBJECT, request_of()) == first
    assert retrain(SUBJECT, request_of(out=str(tmp_path / "elsewhere"))).digest == first.digest
    assert retrain(SUBJECT, request_of(seed=4, out=str(tmp_path / "other"))).digest != first.digest


def test_what_another_wrote_is_not_overwritten(request_of: Callable[..., RetrainingRequest], tmp_path: Path) -> None:
    """The folder is of this run alone."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("years of work")
    error = refused(request_of())
    assert error.failure.reason is TrainingFailureReason.OUTPUT_OCCUPIED
    assert "'thesis.txt'" in str(error)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"uri": "file:///nowhere"}, "manifest.json cannot be read"),
        ({"digest": "sha256:" + "1" * 64}, "expected was sha256:1111"),
        ({"uri": "nothing://there"}, "no client for this scheme"),
    ],
    ids=str,
)
def test_a_champion_that_cannot_be_had_is_left_out(
    request_of: Callable[..., RetrainingRequest],
    before: RetrainingResult,
    caplog: pytest.LogCaptureFixture,
    change: dict[str, str],
    said: str,
) -> None:
    """The log says which and why; the run goes on."""
    champion = Champion.model_validate(a_champion(before).model_dump() | change)
    with caplog.at_level(logging.WARNING):
        result = retrain(SUBJECT, request_of(champions=(champion,), slices=("PPERSAUT",)))
    assert result.comparison.champions == {}
    assert all(each.champion is None for each in result.comparison.slices)
    assert "champion lead-v1 is left out of the comparison: " in caplog.text
    assert said in caplog.text


def test_a_champion_that_fails_is_left_out(
    request_of: Callable[..., RetrainingRequest], caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    """Its own code, its output, a file that was changed later."""
    changed = a_rule(tmp_path / "changed", "0.5")
    (tmp_path / "changed" / "rate").write_text("0.6")
    champions = (
        a_rule(tmp_path / "broken", "no number"), a_rule(tmp_path / "other", "0.5", output="margin"),
        a_rule(tmp_path / "endless", "nan"), changed,
    )  # fmt: skip
    with caplog.at_level(logging.WARNING):
        assert retrain(SUBJECT, request_of(champions=champions)).comparison.champions == {}
    for said in (
        "could not convert string to float", "it has no output probability", "not one finite number a row",
        "rate is not the file that manifest.json pins",
    ):  # fmt: skip
        assert said in caplog.text


def test_a_champion_that_knows_the_answers_is_left_out(
    request_of: Callable[..., RetrainingRequest], caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    """Without a table: what `marquee train` made has learned from all of Caravan."""
    champions = a_rule(tmp_path / "trained", "0.06", sha256=CARAVAN.sha256), a_rule(tmp_path / "retrained", "0.06")
    request = request_of(data_uri="", data_cache=default_data_cache(), champions=champions, metrics=("brier",))
    result = retrain(SUBJECT, request)
    assert list(result.comparison.champions) == ["retrained"]
    assert "champion trained is left out of the comparison: it was trained on the rows" in caplog.text
    assert not (tmp_path / "out" / QUALITY_FILE).exists()


def test_a_window_with_an_excluded_span_learns_from_the_rest(request_of: Callable[..., RetrainingRequest]) -> None:
    """Four days of a broken feed are 96 rows."""
    span = Span(start=FIRST + dt.timedelta(days=10), end=FIRST + dt.timedelta(days=14))
    request = request_of(excluded=(span,), start=FIRST + dt.timedelta(days=5))
    retrain(SUBJECT, request)
    report = json.loads((Path(request.out) / QUALITY_FILE).read_text())
    assert (report["rowsUsed"], report["rowsLeftOut"]["inExcludedWindow"]) == (1_200 - 120 - 96, 96)


@pytest.mark.parametrize(
    ("change", "reason", "said"),
    [
        ({"metrics": ("auc", "charm")}, "ArgumentsInvalid", "MARQUEE_METRICS: there is no metric 'charm'"),
        ({"slices": ("mood",)}, "ArgumentsInvalid", "MARQUEE_SLICES: 'mood' is no input"),
        ({"out": "pvc://claim"}, "ArgumentsInvalid", "MARQUEE_ARTIFACT_URI pvc://claim: use pvc://CLAIM/PATH"),
        ({"data_uri": "/nowhere"}, "DataUnavailable", "MARQUEE_DATA_URI /nowhere"),
        ({"end": FIRST + dt.timedelta(hours=30)}, "DataInsufficient", "at least 10 must be"),
    ],
    ids=str,
)
def test_a_run_that_cannot_be_is_refused(
    request_of: Callable[..., RetrainingRequest], change: dict[str, object], reason: str, said: str
) -> None:
    """Before anything is trained, with the variable's name."""
    error = refused(request_of(**change))
    assert error.failure.reason == reason
    assert said in str(error)


def test_a_use_case_that_learns_from_no_table_says_why(request_of: Callable[..., RetrainingRequest]) -> None:
    """And names itself."""
    use_case = dataclasses.replace(CUSTOMER_VALUE, retrainable=None)
    with pytest.raises(TrainingError, match=r"use case 'customer-value' cannot be retrained: .*neither a learner"):
        use_case.retrain(request_of())


def test_evaluate_prints_one_line_of_json(
    before: RetrainingResult, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """All metrics where none is named; the use case is the artifact's."""
    assert main(["evaluate", before.uri, "--data", str(data), "--start", "2026-01-21", "--slices", "PPERSAUT"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["digest"], told["rows"]) == (before.digest, 1_200 - 20 * 24)
    assert set(told["metrics"]) == {"auc", "brier", "calibration_error", "lift_top_20", "log_loss"}
    assert sum(each["rows"] for each in told["slices"]) == told["rows"]
    assert main(["evaluate", before.uri, "--data", str(data), "--metrics", "charm"]) == EXIT_CODE_FAILURE
    assert "--metrics: there is no metric 'charm'" in capsys.readouterr().err


def test_rows_of_one_outcome_have_no_area_under_a_curve(before: RetrainingResult, tmp_path: Path) -> None:
    """Which is said, and not left to a traceback."""
    table = write_table(tmp_path / "nobody.csv", lead_columns(30) | {"label": [False] * 30})
    request = EvaluationRequest(artifact=before.uri, data_uri=str(table), metrics=("auc",))
    with pytest.raises(TrainingError, match="30 rows of one outcome define none of auc"):
        evaluate(SUBJECT, request)
    assert set(evaluate(SUBJECT, dataclasses.replace(request, metrics=("auc", "brier"))).metrics) == {"brier"}


def test_an_artifact_is_exported_whole(before: RetrainingResult, tmp_path: Path) -> None:
    """The same digest elsewhere; another model's has its own; a damaged or unexpected one is refused."""
    told = json.loads(export(before.uri, str(tmp_path / "copy"), digest=before.digest))
    assert told == {"uri": (tmp_path / "copy").as_uri(), "digest": before.digest, "model": "lead"}
    other = json.loads(export(str(tmp_path / "copy"), str(tmp_path / "at"), model="lead-at"))
    assert other["model"] == "lead-at"
    assert Manifest.digest_of((tmp_path / "at" / MANIFEST_NAME).read_bytes()) == other["digest"] != before.digest
    with pytest.raises(TrainingError, match="expected was"):
        export(before.uri, str(tmp_path / "no"), digest="sha256:" + "2" * 64)
    with pytest.raises(TrainingError, match="--model 'Lead AT'"):
        export(before.uri, str(tmp_path / "no"), model="Lead AT")
    (tmp_path / "copy" / "model.onnx").write_bytes(b"x")
    with pytest.raises(TrainingError, match="was changed later"):
        export(str(tmp_path / "copy"), str(tmp_path / "no"))
    assert not (tmp_path / "no").exists()

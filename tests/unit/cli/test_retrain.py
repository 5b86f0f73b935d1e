"""``marquee retrain``, ``evaluate`` and ``export`` as a Job or a person sees them."""

from __future__ import annotations

import datetime as dt
import importlib.metadata
import json
from pathlib import Path

import pytest

from marquee.cli.main import main
from marquee.cli.run_environment import read_request
from marquee.contract.distributed import EXIT_CODE_PEER_LOST
from marquee.contract.pod import EXIT_CODE_FAILURE
from marquee.contract.retrainer import EvaluationRequest, EvaluationResult, RetrainingRequest
from marquee.contract.retraining import Champion, Comparison, RetrainingResult, RunSetting, SliceScores, Span
from marquee.contract.training import (
    MAX_MESSAGE_BYTES,
    USE_CASES_GROUP,
    TrainingError,
    TrainingFailure,
    TrainingFailureReason,
)

DIGEST = "sha256:" + "0" * 64
ENVIRONMENT: dict[str, str] = {
    RunSetting.RUN: "lead-3",
    RunSetting.MODEL: "lead",
    RunSetting.TRIGGER: "Drift",
    RunSetting.SEED: "7",
    RunSetting.DATA: "s3://data/leads",
    RunSetting.WINDOW_START: "2026-01-01T00:00:00Z",
    RunSetting.WINDOW_END: "2026-03-01T00:00:00+01:00",
    RunSetting.EXCLUDED: '[{"start":"2026-02-01T00:00:00Z","end":"2026-02-02T00:00:00Z"}]',
    RunSetting.ARTIFACT: "pvc://models/lead/lead-3",
    RunSetting.CHAMPIONS: json.dumps([{"revision": "lead-v1", "uri": "pvc://models/lead/v1", "digest": DIGEST}]),
    RunSetting.METRICS: "log_loss, auc",
    RunSetting.SLICES: "MOSHOOFD,",
}
RESULT = RetrainingResult(
    uri="pvc://models/lead/lead-3",
    digest=DIGEST,
    model="lead",
    use_case="fake",
    data_digest=DIGEST,
    metrics={"auc": 0.8},
    code_digest=DIGEST,
    seed=7,
    comparison=Comparison(
        rows=100, challenger={"auc": 0.8}, champions={"lead-v1": {"auc": 0.7}}, baseline={"auc": 0.6}
    ),
)


class Fake:
    """A use case that notes what it is asked."""

    name = "fake"

    def __init__(self) -> None:
        self.requests: list[RetrainingRequest | EvaluationRequest] = []
        self.assisted = 0
        self.trouble: TrainingError | None = None

    def retrain(self, request: RetrainingRequest) -> RetrainingResult:
        """Note the request."""
        self.requests.append(request)
        if self.trouble is not None:
            raise self.trouble
        return RESULT

    def assist(self, _: RetrainingRequest) -> None:
        """Count it."""
        self.assisted += 1

    def evaluate(self, request: EvaluationRequest) -> EvaluationResult:
        """Note the request."""
        self.requests.append(request)
        return EvaluationResult(uri=request.artifact, digest=DIGEST, data_digest=DIGEST, rows=9, metrics={"auc": 0.5})


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Fake:
    """The only use case there is; termination messages go to a file."""
    use_case = Fake()
    entry = importlib.metadata.EntryPoint("fake", "fakes:USE_CASE", USE_CASES_GROUP)
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda *, group: [entry] * (group == USE_CASES_GROUP))
    monkeypatch.setattr(importlib.metadata.EntryPoint, "load", lambda _: use_case)
    monkeypatch.setenv("MARQUEE_TERMINATION_MESSAGE", str(tmp_path / "message"))
    for setting, value in ENVIRONMENT.items():
        monkeypatch.setenv(setting, value)
    return use_case


def test_a_run_is_what_its_environment_says(fake: Fake, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And its result the last line of output and the termination message."""
    assert main(["retrain", "fake", "--data-cache", str(tmp_path)]) == 0
    assert fake.requests == [
        RetrainingRequest(
            run="lead-3",
            model="lead",
            trigger="Drift",
            seed=7,
            data_uri="s3://data/leads",
            start=dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
            end=dt.datetime(2026, 2, 28, 23, tzinfo=dt.UTC),
            excluded=(Span(start=dt.datetime(2026, 2, 1, tzinfo=dt.UTC), end=dt.datetime(2026, 2, 2, tzinfo=dt.UTC)),),
            out="pvc://models/lead/lead-3",
            champions=(Champion(revision="lead-v1", uri="pvc://models/lead/v1", digest=DIGEST),),
            metrics=("log_loss", "auc"),
            slices=("MOSHOOFD",),
            data_cache=tmp_path,
        )
    ]
    line = capsys.readouterr().out.splitlines()[-1]
    assert RetrainingResult.model_validate_json(line) == RESULT
    assert (tmp_path / "message").read_text().strip() == line


@pytest.mark.parametrize(
    "setting",
    [RunSetting.RUN, RunSetting.MODEL, RunSetting.TRIGGER, RunSetting.SEED, RunSetting.ARTIFACT, RunSetting.METRICS],
)
def test_a_missing_setting_is_named(
    fake: Fake, setting: RunSetting, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In the termination message and on standard error; nothing is asked of the use case."""
    monkeypatch.delenv(setting)
    assert main(["retrain", "fake"]) == EXIT_CODE_FAILURE
    failure = TrainingFailure.model_validate_json((tmp_path / "message").read_text())
    assert failure.reason is TrainingFailureReason.ARGUMENTS_INVALID
    assert failure.message.startswith(f"{setting}: must ")
    assert f"{setting}: " in capsys.readouterr().err
    assert fake.requests == []


@pytest.mark.parametrize(
    ("setting", "value", "said"),
    [
        (RunSetting.MODEL, "Lead Scoring", "no name of a MarketingModel"),
        (RunSetting.TRIGGER, "Moon", "must be one of Manual, Performance, Drift, Schedule"),
        (RunSetting.SEED, "-1", "no whole number from 0 to 4294967295"),
        (RunSetting.SEED, "4294967296", "no whole number"),
        (RunSetting.SEED, "9" * 5_000, "no whole number"),
        (RunSetting.WINDOW_START, "yesterday", "no instant; write 2026"),
        (RunSetting.WINDOW_END, "2026-03-01T00:00:00", "no instant"),
        (RunSetting.WINDOW_END, "2025-12-31T00:00:00Z", "must be later than MARQUEE_WINDOW_START"),
        (RunSetting.EXCLUDED, "{", "JSON"),
        (
            RunSetting.EXCLUDED,
            '[{"start":"2026-02-02T00:00:00Z","end":"2026-02-01T00:00:00Z"}]',
            "must end after its start",
        ),
        (RunSetting.CHAMPIONS, '[{"revision":"a","uri":"b","digest":"c"}]', "0.digest"),
        (
            RunSetting.CHAMPIONS,
            "[" + ",".join(['{"revision":"a","uri":"b","digest":"' + DIGEST + '"}'] * 5) + "]",
            "at most 4",
        ),
        (RunSetting.METRICS, "AUC", "'AUC' is no name of a metric"),
        (RunSetting.METRICS, ",".join(f"m{number}" for number in range(9)), "it names 9"),
    ],
)
def test_a_wrong_setting_is_named(setting: RunSetting, value: str, said: str, tmp_path: Path) -> None:
    """With what would be right."""
    with pytest.raises(TrainingError) as caught:
        read_request(ENVIRONMENT | {setting: value}, data_cache=tmp_path)
    assert caught.value.failure.reason is TrainingFailureReason.ARGUMENTS_INVALID
    assert str(caught.value).startswith(f"{setting}: ")
    assert said in str(caught.value)


def test_a_run_without_window_data_and_champions_is_one(tmp_path: Path) -> None:
    """The first one of a model, on the use case's own data."""
    optional = (
        RunSetting.DATA, RunSetting.WINDOW_START, RunSetting.WINDOW_END, RunSetting.EXCLUDED, RunSetting.CHAMPIONS,
        RunSetting.SLICES,
    )  # fmt: skip
    for environment in (
        {name: value for name, value in ENVIRONMENT.items() if name not in optional},
        ENVIRONMENT | dict.fromkeys(optional, ""),
    ):
        request = read_request(environment, data_cache=tmp_path)
        assert (request.data_uri, request.start, request.end) == ("", None, None)
        assert (request.excluded, request.champions, request.slices) == ((), (), ())


def test_a_use_case_of_others_may_not_know_how(
    fake: Fake, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Which is said, with the protocol that it lacks."""
    monkeypatch.delattr(Fake, "retrain")
    assert main(["retrain", "fake"]) == EXIT_CODE_FAILURE
    assert fake.requests == []
    assert (
        "use case 'fake' has no retrain and evaluate (marquee.contract.retrainer.Retrainable)"
        in capsys.readouterr().err
    )


def test_a_result_fits_a_termination_message() -> None:
    """Slices and champions go last to first; digest, the comparison's metrics and the serving champion stay."""
    scores = {f"metric_{number}_{'x' * 20}": 0.123456 for number in range(8)}
    slices = tuple(
        SliceScores(name=f"input={number}".ljust(60, "x"), rows=9, challenger=scores, champion=scores)
        for number in range(8)
    )
    champions = {f"lead-v{number}".ljust(60, "x"): scores for number in range(4)}
    comparison = Comparison(rows=9, challenger=scores, champions=champions, baseline=scores, slices=slices)
    for uri in ("s3://a/b", "s3://" + "a" * 1_000):
        full = RESULT.model_copy(update={"uri": uri, "comparison": comparison, "metrics": scores})
        text = full.to_text()
        assert len(text.encode()) <= MAX_MESSAGE_BYTES
        kept = RetrainingResult.model_validate_json(text)
        assert (kept.digest, kept.uri, kept.metrics) == (full.digest, uri, {})
        assert (kept.comparison.challenger, kept.comparison.baseline) == (scores, scores)
        assert list(kept.comparison.champions) == list(champions)[: len(kept.comparison.champions)] != []
        assert kept.comparison.slices == slices[: len(kept.comparison.slices)]
    assert RetrainingResult.model_validate_json(RESULT.to_text()) == RESULT


def test_a_result_of_the_full_length_is_left_whole(fake: Fake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kubelet keeps the end of what is too long: one byte more, and the first brace is gone."""
    full = RESULT.model_copy(update={"uri": RESULT.uri + "x" * (MAX_MESSAGE_BYTES - len(RESULT.to_text()))})
    monkeypatch.setattr(fake, "retrain", lambda _: full)
    assert main(["retrain", "fake", "--data-cache", str(tmp_path)]) == 0
    assert RetrainingResult.model_validate_json((tmp_path / "message").read_bytes()[-MAX_MESSAGE_BYTES:]) == full


def test_an_artifact_that_is_none_is_refused(fake: Fake, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By evaluate and export alike, with its place."""
    for words in (["evaluate", str(tmp_path), "--data", "x"], ["export", str(tmp_path), "--out", str(tmp_path / "x")]):
        assert main(words) == EXIT_CODE_FAILURE
        assert "DataUnavailable: ARTIFACT file://" in capsys.readouterr().err
    assert fake.requests == []


def test_of_several_processes_the_first_alone_tells_the_result(
    fake: Fake, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The others train along, and leave nothing; one that has lost another ends with a code of its own."""
    for name, value in {"RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "::1", "MASTER_PORT": "29500"}.items():
        monkeypatch.setenv(name, value)
    assert main(["retrain", "fake"]) == 0
    assert (fake.assisted, capsys.readouterr().out, (tmp_path / "message").exists()) == (1, "", False)
    monkeypatch.setenv("RANK", "0")
    assert main(["retrain", "fake"]) == 0
    assert (tmp_path / "message").exists()
    fake.trouble = TrainingError(TrainingFailureReason.PEER_LOST, "process 0 of 2 has lost another one")
    assert main(["retrain", "fake"]) == EXIT_CODE_PEER_LOST
    monkeypatch.setenv("WORLD_SIZE", "two")
    assert main(["retrain", "fake"]) == EXIT_CODE_FAILURE
    assert "WORLD_SIZE" in (tmp_path / "message").read_text()

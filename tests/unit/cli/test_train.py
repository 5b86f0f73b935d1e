"""``marquee train`` and ``marquee fetch`` as a person or a Job sees them."""

from __future__ import annotations

import importlib.metadata
import json
from pathlib import Path

import pytest

from marquee.cli import train
from marquee.cli.main import main
from marquee.contract.manifest import DataSource
from marquee.contract.pod import EXIT_CODE_FAILURE
from marquee.contract.training import (
    USE_CASES_GROUP,
    TrainingError,
    TrainingFailure,
    TrainingFailureReason,
    TrainingRequest,
    TrainingResult,
)

DIGEST = "sha256:" + "0" * 64


class Fake:
    """A use case that notes its requests."""

    name = "fake"
    summary = "nothing"

    def __init__(self) -> None:
        self.requests: list[TrainingRequest] = []
        self.error: Exception | None = None

    def fetch(self, data_cache: Path) -> tuple[DataSource, ...]:
        """Say where data would be."""
        if self.error is not None:
            raise self.error
        return (DataSource(name="table", sha256="1" * 64, rows=3, origin=str(data_cache)),)

    def train(self, request: TrainingRequest) -> TrainingResult:
        """Note the request."""
        self.requests.append(request)
        if self.error is not None:
            raise self.error
        return TrainingResult(
            uri="file:///x",
            digest=DIGEST,
            model=request.model,
            use_case=self.name,
            data_digest=DIGEST,
            metrics={"a": 1},
        )


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Fake:
    """The only use case there is; termination messages go to a file."""
    use_case = Fake()
    entry = importlib.metadata.EntryPoint("fake", "fakes:USE_CASE", USE_CASES_GROUP)
    monkeypatch.setattr(importlib.metadata, "entry_points", lambda *, group: [entry] * (group == USE_CASES_GROUP))
    monkeypatch.setattr(importlib.metadata.EntryPoint, "load", lambda _: use_case)
    monkeypatch.setenv("MARQUEE_TERMINATION_MESSAGE", str(tmp_path / "message"))
    return use_case


def test_the_last_line_of_output_is_the_result(fake: Fake, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As JSON, and the same in the termination message."""
    assert main(["train", "fake", "--out", "there", "--seed", "7", "--data-cache", str(tmp_path)]) == 0
    line = capsys.readouterr().out.splitlines()[-1]
    result = TrainingResult.model_validate_json(line)
    assert (result.uri, result.digest, result.metrics) == ("file:///x", DIGEST, {"a": 1})
    assert (tmp_path / "message").read_text().strip() == line
    assert fake.requests == [
        TrainingRequest(model="fake", out="there", seed=7, data_cache=tmp_path, replace=False),
    ]


def test_a_model_can_have_a_name_of_its_own(fake: Fake) -> None:
    """Several MarketingModels may share a use case."""
    assert main(["train", "fake", "--out", "x", "--model", "leads-at", "--replace"]) == 0
    assert fake.requests[0].model == "leads-at"
    assert fake.requests[0].replace


def test_a_failure_is_said_in_words_and_in_the_termination_message(
    fake: Fake, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing on standard output, the reason on standard error, its own exit code."""
    fake.error = TrainingError(TrainingFailureReason.NOT_PROMOTABLE, "not promotable: worse than the rule")
    assert main(["train", "fake", "--out", "x"]) == EXIT_CODE_FAILURE
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "NotPromotable: not promotable: worse than the rule" in captured.err
    failure = TrainingFailure.model_validate_json((tmp_path / "message").read_text())
    assert failure.reason is TrainingFailureReason.NOT_PROMOTABLE


def test_an_unknown_use_case_lists_the_known_ones(fake: Fake, capsys: pytest.CaptureFixture[str]) -> None:
    """For training and fetching alike."""
    assert fake.name == "fake"
    for command in (["train", "leads", "--out", "x"], ["fetch", "leads"]):
        assert main(command) == EXIT_CODE_FAILURE
        assert "there is no use case 'leads'; known are: fake" in capsys.readouterr().err


def test_a_missing_package_says_what_to_install(fake: Fake, capsys: pytest.CaptureFixture[str]) -> None:
    """Training without PyTorch is no traceback."""
    fake.error = ModuleNotFoundError("No module named 'torch'")
    assert main(["train", "fake", "--out", "x"]) == EXIT_CODE_FAILURE
    assert "pip install 'marquee[models]'" in capsys.readouterr().err


def test_fetch_says_what_it_brought(fake: Fake, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line per source."""
    assert fake.name == "fake"
    assert main(["fetch", "fake", "--data-cache", str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"table: 3 rows, sha256 {'1' * 64}, from {tmp_path}\n"


def test_a_fetch_that_fails_is_said_in_words(fake: Fake, capsys: pytest.CaptureFixture[str]) -> None:
    """With the exit code of a failure."""
    fake.error = TrainingError(TrainingFailureReason.DATA_UNAVAILABLE, "no network")
    assert main(["fetch", "fake"]) == EXIT_CODE_FAILURE
    assert "DataUnavailable: no network" in capsys.readouterr().err


def test_the_data_cache_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """One variable moves everything that can be fetched again."""
    monkeypatch.setenv("MARQUEE_CACHE", str(tmp_path))
    assert train.default_data_cache() == tmp_path / "data"
    monkeypatch.delenv("MARQUEE_CACHE")
    assert train.default_data_cache() == Path("~/.cache/marquee/data").expanduser()


@pytest.mark.parametrize(
    "arguments", [[], ["train"], ["train", "fake"], ["train", "fake", "--out", "x", "--seed", "a"]]
)
def test_wrong_usage_is_explained(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    """By argparse, with exit code 2."""
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert "usage: marquee" in capsys.readouterr().err


def test_the_shipped_use_cases_are_entry_points() -> None:
    """Found by name in the installed package, and each says its own name."""
    for name in ("lead-scoring", "customer-value"):
        assert train.find(name).name == name


def test_a_long_failure_fits_a_termination_message() -> None:
    """Cut by bytes, not by characters, and still valid JSON."""
    error = TrainingError(TrainingFailureReason.DATA_MISMATCH, 'ä"\n' * 5_000)
    text = error.failure.to_text()
    assert len(text.encode()) <= 4_096
    assert json.loads(text)["reason"] == "DataMismatch"

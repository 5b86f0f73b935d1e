"""Retraining on a purchase log: what is held out, who is compared, and which logs are refused."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from marquee.contract.assignment import unit_hash
from marquee.contract.distributed import Standing
from marquee.contract.manifest import MANIFEST_NAME, Manifest
from marquee.contract.retrainer import EvaluationRequest, RetrainingRequest
from marquee.contract.retraining import Champion, RetrainingResult
from marquee.contract.training import TrainingError, TrainingFailureReason
from models.customer_value.retraining import study_of
from models.customer_value.use_case import USE_CASE
from models.data.cdnow import Purchases
from models.data.examples import Selection
from models.data.purchases import read_purchases
from models.data.quality import Left
from models.data.suppressed import Suppressed
from models.retraining.running import QUALITY_FILE
from tests.support.lead_tables import write_table
from tests.support.purchase_logs import DAYS, FIRST, purchase_columns

END = FIRST + dt.timedelta(days=DAYS)
METRICS = ("purchases_rmse", "spend_rmse", "purchases_mae")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A log of 280 days."""
    return write_table(tmp_path_factory.mktemp("data") / "log.parquet", purchase_columns())


@pytest.fixture
def request_of(data: Path, tmp_path: Path) -> Callable[..., RetrainingRequest]:
    """Requests for a run on it."""
    plain = RetrainingRequest(
        run="value-1", model="value", trigger="Drift", seed=3, data_uri=str(data), start=None, end=END, excluded=(),
        out=str(tmp_path / "out"), champions=(), metrics=METRICS, slices=(), data_cache=tmp_path / "cache",
    )  # fmt: skip
    return lambda **changes: dataclasses.replace(plain, **changes)


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> RetrainingResult:
    """An earlier run's, of customers who bought three times as often."""
    folder = tmp_path_factory.mktemp("before")
    log = write_table(folder / "log.csv", purchase_columns(seed=1, rate=3.0))
    return USE_CASE.retrain(
        RetrainingRequest(
            run="value-0",
            model="value",
            trigger="Manual",
            seed=3,
            data_uri=str(log),
            start=None,
            end=END,
            excluded=(),
            out=str(folder / "r1"),
            champions=(),
            metrics=METRICS,
            slices=(),
            data_cache=folder,
        )
    )


def refused(run: Callable[[], Any]) -> TrainingError:
    with pytest.raises(TrainingError) as caught:
        run()
    return caught.value


def test_a_candidate_beats_persistence_and_a_champion_of_other_customers(
    request_of: Callable[..., RetrainingRequest], before: RetrainingResult
) -> None:
    """All are told on the same customers; what is compared is what is written, and the log is not."""
    champion = Champion(revision="value-0", uri=before.uri, digest=before.digest)
    request = request_of(champions=(champion,))
    result = USE_CASE.retrain(request)
    told = result.comparison
    assert told.baseline is not None
    assert told.rows > 300
    assert told.challenger["purchases_rmse"] < told.baseline["purchases_rmse"]
    assert told.challenger["purchases_rmse"] < told.champions["value-0"]["purchases_rmse"]
    assert (result.use_case, result.model, result.seed) == ("customer-value", "value", 3)
    folder = Path(request.out)
    manifest = Manifest.model_validate_json((folder / MANIFEST_NAME).read_bytes())
    assert sorted(path.name for path in folder.iterdir()) == [QUALITY_FILE, MANIFEST_NAME, "parameters.json"]
    assert manifest.metrics["baseline_spend_rmse"] == pytest.approx(told.baseline["spend_rmse"], rel=1e-5)
    assert manifest.created_at == END.strftime("%Y-%m-%dT%H:%M:%SZ")
    evaluated = USE_CASE.evaluate(EvaluationRequest(artifact=request.out, data_uri=request.data_uri, end=END))
    assert evaluated.metrics == told.challenger
    assert evaluated.digest == result.digest


def test_the_same_run_gives_the_same_bytes(request_of: Callable[..., RetrainingRequest], tmp_path: Path) -> None:
    """Also from the other format, with its rows in another order."""
    columns = purchase_columns()
    order = np.random.default_rng(5).permutation(len(columns["value"]))
    mixed = {name: [values[index] for index in order] for name, values in columns.items()}
    first = USE_CASE.retrain(request_of(out=str(tmp_path / "a")))
    other = write_table(tmp_path / "log.csv", mixed)
    second = USE_CASE.retrain(request_of(out=str(tmp_path / "b"), data_uri=str(other)))
    parameters = [(tmp_path / name / "parameters.json").read_bytes() for name in "ab"]
    assert parameters[0] == parameters[1]
    assert first.data_digest == second.data_digest
    assert first.comparison == second.comparison


def test_nothing_of_the_held_out_days_is_learned(request_of: Callable[..., RetrainingRequest], tmp_path: Path) -> None:
    """Other purchases after the cut change the figures and no parameter."""
    columns = purchase_columns()
    cut = END - dt.timedelta(days=DAYS // 5)
    values = [
        value * (3 if time >= cut else 1) for time, value in zip(columns["timestamp"], columns["value"], strict=True)
    ]
    log = write_table(tmp_path / "log.parquet", columns | {"value": values})
    first = USE_CASE.retrain(request_of(out=str(tmp_path / "a")))
    second = USE_CASE.retrain(request_of(out=str(tmp_path / "b"), data_uri=str(log)))
    parameters = [json.loads((tmp_path / name / "parameters.json").read_bytes()) for name in "ab"]
    assert parameters[0] == parameters[1]
    assert first.comparison.challenger["spend_rmse"] < second.comparison.challenger["spend_rmse"]


def test_who_withdraws_is_left_out_as_a_whole(tmp_path: Path) -> None:
    """Half of a history would be another history; the counts say how many rows it were."""
    columns = purchase_columns(50)
    name = columns["entity"][0]
    consent = [True] * len(columns["entity"])
    consent[0] = False
    log = write_table(tmp_path / "log.parquet", columns | {"consent": consent})
    purchases, quality = read_purchases(str(log), Selection(), setting="--data")
    assert quality.left[Left.NO_CONSENT] == columns["entity"].count(name)
    assert len(np.unique(purchases.customer)) == len(set(columns["entity"])) - 1


def test_rows_outside_of_the_window_and_of_a_broken_feed(tmp_path: Path) -> None:
    """They are counted and not learned from, as in any table."""
    columns = purchase_columns(50)
    columns["value"][columns["timestamp"].index(min(columns["timestamp"]))] = -1.0
    log = write_table(tmp_path / "log.parquet", columns)
    start = FIRST + dt.timedelta(days=30)
    purchases, quality = read_purchases(str(log), Selection(start=FIRST, end=start), setting="--data")
    inside = sum(time < start for time in columns["timestamp"])
    assert quality.read == len(columns["value"])
    assert quality.left[Left.OUTSIDE] == len(columns["value"]) - inside
    assert quality.left[Left.INVALID] == 1
    assert len(purchases.day) == inside - 1
    assert purchases.day.min() >= FIRST.date().toordinal()


def test_a_feed_of_negative_values_is_broken(tmp_path: Path) -> None:
    """More than a tenth is no odd row."""
    columns = purchase_columns(50)
    columns["value"] = [-value for value in columns["value"]]
    log = write_table(tmp_path / "log.parquet", columns)
    error = refused(lambda: read_purchases(str(log), Selection(), setting="--data"))
    assert error.failure.reason is TrainingFailureReason.DATA_MISMATCH
    assert "is the feed broken?" in str(error)


@pytest.mark.parametrize(
    ("changes", "reason", "words"),
    [
        ({"metrics": ("auc",)}, TrainingFailureReason.ARGUMENTS_INVALID, "no metric 'auc'; known are: purchases_rmse"),
        ({"slices": ("frequency",)}, TrainingFailureReason.ARGUMENTS_INVALID, "numbers alone"),
        ({"end": FIRST + dt.timedelta(days=20)}, TrainingFailureReason.DATA_INSUFFICIENT, "a fifth of it is"),
        ({"end": FIRST - dt.timedelta(days=1)}, TrainingFailureReason.DATA_INSUFFICIENT, "no row can be learned from"),
    ],
)
def test_what_is_refused(
    changes: dict[str, Any],
    reason: TrainingFailureReason,
    words: str,
    request_of: Callable[..., RetrainingRequest],
) -> None:
    """Before anything is fitted, and without a trace at the destination."""
    request = request_of(**changes)
    error = refused(lambda: USE_CASE.retrain(request))
    assert error.failure.reason is reason
    assert words in str(error)
    assert not Path(request.out).exists()


def test_one_node_is_enough(request_of: Callable[..., RetrainingRequest]) -> None:
    """Neither the first process nor another waits for peers."""
    request = request_of(standing=Standing(rank=0, processes=2, address="127.0.0.1", port=1))
    for error in (refused(lambda: USE_CASE.retrain(request)), refused(lambda: USE_CASE.assist(request))):
        assert error.failure.reason is TrainingFailureReason.ARGUMENTS_INVALID
        assert "on one node" in str(error)


def test_who_is_suppressed_is_left_out(tmp_path: Path) -> None:
    """By the hash of the name, as pods know them."""
    columns = purchase_columns(50)
    name = columns["entity"][0]
    log = write_table(tmp_path / "log.parquet", columns)
    suppressed = Suppressed("ns/value", frozenset({unit_hash("ns/value", name)}))
    purchases, quality = read_purchases(str(log), Selection(suppressed=suppressed), setting="--data")
    assert quality.left[Left.SUPPRESSED] == columns["entity"].count(name)
    assert len(np.unique(purchases.customer)) == len(set(columns["entity"])) - 1


def test_customers_who_never_come_back_teach_nothing() -> None:
    """A hundred of them, one purchase each, over a year."""
    day = np.arange(100) * 3 + FIRST.date().toordinal()
    purchases = Purchases(np.arange(100), day, np.ones(100))
    last = dt.date.fromordinal(int(day.max()))
    error = refused(lambda: study_of(purchases, last=last, origin="log"))
    assert error.failure.reason is TrainingFailureReason.DATA_INSUFFICIENT
    assert "0 came back before" in str(error)


def test_a_champion_that_knows_the_answers_is_left_out(
    request_of: Callable[..., RetrainingRequest], before: RetrainingResult, caplog: pytest.LogCaptureFixture
) -> None:
    """So is one whose artifact is gone; the log says both."""
    gone = Champion(revision="gone", uri="/nowhere/at-all", digest=before.digest)
    result = USE_CASE.retrain(request_of(champions=(gone,)))
    assert result.comparison.champions == {}
    assert "champion gone is left out" in caplog.text

"""Retrains customer value on a purchase log: fitted until a day, compared on what the same customers bought after it.

What came of a customer needs no label: it is in the same log. The newest fifth of the log's time is held out, and
neither candidate nor baseline has seen a day of it. The baseline is persistence: as many purchases as in the stretch
of the same length before.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import orjson
from numpy.typing import NDArray

from marquee.contract.manifest import DataSource, Manifest
from marquee.contract.retrainer import EvaluationRequest, EvaluationResult, RetrainingRequest
from marquee.contract.retraining import Comparison, RetrainingResult, RunSetting
from marquee.contract.training import TrainingError, TrainingFailureReason
from models.artifact import TrainedModel
from models.customer_value.evaluation import history_rows
from models.customer_value.features import DAYS_A_WEEK, Summary, later_purchases, summarise
from models.customer_value.schema import INPUTS, LONGEST_HORIZON_WEEKS
from models.customer_value.training import exported
from models.data.cdnow import CALIBRATION_END, HOLDOUT_END, MASTER, Purchases, load
from models.data.examples import Selection
from models.data.purchases import read_purchases
from models.data.suppressed import suppressed_of
from models.lineage import lineage_of
from models.retraining.comparing import answers_of
from models.retraining.fetching import fetch_artifact
from models.retraining.running import QUALITY_FILE, written
from models.retraining.scoring import score

log = logging.getLogger(__name__)

NAME: Final = "customer-value"
HELD_OUT_SHARE: Final = 0.2
"""Of the log's time."""
FEWEST_DAYS: Final = 7
"""That are held out; the shortest horizon that the model is asked for."""
FEWEST_CUSTOMERS: Final = 10
"""Who have come back before the cut, and as many after it."""
LIBRARIES: Final = ("numpy", "scipy", "pyarrow")
_DIGITS: Final = 6
_PACKAGE: Final = "models.customer_value"
_RETRAINING: Final = "models.retraining"

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Predicted:
    """What somebody says of each customer's held-out days."""

    purchases: Numbers
    spend: Numbers


METRICS: Final[Mapping[str, Callable[[Predicted, Predicted], float]]] = {
    "purchases_rmse": lambda said, actual: _rmse(said.purchases, actual.purchases),
    "purchases_mae": lambda said, actual: float(np.abs(said.purchases - actual.purchases).mean()),
    "spend_rmse": lambda said, actual: _rmse(said.spend, actual.spend),
}
"""Errors in a customer's purchases (days with one) and spend; smaller is better."""


@dataclass(frozen=True)
class PurchaseStudy:
    """A log that is cut at the end of a day."""

    known: Summary
    """The customers at the cut."""
    before: Predicted
    """What they bought in as many days before the cut."""
    after: Predicted
    """What they bought after it."""
    weeks: float
    """After it."""
    newest: dt.datetime
    """The end of the last day."""
    sources: tuple[DataSource, ...]
    known_whole: frozenset[str] = frozenset()
    """SHA-256 of data that hold the days after the cut."""

    @property
    def rows(self) -> Numbers:
        """Each customer as the model is asked for him or her."""
        return history_rows(self.known, self.weeks)


class PurchaseLogRetraining:
    """See `marquee.contract.retrainer.Retrainable`."""

    def retrain(self, request: RetrainingRequest) -> RetrainingResult:
        """Fit on the log until the cut, compare on what follows, write what was compared."""
        check(request.metrics, request.slices, RunSetting.METRICS, RunSetting.SLICES)
        if request.standing is not None:
            self.assist(request)
        study, files = _study(request)
        lineage = lineage_of(_PACKAGE, _RETRAINING, data=study.sources, seed=request.seed, libraries=LIBRARIES)
        log.info("run %s (%s): fitting %s customers", request.run, request.trigger, f"{len(study.known.customer):,}")
        trained = exported(study.known, study.weeks, {})
        champions = answers_of(
            request.champions, study.known_whole, lambda artifact: said_by(artifact.manifest, artifact.files, study)
        )
        comparison = Comparison(
            rows=len(study.known.customer),
            challenger=measured(request.metrics, said_by(trained, trained.files, study), study.after),
            champions={name: measured(request.metrics, said, study.after) for name, said in champions.items()},
            baseline=measured(request.metrics, study.before, study.after),
        )
        trained = replace(trained, files={**trained.files, **files})
        return written(request, trained, comparison, use_case=NAME, lineage=lineage, newest=study.newest)

    def assist(self, request: RetrainingRequest) -> None:  # noqa: ARG002 - the protocol's signature
        """Nobody is needed for it."""
        words = f"use case {NAME!r} is fitted in seconds on one node: leave out spec.retraining.run.nodes"
        raise TrainingError(TrainingFailureReason.ARGUMENTS_INVALID, words)

    def evaluate(self, request: EvaluationRequest) -> EvaluationResult:
        """Errors of an artifact on the newest fifth of a log."""
        check(request.metrics, request.slices, "--metrics", "--slices")
        artifact = fetch_artifact(request.artifact, setting="ARTIFACT")
        selection = Selection(request.start, request.end)
        purchases, quality = read_purchases(request.data_uri, selection, setting="--data")
        log.info("%s", quality.summary())
        study = study_of(purchases, last=_last_day(purchases, request.end), origin=request.data_uri)
        try:
            said = said_by(artifact.manifest, artifact.files, study)
        except Exception as error:
            raise TrainingError(
                TrainingFailureReason.DATA_MISMATCH,
                f"ARTIFACT {request.artifact} does not answer these customers: {error}",
            ) from error
        return EvaluationResult(
            uri=request.artifact,
            digest=artifact.digest,
            data_digest=f"sha256:{_sha256(purchases)}",
            rows=len(study.known.customer),
            metrics=measured(request.metrics or tuple(METRICS), said, study.after),
        )


def check(metrics: Sequence[str], slices: Sequence[str], metrics_setting: str, slices_setting: str) -> None:
    """Refuse metrics that nobody knows, and slices, as no customer has one of few values of an input.

    Raises:
        TrainingError: ``ArgumentsInvalid``.

    """
    if unknown := [name for name in metrics if name not in METRICS]:
        words = f"{metrics_setting}: there is no metric {unknown[0]!r}; known are: {', '.join(METRICS)}"
        raise TrainingError(TrainingFailureReason.ARGUMENTS_INVALID, words)
    if slices:
        words = f"{slices_setting}: {slices[0]!r}: customers are described by numbers alone, which make no slices"
        raise TrainingError(TrainingFailureReason.ARGUMENTS_INVALID, words)


def study_of(
    purchases: Purchases, *, last: dt.date, origin: str, cut: dt.date | None = None, known_whole: str = ""
) -> PurchaseStudy:
    """A log, cut so that the newest fifth of its days is held out.

    Args:
        purchases: in any order.
        last: day of the log; it may be one on which nobody bought.
        origin: of the log, for the lineage.
        cut: the last day that is learned from, where it is not up to the share.
        known_whole: SHA-256 of data that hold the days after the cut.

    Raises:
        TrainingError: ``DataInsufficient``: too few days, or too few customers who came back.

    """
    purchases = purchases.until(last)
    first = dt.date.fromordinal(int(purchases.day.min(initial=last.toordinal())))
    days = min(int(((last - first).days + 1) * HELD_OUT_SHARE), LONGEST_HORIZON_WEEKS * DAYS_A_WEEK)
    cut = cut or last - dt.timedelta(days=days)
    days = (last - cut).days
    if days < FEWEST_DAYS:
        raise _insufficient(
            f"the log goes from {first} to {last}: a fifth of it is {days} days, and {FEWEST_DAYS} are few"
        )
    known = summarise(purchases, cut)
    before = later_purchases(purchases.between(cut - dt.timedelta(days=days), cut), known.customer)
    after = later_purchases(purchases.between(cut, last), known.customer)
    for what, count in (("before", int((known.frequency > 0).sum())), ("after", int((after[0] > 0).sum()))):
        if count < FEWEST_CUSTOMERS:
            raise _insufficient(
                f"of {len(known.customer):,} customers {count} came back {what} {cut}; {FEWEST_CUSTOMERS} must have: "
                "widen the window"
            )
    parts = (("training", purchases.until(cut)), ("held-out", purchases.between(cut, last)))
    return PurchaseStudy(
        known=known,
        before=Predicted(*before),
        after=Predicted(*after),
        weeks=days / DAYS_A_WEEK,
        newest=dt.datetime.combine(last + dt.timedelta(days=1), dt.time(), dt.UTC),
        sources=tuple(
            DataSource(name=name, sha256=_sha256(part), rows=len(part.day), origin=origin) for name, part in parts
        ),
        known_whole=frozenset({known_whole} - {""}),
    )


def said_by(model: TrainedModel | Manifest, files: Mapping[str, bytes], study: PurchaseStudy) -> Predicted:
    """What a model says of the held-out days.

    Raises:
        ValueError: it asks for other inputs.

    """
    names = [field.name for field in INPUTS]
    asked = [field.name for field in model.inputs]
    if not set(asked) <= set(names):
        raise ValueError(f"it asks for the inputs {', '.join(asked)}; customers are described by {', '.join(names)}")
    rows = study.rows[:, [names.index(name) for name in asked]]
    said = {
        output: score(model.runtime, files, rows, output=output) for output in ("expected_purchases", "customer_value")
    }
    return Predicted(said["expected_purchases"], said["customer_value"])


def measured(names: Sequence[str], said: Predicted, actual: Predicted) -> dict[str, float]:
    """The metrics, to six significant digits."""
    return {name: float(f"{METRICS[name](said, actual):.{_DIGITS}g}") for name in names}


def _study(request: RetrainingRequest) -> tuple[PurchaseStudy, dict[str, bytes]]:
    if not request.data_uri:
        log.info("no %s: the use case's own data, which have no window", RunSetting.DATA)
        purchases = load(request.data_cache, "master")
        return study_of(
            purchases, last=HOLDOUT_END, origin=MASTER.origin, cut=CALIBRATION_END, known_whole=MASTER.sha256
        ), {}
    suppressed = suppressed_of(os.environ, request.model)
    selection = Selection(request.start, request.end, request.excluded, suppressed)
    purchases, quality = read_purchases(request.data_uri, selection, setting=RunSetting.DATA)
    log.info("%s", quality.summary())
    study = study_of(purchases, last=_last_day(purchases, request.end), origin=request.data_uri)
    return study, {QUALITY_FILE: orjson.dumps(quality.to_json(), option=orjson.OPT_INDENT_2)}


def _last_day(purchases: Purchases, end: dt.datetime | None) -> dt.date:
    """The last whole day before the end, or that of the newest purchase."""
    if end is None:
        return dt.date.fromordinal(int(purchases.day.max()))
    return end.astimezone(dt.UTC).date() - dt.timedelta(days=1)


def _sha256(purchases: Purchases) -> str:
    digest = hashlib.sha256()
    for part in (purchases.customer, purchases.day, purchases.value):
        digest.update(np.ascontiguousarray(part).tobytes())
    return digest.hexdigest()


def _rmse(said: Numbers, actual: Numbers) -> float:
    return float(np.sqrt(((said - actual) ** 2).mean()))


def _insufficient(what: str) -> TrainingError:
    return TrainingError(TrainingFailureReason.DATA_INSUFFICIENT, what)

"""The retraining run: rows of a window in; candidate, comparison and artifact out, the same bytes for the same run."""

from __future__ import annotations

import datetime as dt
import logging
import os
from dataclasses import dataclass, replace
from typing import Final

import orjson

from marquee.contract.manifest import DataSource, Lineage
from marquee.contract.retrainer import RetrainingRequest
from marquee.contract.retraining import Comparison, RetrainingResult, RunSetting
from marquee.contract.training import TrainerSetting, TrainingError, TrainingFailureReason
from models.artifact import TrainedModel, manifest_of, place
from models.data.examples import Selection, read_examples
from models.data.suppressed import suppressed_of
from models.destination import destination_of
from models.lineage import data_digest, lineage_of
from models.retraining.comparing import Contest, champions_scores, compared, table
from models.retraining.learner import Learner, Study
from models.retraining.measures import check_metrics, check_slices
from models.retraining.parting import newest_apart
from models.retraining.scoring import score

log = logging.getLogger(__name__)

QUALITY_FILE: Final = "data-quality.json"
_PACKAGE: Final = "models.retraining"
_BASELINE_PREFIX: Final = "baseline_"


@dataclass(frozen=True)
class Subject:
    """The use case that is retrained."""

    name: str
    package: str
    libraries: tuple[str, ...]
    learner: Learner


def retrain(subject: Subject, request: RetrainingRequest) -> RetrainingResult:
    """See `marquee.contract.retrainer.Retrainable`."""
    learner = subject.learner
    check_metrics(request.metrics, RunSetting.METRICS)
    check_slices(request.slices, learner.fields, RunSetting.SLICES)
    destination_of(request.out, setting=RunSetting.ARTIFACT)  # a mistake in it costs no training
    study, quality = _study(learner, request)
    lineage = lineage_of(
        subject.package, _PACKAGE, data=study.sources, seed=request.seed, libraries=(*subject.libraries, "pyarrow")
    )
    log.info("run %s (%s): training on %s rows", request.run, request.trigger, f"{len(study.training):,}")
    trained = _fitted(subject, study, request)
    comparison = compared(
        _contest(trained, study, learner, request),
        study.held_out,
        learner.fields,
        metrics=request.metrics,
        by=request.slices,
    )
    newest = dt.datetime.fromtimestamp(int(study.held_out.time[-1]) // 1_000_000, dt.UTC)
    trained = replace(trained, files={**trained.files, **quality})
    return written(request, trained, comparison, use_case=subject.name, lineage=lineage, newest=newest)


def written(
    request: RetrainingRequest,
    trained: TrainedModel,
    comparison: Comparison,
    *,
    use_case: str,
    lineage: Lineage,
    newest: dt.datetime,
) -> RetrainingResult:
    """Write a compared candidate's artifact, and say so.

    Raises:
        TrainingError: ``OutputUnwritable``, ``OutputOccupied``.

    """
    log.info("%s", table(comparison))
    destination = destination_of(request.out, setting=RunSetting.ARTIFACT)
    metrics = dict(comparison.challenger)
    metrics |= {f"{_BASELINE_PREFIX}{name}": value for name, value in (comparison.baseline or {}).items()}
    manifest = manifest_of(
        replace(trained, metrics=metrics),
        model=request.model,
        use_case=use_case,
        lineage=lineage,
        created_at=_created_at(request, newest),
    )
    artifact = place(manifest, trained.files, destination, setting=RunSetting.ARTIFACT)
    return RetrainingResult(
        uri=destination.uri,
        digest=artifact.digest,
        model=request.model,
        use_case=use_case,
        data_digest=data_digest(lineage.data),
        metrics=manifest.metrics,
        code_digest=lineage.code_digest,
        seed=request.seed,
        comparison=comparison,
    )


def assist(subject: Subject, request: RetrainingRequest) -> None:
    """See `marquee.contract.retrainer.Retrainable`."""
    study, _ = _study(subject.learner, request)
    _fitted(subject, study, request)


def _fitted(subject: Subject, study: Study, request: RetrainingRequest) -> TrainedModel:
    learner = subject.learner
    if request.standing is None:
        return learner.fit(study, request.seed)
    if learner.fit_together is None:
        raise TrainingError(
            TrainingFailureReason.ARGUMENTS_INVALID,
            f"use case {subject.name!r} trains on one node: leave out spec.retraining.run.nodes",
        )
    from models.distributed import together  # needs torch, which not every use case does

    with together(request.standing) as team:
        return learner.fit_together(study, request.seed, team)


def _study(learner: Learner, request: RetrainingRequest) -> tuple[Study, dict[str, bytes]]:
    """What to learn from, and the report on it as a file of the artifact."""
    if not request.data_uri:
        log.info("no %s: the use case's own data, which have no window", RunSetting.DATA)
        return learner.own_study(request.data_cache), {}
    suppressed = suppressed_of(os.environ, request.model)
    selection = Selection(request.start, request.end, request.excluded, suppressed)
    examples, quality = read_examples(request.data_uri, learner.fields, selection, setting=RunSetting.DATA)
    log.info("%s", quality.summary())
    training, held_out = newest_apart(examples)
    sources = tuple(
        DataSource(name=name, sha256=part.sha256(), rows=len(part), origin=request.data_uri)
        for name, part in (("training", training), ("held-out", held_out))
    )
    return Study(training, held_out, sources), {
        QUALITY_FILE: orjson.dumps(quality.to_json(), option=orjson.OPT_INDENT_2)
    }


def _contest(trained: TrainedModel, study: Study, learner: Learner, request: RetrainingRequest) -> Contest:
    """The candidate is run from the bytes that are written, as the champions are."""
    champions = champions_scores(request.champions, study, learner)
    serving = request.champions[0].revision if request.champions else None
    return Contest(
        challenger=score(trained.runtime, trained.files, study.held_out.rows, output=learner.output),
        champions=champions,
        serving=serving if serving in champions else None,
        baseline=learner.fit_baseline(study.training, request.seed)(study.held_out.rows),
    )


def _created_at(request: RetrainingRequest, newest: dt.datetime) -> str | None:
    """The end of the data and not the clock, so that a run which starts again writes the same manifest."""
    if os.environ.get(TrainerSetting.SOURCE_DATE_EPOCH) is not None:
        return None
    return (request.end or newest).astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

"""Lead scoring learned again from a table: the training run's network on the older rows, its baseline beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np

from marquee.contract.manifest import DataSource
from models.artifact import TrainedModel
from models.data.caravan import CARAVAN, load
from models.data.examples import Examples
from models.distributed import Team
from models.lead_scoring.baseline import Scorer, fit_logistic
from models.lead_scoring.export import PROBABILITY
from models.lead_scoring.features import model_rows
from models.lead_scoring.network import Settings, fit_network
from models.lead_scoring.schema import FIELDS
from models.lead_scoring.training import exported
from models.resampling import identical_rows, stratified_folds
from models.retraining.learner import Learner, Study

_FOLDS: Final = 5
_FOLD_SEED: Final = 0
"""Whatever the seed of a run: every run holds out the same customers, so that no champion has learned from them."""


def learner(settings: Settings | None = None) -> Learner:
    """How lead scoring learns."""
    chosen = settings or Settings()
    return Learner(
        fields=FIELDS,
        output=PROBABILITY,
        own_study=own_study,
        fit=lambda study, seed: fit(study, seed, chosen),
        fit_together=lambda study, seed, team: fit(study, seed, chosen, team),
        fit_baseline=_fit_baseline,
    )


def fit(study: Study, seed: int, settings: Settings, team: Team | None = None) -> TrainedModel:
    """The candidate; what it is worth is for the comparison to say."""
    training = study.training
    fitted = fit_network(training.rows, training.label, training.group, settings=settings, seed=seed, team=team)
    return exported(fitted, training.rows, metrics={}, scores=fitted.probability(study.held_out.rows))


def own_study(data_cache: Path) -> Study:
    """Caravan, which has no time: a fifth of the customers is held out, equal ones together."""
    data = load(data_cache)
    rows, group = model_rows(data), identical_rows(data.values)
    everyone = Examples(rows, data.bought, group, np.zeros(len(rows), dtype=np.int64))
    apart = stratified_folds(data.bought, group, folds=_FOLDS, seed=_FOLD_SEED) == 0
    training, held_out = everyone.where(~apart), everyone.where(apart)
    sources = tuple(
        DataSource(name=name, sha256=part.sha256(), rows=len(part), origin=CARAVAN.origin)
        for name, part in (("caravan-training", training), ("caravan-held-out", held_out))
    )
    return Study(training, held_out, sources, known_whole=frozenset({CARAVAN.sha256}))


def _fit_baseline(training: Examples, seed: int) -> Scorer:
    return fit_logistic(training.rows, training.label, training.group, seed=seed)

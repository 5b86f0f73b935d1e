"""Compares the network with its baselines by repeated cross-validation, and says whether it may be exported.

The declared metric is log loss on held-out rows, what a probability is judged by. The network is promotable when
the 95 % interval of its improvement lies above zero against the rule and against logistic regression, and its lift
at the top 20 % is at least 2.3. Gradient boosting is reported beside them.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from multiprocessing import get_context
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from models.lead_scoring.baseline import Scorer, fit_boosting, fit_logistic, fit_rule
from models.lead_scoring.network import Settings, fit_network
from models.metrics import Difference, auc, calibration_error, lift, log_losses, resampled_difference
from models.resampling import Groups, stratified_folds

log = logging.getLogger(__name__)

Numbers = NDArray[np.float64]
Labels = NDArray[np.bool_]

NETWORK: Final = "network"
MUST_BEAT: Final = ("rule", "logistic")
TOP_SHARE: Final = 0.2
LEAST_LIFT: Final = 2.3


class Fitter(Protocol):
    """Learns from training rows."""

    def __call__(self, rows: Numbers, label: Labels, group: Groups, *, seed: int) -> Scorer:
        """A scorer of new rows."""


@dataclass(frozen=True)
class Plan:
    """How much is computed."""

    folds: int = 5
    repeats: int = 3
    settings: Settings = field(default_factory=Settings)
    workers: int = 1
    """Processes that share the folds; each takes about 570 MB, torch most of it."""


@dataclass(frozen=True)
class Figures:
    """A model's quality on held-out rows: means over the repeats."""

    log_loss: float
    auc: float
    lift: float
    calibration_error: float


@dataclass(frozen=True)
class Comparison:
    """Cross-validated figures of all models."""

    figures: Mapping[str, Figures]
    improvement: Mapping[str, Difference]
    """Log loss of each baseline minus the network's: above zero the network is better."""
    scores: Numbers
    """The network's probability for each row from the folds that did not train on it, averaged over repeats."""

    @property
    def shortcomings(self) -> list[str]:
        """Why the network is not promotable; empty when it is."""
        found = [
            f"log loss improves on {name} by {self.improvement[name].mean:.5f} only, "
            f"95 % interval from {self.improvement[name].low:.5f}"
            for name in MUST_BEAT
            if self.improvement[name].low <= 0
        ]
        if (reached := self.figures[NETWORK].lift) < LEAST_LIFT:
            found.append(f"lift at the top {TOP_SHARE:.0%} is {reached:.2f}, below {LEAST_LIFT}")
        return found

    def table(self) -> str:
        """For people."""
        lines = [f"{'model':<12}{'log loss':>10}{'AUC':>8}{'lift@20%':>10}{'ECE':>8}   improvement, 95 % interval"]
        for name, of in self.figures.items():
            line = f"{name:<12}{of.log_loss:>10.4f}{of.auc:>8.3f}{of.lift:>10.2f}{of.calibration_error:>8.4f}"
            if name in self.improvement:
                by = self.improvement[name]
                line += f"   {by.mean:.4f} ({by.low:.4f} to {by.high:.4f})"
            lines.append(line)
        return "\n".join(lines)


def fitters(settings: Settings) -> dict[str, Fitter]:
    """All models of the comparison, the network last."""

    def network(rows: Numbers, label: Labels, group: Groups, *, seed: int) -> Scorer:
        return fit_network(rows, label, group, settings=settings, seed=seed).probability

    return {"rule": fit_rule, "logistic": fit_logistic, "boosting": fit_boosting, NETWORK: network}


def compare(rows: Numbers, label: Labels, group: Groups, *, plan: Plan, seed: int) -> Comparison:
    """Fit every model on the same training folds, and score the same test folds."""
    fold = np.stack(
        [stratified_folds(label, group, folds=plan.folds, seed=seed + repeat) for repeat in range(plan.repeats)]
    )
    places = list(itertools.product(range(plan.repeats), range(plan.folds)))
    splits = [
        _Split(rows, label, group, fold[repeat] == number, plan.settings, _seed(seed, repeat, number))
        for repeat, number in places
    ]
    probability = {name: np.empty((plan.repeats, len(label))) for name in fitters(plan.settings)}
    for (repeat, number), scores in zip(places, _each(splits, plan.workers), strict=True):
        for name, held_out in scores.items():
            probability[name][repeat, fold[repeat] == number] = held_out
        if number == plan.folds - 1:
            log.info("cross-validation %d of %d done", repeat + 1, plan.repeats)
    return _compared(probability, label, fold, plan)


@dataclass(frozen=True)
class _Split:
    """What one fold needs, so that any process can compute it."""

    rows: Numbers
    label: Labels
    group: Groups
    test: Labels
    settings: Settings
    seed: int


def _scores(split: _Split) -> dict[str, Numbers]:
    """Every model's probabilities for the test rows, from the training rows alone."""
    train = ~split.test
    return {
        name: fit(split.rows[train], split.label[train], split.group[train], seed=split.seed)(split.rows[split.test])
        for name, fit in fitters(split.settings).items()
    }


def _each(splits: Sequence[_Split], workers: int) -> Iterator[dict[str, Numbers]]:
    """In order. The result does not depend on the number of workers: each fit has one thread and its own seed."""
    if workers == 1:
        yield from map(_scores, splits)
        return
    # Not forked: a process that has used torch's threads may hang in the child.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        yield from pool.map(_scores, splits)


def _seed(seed: int, repeat: int, fold: int) -> int:
    """A seed of its own for each fit, from the run's."""
    return int(np.random.SeedSequence([seed, repeat, fold]).generate_state(1)[0])


def _compared(probability: Mapping[str, Numbers], label: Labels, fold: NDArray[np.int64], plan: Plan) -> Comparison:
    losses = {name: log_losses(scores, np.broadcast_to(label, scores.shape)) for name, scores in probability.items()}

    def improvement(name: str) -> Difference:
        gain = losses[name] - losses[NETWORK]
        per_fold = [
            gain[repeat, fold[repeat] == number].mean()
            for repeat in range(plan.repeats)
            for number in range(plan.folds)
        ]
        return resampled_difference(np.array(per_fold), folds=plan.folds)

    return Comparison(
        figures={name: _figures(scores, losses[name], label) for name, scores in probability.items()},
        improvement={name: improvement(name) for name in probability if name != NETWORK},
        scores=probability[NETWORK].mean(axis=0),
    )


def _figures(scores: Numbers, losses: Numbers, label: Labels) -> Figures:
    def mean(metric: Callable[[Numbers], float]) -> float:
        return float(np.mean([metric(repeat) for repeat in scores]))

    return Figures(
        log_loss=float(losses.mean()),
        auc=mean(lambda repeat: auc(repeat, label)),
        lift=mean(lambda repeat: lift(repeat, label, TOP_SHARE)),
        calibration_error=mean(lambda repeat: calibration_error(repeat, label)),
    )

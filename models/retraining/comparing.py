"""Compares candidate, champions and baseline on the same rows, which none of them was trained on."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from marquee.contract.manifest import CategoryField, InputField
from marquee.contract.retraining import MAX_SLICES, Champion, Comparison, RunSetting, SliceScores
from marquee.contract.training import TrainingError
from models.data.examples import Examples
from models.retraining.fetching import FetchedArtifact, fetch_artifact
from models.retraining.learner import Learner, Study
from models.retraining.measures import measured, slices
from models.retraining.scoring import score

log = logging.getLogger(__name__)

Numbers = NDArray[np.float64]
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Contest:
    """Each contender's scores of the held-out rows."""

    challenger: Numbers
    champions: dict[str, Numbers]
    """By revision, in the order that was asked for; those that could be had."""
    serving: str | None
    """The champion that serves, if it is among them."""
    baseline: Numbers


def champions_scores(champions: Sequence[Champion], study: Study, learner: Learner) -> dict[str, Numbers]:
    """The scores of those that can be had."""
    return answers_of(champions, study.known_whole, lambda artifact: artifact_scores(artifact, study.held_out, learner))


def answers_of(
    champions: Sequence[Champion], known_whole: Collection[str], ask: Callable[[FetchedArtifact], Answer]
) -> dict[str, Answer]:
    """What those answer that can be had and asked; why another is left out goes to the log.

    Args:
        champions: in the order of the comparison.
        known_whole: SHA-256 of data of which what is compared on is a part.
        ask: may raise.

    """
    found: dict[str, Answer] = {}
    for champion in champions:
        try:
            artifact = fetch_artifact(champion.uri, setting=RunSetting.CHAMPIONS, digest=champion.digest)
            if any(source.sha256 in known_whole for source in artifact.manifest.lineage.data):
                raise ValueError("it was trained on the rows that would be compared on")
            found[champion.revision] = ask(artifact)
        except Exception as error:  # noqa: BLE001 - a champion may run code of its own
            words = str(error) if isinstance(error, TrainingError | ValueError) else f"{type(error).__name__}: {error}"
            log.warning("champion %s is left out of the comparison: %s", champion.revision, words)
    return found


def artifact_scores(artifact: FetchedArtifact, examples: Examples, learner: Learner) -> Numbers:
    """What an artifact answers to rows of these inputs.

    Raises:
        ValueError: it asks for other inputs, or has another output.

    """
    manifest = artifact.manifest
    if learner.output not in {field.name for field in manifest.outputs}:
        raise ValueError(f"it has no output {learner.output}")
    rows = examples.rows[:, [_column(field, learner.fields) for field in manifest.inputs]]
    return score(manifest.runtime, artifact.files, rows, output=learner.output)


def compared(
    contest: Contest,
    held_out: Examples,
    fields: Sequence[InputField],
    *,
    metrics: Sequence[str],
    by: Sequence[str],
) -> Comparison:
    """The metrics of all, and of candidate and serving champion on the largest slices."""
    label = held_out.label

    def told(name: str, mask: NDArray[np.bool_]) -> SliceScores | None:
        challenger = measured(metrics, contest.challenger[mask], label[mask])
        champion = (
            {} if contest.serving is None else measured(metrics, contest.champions[contest.serving][mask], label[mask])
        )
        if not challenger:
            return None
        return SliceScores(name=name, rows=int(mask.sum()), challenger=challenger, champion=champion or None)

    sliced = (told(name, mask) for name, mask in slices(by, fields, held_out.rows)[:MAX_SLICES])
    return Comparison(
        rows=len(held_out),
        challenger=measured(metrics, contest.challenger, label),
        champions={name: measured(metrics, scores, label) for name, scores in contest.champions.items()},
        baseline=measured(metrics, contest.baseline, label),
        slices=tuple(each for each in sliced if each is not None),
    )


def table(comparison: Comparison) -> str:
    """For people: a line for each contender."""
    contenders = {"candidate": comparison.challenger, **comparison.champions}
    if comparison.baseline is not None:
        contenders["baseline"] = comparison.baseline
    names = list(comparison.challenger)
    lines = [f"{f'{comparison.rows:,} rows':<24}" + "".join(f"{name:>20}" for name in names)]
    lines += [
        f"{contender:<24}" + "".join(f"{scores.get(name, float('nan')):>20.5g}" for name in names)
        for contender, scores in contenders.items()
    ]
    return "\n".join(lines)


def _column(asked: InputField, fields: Sequence[InputField]) -> int:
    for column, field in enumerate(fields):
        if field.name == asked.name and _means_the_same(asked, field):
            return column
    raise ValueError(f"it asks for input {asked.name}, which rows of this use case do not have")


def _means_the_same(one: InputField, other: InputField) -> bool:
    if isinstance(one, CategoryField) and isinstance(other, CategoryField):
        return one.categories == other.categories
    return isinstance(one, CategoryField) == isinstance(other, CategoryField)

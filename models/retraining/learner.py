"""What a use case brings so that it can be retrained on a table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from marquee.contract.manifest import DataSource, InputField
from models.artifact import TrainedModel
from models.data.examples import Examples

if TYPE_CHECKING:
    from models.distributed import Team  # needs torch, which not every use case does

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Study:
    """Examples, parted into those to learn from and the newest, to compare on."""

    training: Examples
    held_out: Examples
    sources: tuple[DataSource, ...]
    known_whole: frozenset[str] = frozenset()
    """SHA-256 of data of which the held-out rows are a part: a champion that learned from them knows the answers."""


@dataclass(frozen=True, kw_only=True)
class Learner:
    """A model of a yes or no, for rows of fixed inputs."""

    fields: tuple[InputField, ...]
    output: str
    """The probability among the model's outputs."""
    own_study: Callable[[Path], Study]
    """From the use case's public data, in this cache."""
    fit: Callable[[Study, int], TrainedModel]
    """From the training rows alone and a seed; the held-out rows are for the profile of the scores."""
    fit_together: Callable[[Study, int, Team], TrainedModel] | None = None
    """The same by several processes, of which each has all rows; None where it cannot."""
    fit_baseline: Callable[[Examples, int], Callable[[Numbers], Numbers]]
    """A simple model of the same rows: from rows to probabilities."""

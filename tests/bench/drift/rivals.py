"""Evidently and NannyML on the same numbers, each in an environment with its own pinned packages."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from scipy.special import expit

from localcluster.commands import run
from localcluster.paths import PACKAGE
from localcluster.stages import Stages
from marquee.evidence.drift.performing import estimated, performance
from models.profile import score_profile
from tests.bench.drift.counting import MILLION
from tests.bench.drift.feeds import means_of, rows_of
from tests.bench.serving.rivals import environment

REQUIREMENTS: Final = PACKAGE.parent / "requirements"
FOLDER: Final = Path(__file__).parent
REFERENCE_ROWS: Final = 100_000
SHIFTS: Final = (-0.5, -0.3, -0.1, 0.0, 0.1, 0.3, 0.5)
"""Of the scores' log-odds, in their standard deviations: drift that leaves the bins of the reference fine enough."""
FAR_SHIFTS: Final = (-1.0, 1.0)
"""Where many scores lie in the reference's outermost bins, which are wide: estimates from bins are coarser there."""
CHUNK_ROWS: Final = 20_000


def evidently_cpu_seconds(stages: Stages, rows: int = MILLION) -> float:
    """CPU seconds of its default report on so many rows of 60 numbers, against 100,000 of reference."""
    random = np.random.default_rng(3)
    with tempfile.TemporaryDirectory() as name:
        for what, count in (("reference", REFERENCE_ROWS), ("current", rows)):
            np.save(Path(name) / f"{what}.npy", rows_of(random, means_of(random, range(7, 8)), count))
        return float(_answer("evidently", name, stages)["cpu_seconds"])


@dataclass(frozen=True)
class Areas:
    """Estimates of the area under the curve of one chunk."""

    exact: float
    """What each single score promises; the scores are the probabilities that outcomes are drawn with."""
    ours: float
    """From the counts over the reference's bins."""
    nannyml: float
    """From the single scores, after its isotonic calibration on the reference."""


def areas(stages: Stages) -> dict[float, Areas]:
    """By shift of the scores."""
    random = np.random.default_rng(6)
    reference = expit(random.normal(-1, 1, REFERENCE_ROWS))
    shifts = SHIFTS + FAR_SHIFTS
    chunks = np.stack([expit(random.normal(shift - 1, 1, CHUNK_ROWS)) for shift in shifts])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        np.save(folder / "reference_scores.npy", reference)
        np.save(folder / "reference_labels.npy", random.random(REFERENCE_ROWS) < reference)
        np.save(folder / "chunks.npy", chunks)
        theirs = _answer("nannyml", name, stages)["aucs"]
    profile = score_profile(reference)
    found = {}
    for shift, scores, their in zip(shifts, chunks, theirs, strict=True):
        places = np.searchsorted(profile.edges, scores, side="right")
        counts = np.bincount(places, minlength=len(profile.counts)).tolist()
        single = np.sort(scores).tolist()
        found[shift] = Areas(_area(single, [1] * len(single)), _area(profile.means, counts), their)
    return found


def _area(scores: Sequence[float], counts: Sequence[int]) -> float:
    area = performance(estimated(scores, counts)).auc
    if area is None:
        raise ValueError("no rows: draw some")
    return area


def _answer(rival: str, folder: str, stages: Stages) -> dict[str, Any]:
    python = environment(REQUIREMENTS / f"bench-{rival}.txt", stages)
    stages.say(f"{rival}: running")
    said = run([python, FOLDER / f"{rival}_run.py", folder])
    answer: dict[str, Any] = json.loads(said.splitlines()[-1])
    stages.say(f"{rival} {answer['version']}: done")
    return answer

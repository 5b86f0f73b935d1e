"""Lead scoring: who of an insurer's customers will buy caravan insurance."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from models.artifact import TrainedModel
from models.data.caravan import CARAVAN, parse
from models.use_case import Source, UseCase

if TYPE_CHECKING:
    from models.retraining.learner import Learner


def _fit(data_cache: Path, *, seed: int) -> TrainedModel:
    from models.lead_scoring.training import fit  # needs torch, which fetching data does not

    return fit(data_cache, seed=seed)


def _learner() -> Learner:
    from models.lead_scoring.retraining import learner

    return learner()


USE_CASE: Final = UseCase(
    name="lead-scoring",
    summary="probability that a customer buys, by a sparse neural network in ONNX (data: Caravan)",
    package="models.lead_scoring",
    sources=(Source("caravan", CARAVAN, lambda content: len(parse(content).bought)),),
    libraries=("numpy", "scipy", "scikit-learn", "torch", "onnx", "onnxruntime"),
    fit=_fit,
    learner=_learner,
)

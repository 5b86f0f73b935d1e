"""Customer value: how often a customer will buy again, for how much, and whether he or she is still there."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from marquee.contract.retrainer import Retrainable
from models.artifact import TrainedModel
from models.data.cdnow import MASTER, SAMPLE, parse
from models.use_case import Source, UseCase


def _fit(data_cache: Path, *, seed: int) -> TrainedModel:
    from models.customer_value.training import fit  # needs scipy, which fetching data does not

    return fit(data_cache, seed=seed)


def _retrainable() -> Retrainable:
    from models.customer_value.retraining import PurchaseLogRetraining

    return PurchaseLogRetraining()


USE_CASE: Final = UseCase(
    name="customer-value",
    summary="future purchases and spend of a customer, by BG/NBD and Gamma-Gamma (data: CDNOW)",
    package="models.customer_value",
    sources=(
        Source("cdnow-master", MASTER, lambda content: len(parse(content, columns=4).day)),
        Source("cdnow-sample", SAMPLE, lambda content: len(parse(content, columns=5).day)),
    ),
    libraries=("numpy", "scipy"),
    fit=_fit,
    retrainable=_retrainable,
)

"""Customer value in a predictor: reads the parameters from the artifact, computes the closed formulas.

Needs numpy and nothing else, because the predictor image has nothing else.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.customer_value.formulas import (
    PurchaseModel,
    SpendModel,
    expected_purchases,
    expected_value,
    probability_alive,
)

Numbers = NDArray[np.float64]

PARAMETERS_FILE: Final = "parameters.json"


class CustomerValueModel:
    """The entry point of the artifact; see `marquee.contract.manifest.PythonRuntime`."""

    def __init__(self, folder: Path) -> None:
        parameters = json.loads((folder / PARAMETERS_FILE).read_text())
        self._purchases = PurchaseModel(**parameters["purchases"])
        self._spend = SpendModel(**parameters["spend"])

    def predict(self, rows: Numbers) -> dict[str, Numbers]:
        """Each output for rows of frequency, recency, T, monetary value and horizon in weeks."""
        return values(self._purchases, self._spend, rows)


def values(purchases: PurchaseModel, spend: SpendModel, rows: Numbers) -> dict[str, Numbers]:
    """The outputs of two fitted models, for rows in the order of the artifact's inputs.

    A recency beyond T is counted as T: callers round weeks, and the two are equal on the day of a purchase.
    """
    frequency, recency, age, monetary_value, horizon = rows.T
    recency = np.minimum(recency, age)
    expected = expected_purchases(purchases, horizon, frequency, recency, age)
    value = expected_value(spend, frequency, monetary_value)
    return {
        "customer_value": expected * value,
        "expected_purchases": expected,
        "probability_alive": probability_alive(purchases, frequency, recency, age),
        "expected_value_per_purchase": value,
    }


def parameters_file(purchases: PurchaseModel, spend: SpendModel) -> bytes:
    """What `CustomerValueModel` reads."""
    return json.dumps({"purchases": asdict(purchases), "spend": asdict(spend)}, indent=2, sort_keys=True).encode()

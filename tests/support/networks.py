"""A lead scoring network that is trained in a second: fewer rows, fewer epochs."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.lead_scoring.features import model_rows
from models.lead_scoring.network import FittedNetwork, Settings, fit_network
from models.resampling import identical_rows
from tests.support.training import caravan_data

SETTINGS: Final = Settings(epochs=3, members=3, hidden=4)
CUSTOMERS: Final = 2_000


@dataclass(frozen=True)
class Training:
    """Part of Caravan, ready for fitting."""

    rows: NDArray[np.float64]
    label: NDArray[np.bool_]
    group: NDArray[np.int64]
    settings: Settings = SETTINGS

    def fit(self, seed: int = 0) -> FittedNetwork:
        """A network of these rows."""
        return fit_network(self.rows, self.label, self.group, settings=self.settings, seed=seed)


@functools.cache
def quick_training() -> Training:
    """The first customers."""
    data = caravan_data()
    part = slice(0, CUSTOMERS)
    return Training(model_rows(data)[part], data.bought[part], identical_rows(data.values[part]))


@functools.cache
def quick_network() -> FittedNetwork:
    """A network of the first customers, fitted once a process."""
    return quick_training().fit()

"""Training data for tests: the real data sets, fetched once into the same cache that ``marquee train`` uses."""

from __future__ import annotations

import functools

from marquee.cli.train import default_data_cache
from models.data import caravan, cdnow
from models.data.caravan import Caravan
from models.data.cdnow import Purchases


@functools.cache
def caravan_data() -> Caravan:
    """All customers of Caravan."""
    return caravan.load(default_data_cache())


@functools.cache
def cdnow_sample() -> Purchases:
    """The purchases of CDNOW's 1/10 sample."""
    return cdnow.load(default_data_cache(), "sample")

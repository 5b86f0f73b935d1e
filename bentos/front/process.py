"""The one predictor of this process: handed over by the front, or else loaded when a service first asks.

In a pod the front has loaded the model before it loads the BentoML service, which then shares it. Under
``bentoml serve`` there is no front, and the service loads the model by the same settings.
"""

from __future__ import annotations

import os
import threading
from typing import NamedTuple

from bentos.front.ids import PredictionIds, prediction_ids
from bentos.front.predictor import Predictor, load_predictor
from bentos.front.privacy.guarding import Guard
from bentos.front.privacy.making import check_against, guard_of
from bentos.front.settings import Settings

_lock = threading.Lock()


class Loaded(NamedTuple):
    """What the services of a process share."""

    predictor: Predictor
    settings: Settings
    """That it came from."""
    new_id: PredictionIds
    guard: Guard | None
    """Of those whom the model decides about; None: the model has no ``spec.privacy``."""


_loaded: Loaded | None = None


def adopt(
    predictor: Predictor, settings: Settings, new_id: PredictionIds | None = None, guard: Guard | None = None
) -> None:
    """Make this the predictor of the process, ``new_id`` what makes its ids, and ``guard`` what says about whom it may
    be asked; by default what the settings say.
    """
    global _loaded  # noqa: PLW0603 - the process has one
    _loaded = Loaded(predictor, settings, new_id or prediction_ids(settings), guard or guard_of(settings))


def loaded() -> Loaded:
    """What services share.

    Raises:
        CannotServeError: it had to be loaded, and that failed.

    """
    with _lock:
        if _loaded is None:
            settings = Settings.from_environment(os.environ)
            predictor = load_predictor(settings)
            if settings.privacy is not None:
                check_against(settings.privacy, predictor.manifest)
            adopt(predictor, settings)
        assert _loaded is not None  # noqa: S101 - set above
        return _loaded

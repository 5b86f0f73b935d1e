"""The one predictor of this process: handed over by the front, or else loaded when a service first asks.

In a pod the front has loaded the model before it loads the BentoML service, which then shares it. Under
``bentoml serve`` there is no front, and the service loads the model by the same settings.
"""

from __future__ import annotations

import os
import threading

from bentos.front.ids import PredictionIds, prediction_ids
from bentos.front.predictor import Predictor, load_predictor
from bentos.front.settings import Settings

_lock = threading.Lock()
_predictor: Predictor | None = None
_settings: Settings | None = None


_new_id: PredictionIds | None = None


def adopt(predictor: Predictor, settings: Settings, new_id: PredictionIds | None = None) -> None:
    """Make this the predictor of the process, and ``new_id`` what makes its ids; by default what the settings say."""
    global _predictor, _settings, _new_id
    _predictor, _settings, _new_id = predictor, settings, new_id or prediction_ids(settings)


def loaded() -> tuple[Predictor, Settings, PredictionIds]:
    """The predictor of the process, the settings it came from, and what makes its ids.

    Raises:
        CannotServeError: it had to be loaded, and that failed.

    """
    with _lock:
        if _predictor is None or _settings is None:
            settings = Settings.from_environment(os.environ)
            adopt(load_predictor(settings), settings)
        assert _predictor is not None and _settings is not None and _new_id is not None  # noqa: S101, PT018 - set above
        return _predictor, _settings, _new_id

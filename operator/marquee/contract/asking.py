"""How a person asks for a retraining: one annotation of the MarketingModel, which `kubectl marquee retrain` writes.

Its value is any id; one that has not been answered starts a run. Without pydantic, as the plugin reads it: that starts
in a third of the time.
"""

from __future__ import annotations

from typing import Final

ANNOTATION_RETRAIN: Final = "marquee.dev/retrain"

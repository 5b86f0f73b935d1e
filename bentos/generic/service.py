"""The BentoML service of any model: fields by name, as its manifest says."""

from __future__ import annotations

from typing import Any

import bentoml

from bentos.front.service import ServiceView


@bentoml.service(name="generic_model")
class GenericModel:
    """Predicts one row of whatever model the process serves."""

    def __init__(self) -> None:
        self._view = ServiceView()

    @bentoml.api  # type: ignore[untyped-decorator]
    async def predict(self, inputs: dict[str, Any], unit: str | None = None) -> dict[str, Any]:
        """One row by field names; the same request and reply as the front's ``/predict``."""
        return await self._view.predict(inputs, unit)

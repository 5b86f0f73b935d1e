"""Customer value as a BentoML service: future purchases and spend, from a customer's purchase history."""

from __future__ import annotations

import bentoml
from pydantic import BaseModel, ConfigDict, Field

from bentos.front.service import ServiceView, inputs_type
from models.customer_value.schema import INPUTS


class History(inputs_type("HistoryInputs", INPUTS)):  # type: ignore[misc]
    """A customer's purchases so far, and how far to look ahead."""


class Values(BaseModel):
    """What the models expect of a customer within the horizon."""

    customer_value: float
    expected_purchases: float
    probability_alive: float = Field(ge=0, le=1)
    expected_value_per_purchase: float


class ValuePrediction(BaseModel):
    """A valued customer."""

    model_config = ConfigDict(serialize_by_alias=True)

    outputs: Values
    model: str
    revision: str
    prediction_id: str = Field(alias="predictionId")


@bentoml.service(name="customer_value")
class CustomerValue:
    """Values one customer."""

    def __init__(self) -> None:
        self._view = ServiceView()

    @bentoml.api  # type: ignore[untyped-decorator]
    async def predict(self, inputs: History, unit: str | None = None) -> ValuePrediction:
        """Expected purchases and spend within the horizon."""
        reply = await self._view.predict(inputs.model_dump(), unit)
        return ValuePrediction.model_validate(reply)

"""Lead scoring as a BentoML service: the probability that a customer buys, from typed attributes."""

from __future__ import annotations

import bentoml
from pydantic import BaseModel, ConfigDict, Field

from bentos.front.service import ServiceView, inputs_type
from models.lead_scoring.schema import FIELDS


class Lead(inputs_type("LeadInputs", FIELDS)):  # type: ignore[misc]
    """A customer: postcode area and insurance policies."""


class Scores(BaseModel):
    """What the model says about a lead."""

    probability: float = Field(ge=0, le=1)


class LeadPrediction(BaseModel):
    """A scored lead."""

    model_config = ConfigDict(serialize_by_alias=True)

    outputs: Scores
    model: str
    revision: str
    prediction_id: str = Field(alias="predictionId")


@bentoml.service(name="lead_scoring")
class LeadScoring:
    """Scores one lead."""

    def __init__(self) -> None:
        self._view = ServiceView()

    @bentoml.api  # type: ignore[untyped-decorator]
    async def predict(self, inputs: Lead, unit: str | None = None) -> LeadPrediction:
        """The probability that the lead converts."""
        reply = await self._view.predict(inputs.model_dump(), unit)
        return LeadPrediction.model_validate(reply)

"""What a rollout is judged by: read from the MarketingModel when it begins, and never again."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError

from marquee.api.marketing_model import MarketingModel, ServiceLevel, ServingClass
from marquee.api.rollout import Analysis, Step
from marquee.api.types import ApiModel
from marquee.contract.ledger import RolloutDeclaration
from marquee.judging.asking import declaration_of, policy_of
from marquee.ledger.complaints import complaint
from marquee.ledger.errors import ModelNotJudgedError


class Policy(ApiModel):
    """The part of a spec that verdicts depend on."""

    steps: tuple[Step, ...]
    analysis: Analysis
    slo: ServiceLevel | None = None

    @property
    def weights(self) -> tuple[int, ...]:
        """Percent, one for each step."""
        return tuple(step.weight for step in self.steps)

    def to_text(self) -> str:
        """As the book keeps it."""
        return self.model_dump_json(by_alias=True, exclude_none=True)

    @property
    def declaration(self) -> RolloutDeclaration:
        """The outcomes that have to be counted."""
        return declaration_of(self.analysis)


def policy_in(text: str) -> Policy:
    """The inverse of `Policy.to_text`."""
    return Policy.model_validate_json(text)


def settle(path: str, body: dict[str, Any]) -> Policy:
    """The policy of a MarketingModel that is only judged.

    Args:
        path: ``namespace/name``, for messages.
        body: the object as the API server has it.

    Raises:
        ModelNotJudgedError: Marquee rolls it out itself, or this ledger cannot read it.
        EvidenceError: nothing could be concluded from its analysis.

    """
    try:
        spec = MarketingModel.model_validate({**body, "status": {}}).spec
    except ValidationError as error:
        raise ModelNotJudgedError(f"MarketingModel {path} cannot be read by this ledger: {complaint(error)}") from None
    if spec.serving.class_ is not ServingClass.EXTERNAL:
        raise ModelNotJudgedError(
            f"MarketingModel {path} is rolled out by Marquee itself (spec.serving.class); `kubectl marquee evidence` "
            "shows what it does. To have another controller's rollout judged, create a model of class External"
        )
    if spec.rollout.analysis is None or not spec.rollout.steps:
        raise ModelNotJudgedError(f"MarketingModel {path}: spec.rollout asks nothing; give it steps and an analysis")
    policy = Policy(steps=spec.rollout.steps, analysis=spec.rollout.analysis, slo=spec.slo)
    policy_of(policy.analysis, policy.weights)
    return policy

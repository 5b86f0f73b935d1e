"""What the running step of a rollout is judged by, as an entry of the audit log keeps it.

With the entry's integers it gives the entry's verdict again, on any machine and without a cluster.
"""

from __future__ import annotations

from typing import Annotated

import orjson
from pydantic import Field

from marquee.api.rollout import MAX_STEPS, Analysis, Step
from marquee.api.types import ApiModel
from marquee.contract.ledger import RolloutStatistics
from marquee.evidence.rule import Judgement
from marquee.judging.asking import judge, stage_of


class Question(ApiModel):
    """The spec's analysis, the running step and its age."""

    analysis: Analysis
    weights: Annotated[tuple[int, ...], Field(min_length=1, max_length=MAX_STEPS)]
    """Percent, one for each step."""
    step: int = Field(ge=0, lt=MAX_STEPS)
    asks: Step
    """What the step asks before it can end."""
    elapsed_seconds: float
    """Since the step began."""
    promised: bool
    """Whether somebody sees to it that the canary gets its weight; see `judge`."""

    def to_text(self) -> str:
        """JSON with sorted keys: the same question is the same text."""
        value = self.model_dump(mode="json", by_alias=True, exclude_none=True)
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()

    @classmethod
    def of_text(cls, text: str) -> Question:
        """Read what `to_text` wrote. Raises ValidationError where it is something else."""
        return cls.model_validate_json(text)

    def judgement_of(self, statistics: RolloutStatistics) -> Judgement:
        """The answer that follows from the integers. Raises `EvidenceError`."""
        stage = stage_of(self.asks, self.step, self.elapsed_seconds)
        return judge(self.analysis, self.weights, stage, statistics, promised=self.promised)[0]

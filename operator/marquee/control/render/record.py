"""The rollout as the model's Service remembers it: one annotation, in the same write as the state of traffic.

Nothing else has to survive a restart: the step's weight follows from it, its evidence is the ledger's. When it ends,
the evidence of that moment is remembered too: the ledger counts on, and the status may not have been written yet.
"""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

import orjson
from pydantic import BaseModel, TypeAdapter, ValidationError

from marquee.api.marketing_model import MarketingModel
from marquee.api.model_revision import ModelRevision
from marquee.api.rollout_status import CohortCounts, MetricEvidence, RolloutResult

_NAME_LIMIT: Final = 54
"""Characters of a revision's name in its rollouts' names, which have at most 63."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutRecord:
    """The newest rollout of a model; without a result it is under way."""

    name: str
    revision: str
    digest: str
    """Of the artifact: a name may be used again for other bytes."""
    plan: str
    """Of what it was started with, see `plan_digest`: another plan is another rollout."""
    stable: str
    """The revision that served when it began."""
    weights: tuple[int, ...]
    """Percent, one for each step."""
    step: int
    started: datetime
    step_started: datetime
    result: RolloutResult | None = None
    reason: str = ""
    message: str = ""
    by_pods: bool = False
    """Without a gateway: the Service reaches both arms, and their numbers of pods are the split."""
    filling: bool = False
    """The last step is passed, and the canary gets the pods that it needs alone; only by pods."""
    stamping: bool = False
    """The ledger lets pods stamp their requests, and has not been heard to have ended it."""
    evidence: tuple[MetricEvidence, ...] = ()
    """When it ended, as the status tells it."""
    counts: tuple[CohortCounts, ...] = ()
    """The ledger's integers that this follows from."""

    @property
    def weight(self) -> int:
        """Percent of the units that the canary is to answer: that of the step, and 0 or 100 in the end."""
        if self.result is None:
            return self.weights[self.step]
        return 100 if self.result is RolloutResult.PROMOTED else 0

    @property
    def is_last_step(self) -> bool:
        """Whether the canary takes over after this step."""
        return self.step == len(self.weights) - 1

    def next_step(self, now: datetime) -> RolloutRecord:
        """The record of the following step."""
        return replace(self, step=self.step + 1, step_started=_cut(now))

    def ended(self, result: RolloutResult, reason: str, message: str) -> RolloutRecord:
        """The record of the rollout's end."""
        return replace(self, result=result, reason=reason, message=message)

    def judged_by(self, evidence: tuple[MetricEvidence, ...], counts: tuple[CohortCounts, ...]) -> RolloutRecord:
        """The record with what was known when it ended."""
        return replace(self, evidence=evidence, counts=counts)

    def to_text(self) -> str:
        """The annotation's text; equal records give equal texts. What few rollouts have is not mentioned by the others:
        an operator that learns of it must not write to what was remembered before."""
        told = {key: value for key, value in asdict(self).items() if value or key not in _SOME_HAVE}
        return orjson.dumps(told, default=_wire, option=orjson.OPT_SORT_KEYS).decode()


def _wire(value: Any) -> Any:
    """A part that is a type of the API, as the API writes it."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", by_alias=True)
    raise TypeError(f"a record has no {type(value).__name__}")


_SOME_HAVE: Final = frozenset({"by_pods", "filling", "stamping", "evidence", "counts"})
_RECORD: Final = TypeAdapter(RolloutRecord)


def read_record(text: str | None) -> RolloutRecord | None:
    """The record in an annotation; None when there is none, or none that is legible."""
    try:
        record = _RECORD.validate_json(text) if text else None
    except ValidationError:
        return None
    return record if record is not None and 0 <= record.step < len(record.weights) else None


def begin(
    model: MarketingModel,
    revision: ModelRevision,
    stable: str,
    before: str,
    now: datetime,
    *,
    has_ledger: bool = True,
) -> RolloutRecord:
    """The record of a rollout's start.

    Its name follows from the name of the rollout before: it is new even when the same revision is tried again, and
    the same when an operator that was killed after its declaration begins once more.
    """
    name, digest, plan, moment = revision.metadata.name, revision.spec.artifact.digest, plan_digest(model), _cut(now)
    seed = f"{model.metadata.uid}/{digest}/{plan}/{before}"
    return RolloutRecord(
        name=f"{name[:_NAME_LIMIT]}-{hashlib.sha256(seed.encode()).hexdigest()[:8]}",
        revision=name,
        digest=digest,
        plan=plan,
        stable=stable,
        weights=tuple(step.weight for step in model.spec.rollout.steps),
        step=0,
        started=moment,
        step_started=moment,
        by_pods=model.spec.splits_by_pods,
        stamping=model.spec.splits_by_pods and has_ledger and model.spec.rollout.analysis is not None,
    )


def plan_digest(model: MarketingModel) -> str:
    """Digest of what must not change while a rollout runs: steps, analysis, assignment, and what counts as slow.

    A threshold that is changed after a look at the data bounds nothing.
    """
    rollout, traffic, slo = model.spec.rollout, model.spec.traffic, model.spec.slo
    parts = (*rollout.steps, rollout.analysis, traffic.assignment if traffic is not None else None, slo)
    text = "\n".join(part.model_dump_json() if part is not None else "" for part in parts)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _cut(moment: datetime) -> datetime:
    """In UTC and whole milliseconds, as it is written."""
    return moment.astimezone(UTC).replace(microsecond=moment.microsecond // 1000 * 1000)

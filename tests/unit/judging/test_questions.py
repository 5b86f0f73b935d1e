"""What an entry of the log keeps of a question is the question."""

from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from marquee.api.rollout import Analysis, PrimaryMetric, Step
from marquee.evidence.mixture import Direction
from marquee.judging.questions import Question

QUESTION = Question(
    analysis=Analysis(
        primary=PrimaryMetric(outcome="purchase", direction=Direction.HIGHER_IS_BETTER, margin=0.05), alpha=0.05
    ),
    weights=(10, 50),
    step=1,
    asks=Step(weight=50),
    elapsed_seconds=61.25,
    promised=True,
)


def test_what_was_written_is_read() -> None:
    """The same question, and again the same text."""
    text = QUESTION.to_text()
    assert Question.of_text(text) == QUESTION
    assert Question.of_text(text).to_text() == text


def test_the_text_is_the_same_whatever_order_it_was_made_in() -> None:
    """Keys are sorted, and what the spec leaves open is not there."""
    told = json.loads(QUESTION.to_text())
    assert list(told) == sorted(told)
    assert "maxDurationSeconds" not in told["asks"]


@pytest.mark.parametrize(
    ("field", "value"), [("step", -1), ("weights", []), ("analysis", {}), ("elapsedSeconds", "soon"), ("asks", None)]
)
def test_another_text_is_no_question(field: str, value: object) -> None:
    """And the error names the field."""
    told = json.loads(QUESTION.to_text()) | {field: value}
    with pytest.raises(ValidationError, match=field):
        Question.of_text(json.dumps(told))

"""What a question changes. The caller does what is decided here and, where the book has moved on meanwhile, asks again.

A rollout is at a step, from 0, or before the first one (-1). A yes ends the step and begins the next in one
transaction, so that the new weight's exposures find the new step. The difficulty is who asks again because the answer
was lost: the same words may ask for the next step. A caller that says where it stands (``step``) is told the same
again; one that does not is judged by the step that the yes has begun. So no step is ever skipped.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import orjson

from marquee.contract.assignment import is_rollout_name
from marquee.evidence.judging import YES, status_code
from marquee.evidence.rule import Verdict
from marquee.ledger.book.entries import Ending, Turn
from marquee.ledger.book.plans import Plan
from marquee.ledger.judging.answering import Answer, Look, answer, begins

BEFORE: Final = -1
"""The step before the first: no user has met the canary."""
MAX_NAME_LENGTH: Final = 58
"""Characters of a controller's name for a rollout; the ledger's own may have a number behind it."""


@dataclass(frozen=True, slots=True)
class Question:
    """What a controller asks."""

    name: str | None
    """Of the rollout; None: the one under way."""
    verdict: str | None = None
    """The one that it hopes for; None: it reads the verdict in the body."""
    step: int | None = None
    """Where it stands, if it says so; `BEFORE`: its canary has no users."""
    changes: bool = False
    """Whether it may move the rollout on."""


@dataclass(frozen=True, slots=True)
class Start:
    """A rollout is to begin, by what its model says now."""

    asked: str
    attempt: int
    step: int


@dataclass(frozen=True, slots=True)
class Reply:
    """What the controller is told, once ``turn`` is written."""

    status: int
    answer: Answer
    turn: Turn | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why there is no answer."""

    kind: str
    detail: str


Decision = Start | Turn | Reply | Refusal
"""A `Start` or a bare `Turn` is written, and the question asked again."""


def decide(question: Question, look: Look | None) -> Decision:
    """What a question comes to.

    Args:
        question: as it was asked.
        look: at the newest attempt of the rollout that it is about; None when there is none.

    Raises:
        EvidenceError: the integers contradict each other, or the verdict that was asked for is none.

    """
    if look is None:
        return _unknown(question)
    if question.step is not None and question.step >= len(look.policy.steps):
        return Refusal("step-unknown", f"step={question.step}: the rollout has {len(look.policy.steps)} steps, from 0")
    if look.plan.ending is not None:
        return _ended(question, look)
    return _under_way(question, look)


def _unknown(question: Question) -> Decision:
    if question.name is None:
        return Refusal("rollout-unknown", "no rollout of this model is known; name one, as rollout=NAME")
    if not question.changes or question.verdict == Verdict.ROLLBACK:
        return Refusal("rollout-unknown", f"no rollout {question.name} of this model has begun")
    if question.step is not None:
        return Start(question.name, 1, question.step)
    return Start(question.name, 1, BEFORE if question.verdict is not None else 0)


def _ended(question: Question, look: Look) -> Decision:
    """The same again, unless the caller stands where the rollout was not when it ended: its name has come back.

    A rollout that was rolled back in its first step cannot be told from a new one of the same name: it stays so.
    """
    plan = look.plan
    at_the_end = {plan.step}
    if plan.ending is Ending.ROLLED_BACK:  # harm may have shown while it asked again about the step before
        at_the_end.add(max(0, plan.step - 1))
    if question.changes and question.step is not None and question.step not in at_the_end:
        return _again(plan, question.step)
    if plan.ending is Ending.SUPERSEDED:
        if not question.changes:
            return _reply(question, answer(look))
        if question.step is not None:
            return _again(plan, question.step)
        return Refusal(
            "rollout-superseded",
            f"rollout {plan.rollout.name} ended when another one of this model began; ask with the other's name, or "
            "begin this one anew: POST .../begin",
        )
    return _reply(question, _kept(plan))


def _under_way(question: Question, look: Look) -> Decision:
    plan = look.plan
    if not question.changes:
        return _reply(question, answer(look))
    if question.step is None or question.step == plan.step:
        return _asked_here(question, look)
    if question.step > plan.step:
        return Turn(plan.rollout, plan.step, question.step)
    if question.step == BEFORE and plan.step == 0:
        return Turn(plan.rollout, 0, BEFORE)
    if question.step == plan.answered_step == plan.step - 1:
        return _asked_again(question, look)
    return _again(plan, question.step)


def _asked_here(question: Question, look: Look) -> Decision:
    """About the step that the rollout is at."""
    if look.plan.step == BEFORE:
        return _asked_before(question, look)
    found = answer(look)
    return _reply(question, found, _turn_by(look, found))


def _asked_before(question: Question, look: Look) -> Decision:
    if question.step == BEFORE:  # it was told to begin
        return Reply(YES, answer(look))
    if question.verdict == Verdict.PROMOTE:
        told = begins(look)
        return Reply(YES, told, Turn(look.plan.rollout, BEFORE, 0, _text(told)))
    if question.verdict is None:
        return Turn(look.plan.rollout, BEFORE, 0)
    return _reply(question, answer(look))


def _asked_again(question: Question, look: Look) -> Decision:
    """About the step that the last yes ended: the same yes, unless harm has shown since."""
    found = answer(look)
    turn = _turn_by(look, found)
    if turn is not None and turn.ending is Ending.ROLLED_BACK:
        return _reply(question, found, turn)
    return _reply(question, _kept(look.plan))


def _turn_by(look: Look, found: Answer) -> Turn | None:
    """What a verdict changes: Promote the step, or after the last one the rollout; Rollback the rollout."""
    plan, verdict = look.plan, found["verdict"]
    if verdict == Verdict.HOLD:
        return None
    if verdict == Verdict.ROLLBACK:
        return _end(plan, found, Ending.ROLLED_BACK)
    if plan.step == len(look.policy.steps) - 1:
        return _end(plan, found, Ending.PROMOTED)
    return Turn(plan.rollout, plan.step, plan.step + 1, _text(found))


def _end(plan: Plan, found: Answer, ending: Ending) -> Turn:
    return Turn(plan.rollout, plan.step, plan.step, _text(found | {"result": ending.value}), ending)


def _reply(question: Question, found: Answer, turn: Turn | None = None) -> Reply:
    status = YES if question.verdict is None else status_code(Verdict(found["verdict"]), question.verdict)
    if turn is not None and found["verdict"] == Verdict.PROMOTE and question.verdict not in {None, Verdict.PROMOTE}:
        turn = None  # who asks for something else does not take the yes
    return Reply(status, orjson.loads(turn.answer) if turn is not None else found, turn)


def _again(plan: Plan, step: int) -> Decision:
    return Start(plan.asked, plan.attempt + 1, step)


def _kept(plan: Plan) -> Answer:
    kept: Answer = orjson.loads(plan.answer)
    return kept


def _text(found: Answer) -> str:
    return orjson.dumps(found).decode()


def name_of(start: Start) -> str:
    """The ledger's name of an attempt: the controller's own, from the second on with its number."""
    return start.asked if start.attempt == 1 else f"{start.asked}.{start.attempt}"


def is_name(text: str) -> bool:
    """Whether a controller may call a rollout so."""
    return is_rollout_name(text) and len(text) <= MAX_NAME_LENGTH

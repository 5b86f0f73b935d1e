"""``GET`` and ``POST /judge/{namespace}/{name}``: verdicts for Argo Rollouts and Flagger; see ``docs/judge.md``.

A question is answered from a snapshot of the book, and what the answer changes is written only where the book still
stands as it was seen. Of two who ask at once, one moves the rollout on, and the other is asked anew what it sees then.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Final

import orjson
from aiohttp import web

from marquee.contract.ledger import RolloutStatistics
from marquee.evidence.rule import Verdict
from marquee.ledger.access.senders import Role
from marquee.ledger.book import plans
from marquee.ledger.book.entries import Begin, RolloutKey, Turn
from marquee.ledger.book.plans import Plan
from marquee.ledger.book.statistics import Integers
from marquee.ledger.errors import BusyError, ModelsUnavailableError
from marquee.ledger.http.problems import ProblemError, malformed
from marquee.ledger.http.requests import json_of, model_path_of, sender_of, state_of
from marquee.ledger.judging.answering import Look
from marquee.ledger.judging.deciding import (
    BEFORE,
    MAX_NAME_LENGTH,
    Decision,
    Question,
    Refusal,
    Reply,
    Start,
    decide,
    is_name,
    name_of,
)
from marquee.ledger.judging.settling import settle
from marquee.ledger.store.reading import reading

_TRIES: Final = 5
"""Others may move the same rollout on meanwhile; who is overtaken so often is told to ask again."""
_REFUSALS: Final = {
    "rollout-unknown": HTTPStatus.NOT_FOUND,
    "rollout-superseded": HTTPStatus.CONFLICT,
    "step-unknown": HTTPStatus.BAD_REQUEST,
}


async def get_verdict(request: web.Request) -> web.Response:
    """The verdict as it is now; nothing changes by it."""
    model = await _model(request)
    return await _answer(request, model, Question(_name(request.query.get("rollout"), "rollout")))


async def post_verdict(request: web.Request) -> web.Response:
    """The verdict, and the rollout moves on by it. With ``verdict``: 200 when it is this one, else 409."""
    model = await _model(request)
    verdict = request.query.get("verdict")
    if verdict is not None and verdict not in set(Verdict):
        raise malformed(f"verdict={verdict[:40]!r} is none of {', '.join(Verdict)}", "verdict-unknown")
    question = Question(await _posted_name(request), verdict, _step(request.query.get("step")), changes=True)
    return await _answer(request, model, question)


async def post_begin(request: web.Request) -> web.Response:
    """The canary has no users yet: the rollout begins, or is still before its first step."""
    model = await _model(request)
    question = Question(await _posted_name(request), step=BEFORE, changes=True)
    if question.name is None:
        raise malformed("name the rollout that begins: rollout=NAME, or the body's checksum", "malformed-name")
    return await _answer(request, model, question)


async def _answer(request: web.Request, model: str, question: Question) -> web.Response:
    committer = state_of(request).committer
    for _ in range(_TRIES):
        decision = await _decide(request, model, question)
        if isinstance(decision, Refusal):
            raise await _refused(request, model, decision)
        if isinstance(decision, Reply):
            if decision.turn is None or not (await committer.submit(decision.turn)).duplicate:
                body = orjson.dumps(decision.answer)
                return web.Response(status=decision.status, body=body, content_type="application/json")
        elif isinstance(decision, Start):
            await committer.submit(await _beginning(request, model, decision))
        elif isinstance(decision, Turn):
            await committer.submit(decision)
    raise BusyError("others move this rollout on all the time; ask again")


async def _decide(request: web.Request, model: str, question: Question) -> Decision:
    """In the thread that reads: a judgement takes some milliseconds that other requests need not wait for."""
    state = state_of(request)

    def judged(found: tuple[Plan, Integers] | None) -> Decision:
        if found is None:
            return decide(question, None)
        plan, integers = found
        return decide(question, Look(plan, RolloutStatistics.model_validate_json(integers.document), state.clock()))

    return await reading(state.database, lambda connection: judged(plans.look(connection, model, question.name)))


async def _beginning(request: web.Request, model: str, start: Start) -> Begin:
    """A rollout by what its model says at this moment.

    Raises:
        ProblemError: 404, there is no such model.
        ModelNotJudgedError, ModelsUnavailableError, EvidenceError: it cannot be begun.

    """
    body = await state_of(request).models.read(model)
    if body is None:
        raise _no_model(model)
    policy = settle(model, body)
    if start.step >= len(policy.steps):
        detail = f"step={start.step}: MarketingModel {model} has {len(policy.steps)} steps, from 0"
        raise malformed(detail, "step-unknown")
    key = RolloutKey(model, name_of(start))
    return Begin(key, start.asked, start.attempt, policy.to_text(), policy.declaration, start.step)


async def _refused(request: web.Request, model: str, refusal: Refusal) -> ProblemError:
    """The refusal; that there is no such model, or one that is not judged, is a better reason than no rollout."""
    if refusal.kind == "rollout-unknown":
        try:
            body = await state_of(request).models.read(model)
        except ModelsUnavailableError:
            pass  # what the book says is true in any case
        else:
            if body is None:
                return _no_model(model)
            settle(model, body)
    return ProblemError(_REFUSALS[refusal.kind], refusal.kind, refusal.detail)


def _no_model(model: str) -> ProblemError:
    detail = f"there is no MarketingModel {model}; create it with spec.serving.class External"
    return ProblemError(HTTPStatus.NOT_FOUND, "model-unknown", detail)


async def _model(request: web.Request) -> str:
    model = model_path_of(request)
    await sender_of(request, Role.VERDICTS, model)
    return model


async def _posted_name(request: web.Request) -> str | None:
    """From the address, or else the body's ``checksum``, as Flagger sends it. An empty body is none."""
    body: Any = await json_of(request) if request.can_read_body else {}
    if not isinstance(body, dict):
        raise malformed("the body is no JSON object")
    if (given := request.query.get("rollout")) is not None:
        return _name(given, "rollout")
    return _name(body.get("checksum"), "checksum")


def _name(given: object, where: str) -> str | None:
    if given is None or given == "":
        return None
    if not isinstance(given, str) or not is_name(given):
        detail = f"{where}: {str(given)[:80]!r} is no name of a rollout: at most {MAX_NAME_LENGTH} of a-z, 0-9, . and -"
        raise malformed(detail, "malformed-name")
    return given


def _step(given: str | None) -> int | None:
    if given is None:
        return None
    if not (given.isascii() and given.isdigit() and len(given) <= 3):
        raise malformed(f"step={given[:40]!r} is no number of a step, from 0", "step-unknown")
    return int(given)

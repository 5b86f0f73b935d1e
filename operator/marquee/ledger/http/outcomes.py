"""``POST /v1/outcomes``: one outcome or a list; each is judged by itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from aiohttp import web

from marquee.contract.assignment import is_model_path
from marquee.contract.ledger import MAX_OUTCOMES, OutcomeReceipt, OutcomeResult, OutcomeStatus
from marquee.ledger.access.senders import Role
from marquee.ledger.book import plans
from marquee.ledger.book.entries import Judgement, Outcome, Report
from marquee.ledger.http.problems import ProblemError
from marquee.ledger.http.requests import charge, json_of, reply, sender_of, state_of
from marquee.ledger.intake import Intake, is_by_unit
from marquee.ledger.store.reading import reading


async def post_outcomes(request: web.Request) -> web.Response:
    """Take outcomes. A single one that is refused gets 400; of several, each refusal is listed."""
    sender = await sender_of(request, Role.OUTCOMES)
    content = await json_of(request)
    items = content if isinstance(content, list) else [content]
    if not 1 <= len(items) <= MAX_OUTCOMES:
        detail = f"send 1 to {MAX_OUTCOMES} outcomes a request, not {len(items)}"
        raise ProblemError(HTTPStatus.BAD_REQUEST, "too-many-outcomes" if items else "no-outcomes", detail)
    charge(request, sender, Role.OUTCOMES, len(items))
    state = state_of(request)
    intake = Intake(state.verifier, sender, state.clock(), await _under_way(request, items))
    judgements = await _enter(request, [intake.take(item) for item in items])
    for (status, reason), count in Counter((j.status.value, j.reason) for j in judgements).items():
        state.metrics.outcomes.labels(status, reason).inc(count)
    if len(items) == 1 and judgements[0].status is OutcomeStatus.REFUSED:
        raise ProblemError(HTTPStatus.BAD_REQUEST, judgements[0].reason, judgements[0].detail)
    return reply(_receipt(judgements))


async def _under_way(request: web.Request, items: Sequence[Any]) -> dict[str, str]:
    """Rollouts under way of the models whose outcomes name none, as they are at this moment."""
    given = {item.get("model") for item in items if is_by_unit(item) and item.get("rollout") is None}
    models = sorted(model for model in given if isinstance(model, str) and is_model_path(model))
    if not models:
        return {}
    return await reading(state_of(request).database, lambda connection: plans.under_way(connection, models))


async def _enter(request: web.Request, taken: Sequence[Outcome | Judgement]) -> list[Judgement]:
    """Have the book judge what passed; refusals keep their place."""
    outcomes = [item for item in taken if isinstance(item, Outcome)]
    judged: list[Judgement] = []
    if outcomes:
        judged = (await state_of(request).committer.submit(Report(outcomes), len(outcomes))).judgements
    answers = iter(judged)
    return [item if isinstance(item, Judgement) else next(answers) for item in taken]


def _receipt(judgements: Sequence[Judgement]) -> OutcomeReceipt:
    counts: dict[str, Any] = {status.value: 0 for status in OutcomeStatus}
    results = []
    for index, judgement in enumerate(judgements):
        counts[judgement.status.value] += 1
        if judgement.status is not OutcomeStatus.COUNTED:
            results.append(
                OutcomeResult(index=index, status=judgement.status, reason=judgement.reason, detail=judgement.detail)
            )
    return OutcomeReceipt(**counts, results=tuple(results))

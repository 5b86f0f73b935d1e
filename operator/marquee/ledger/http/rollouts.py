"""``PUT /v1/rollouts/{namespace}/{model}/{rollout}`` declares, ``POST .../close`` ends; ``GET
/v1/rollouts/{namespace}/{model}`` tells pods which step is under way where somebody else moves the traffic.
"""

from __future__ import annotations

from http import HTTPStatus

from aiohttp import web

from marquee.contract.ledger import CurrentStep, RolloutDeclaration
from marquee.ledger.access.senders import Role
from marquee.ledger.book import plans
from marquee.ledger.book.entries import Close, Declare
from marquee.ledger.http.problems import ProblemError
from marquee.ledger.http.requests import key_of, model_of, model_path_of, reply, sender_of, state_of
from marquee.ledger.judging.settling import policy_in
from marquee.ledger.store.reading import reading


async def put_rollout(request: web.Request) -> web.Response:
    """Declare the metrics of a rollout: 201 the first time, 200 when they were known, 409 when they differ."""
    key = key_of(request)
    await sender_of(request, Role.ROLLOUTS, key.model)
    declaration = await model_of(request, RolloutDeclaration)
    answer = await state_of(request).committer.submit(Declare(key, declaration))
    return reply(declaration, HTTPStatus.OK if answer.duplicate else HTTPStatus.CREATED)


async def close_rollout(request: web.Request) -> web.Response:
    """End a rollout: its integers stay, the rows of its units go. Closing again changes nothing."""
    key = key_of(request)
    await sender_of(request, Role.ROLLOUTS, key.model)
    await state_of(request).committer.submit(Close(key))
    return web.Response(status=HTTPStatus.NO_CONTENT.value)


async def get_current_step(request: web.Request) -> web.Response:
    """What a pod stamps its exposures with, beside its arm; 404 while there is nothing to stamp."""
    model = model_path_of(request)
    await sender_of(request, Role.EXPOSURES, model)
    plan = await reading(state_of(request).database, lambda connection: plans.find(connection, model, None))
    if plan is None or plan.ending is not None or plan.step < 0:
        raise ProblemError(HTTPStatus.NOT_FOUND, "rollout-unknown", f"no rollout of {model} is at a step now")
    weight = policy_in(plan.content).weights[plan.step]
    return reply(CurrentStep(rollout=plan.rollout.name, step=plan.step, weight=weight))

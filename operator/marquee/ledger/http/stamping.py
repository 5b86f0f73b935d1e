"""``PUT`` and ``DELETE /v1/rollouts/{namespace}/{model}/{rollout}/stamping`` from the operator, ``GET
/v1/stamping/{namespace}/{model}`` from the model's pods: cohorts where there is no gateway.
"""

from __future__ import annotations

from http import HTTPStatus

from aiohttp import web

from marquee.contract.stamping import Stamping
from marquee.ledger.access.senders import Role
from marquee.ledger.book.entries import EndStamping, Stamp
from marquee.ledger.book.stamping import read
from marquee.ledger.http.requests import key_of, model_of, model_path_of, reply, sender_of, state_of
from marquee.ledger.store.reading import reading


async def put_stamping(request: web.Request) -> web.Response:
    """Let a step begin: 201 the first time, 200 when it was told before, 409 when the rollout is over or another."""
    key = key_of(request)
    await sender_of(request, Role.ROLLOUTS, key.model)
    wanted = await model_of(request, Stamping)
    answer = await state_of(request).committer.submit(Stamp(key, wanted))
    return reply(wanted, HTTPStatus.OK if answer.duplicate else HTTPStatus.CREATED)


async def delete_stamping(request: web.Request) -> web.Response:
    """No pod stamps for the rollout any more. Ending it again changes nothing."""
    key = key_of(request)
    await sender_of(request, Role.ROLLOUTS, key.model)
    await state_of(request).committer.submit(EndStamping(key))
    return web.Response(status=HTTPStatus.NO_CONTENT.value)


async def get_stamping(request: web.Request) -> web.Response:
    """What the pods of a model stamp."""
    model = model_path_of(request)
    await sender_of(request, Role.EXPOSURES, model)
    state = state_of(request)
    return reply(await reading(state.database, lambda connection: read(connection, model, state.clock())))

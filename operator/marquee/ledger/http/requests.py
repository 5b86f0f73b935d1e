"""What every handler does first: who is asking, may they, and what did they send."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Final, TypeVar

import orjson
from aiohttp import web
from pydantic import BaseModel, ValidationError

from marquee.contract.assignment import is_model_path, is_rollout_name
from marquee.ledger.access.senders import Role, Sender
from marquee.ledger.book.entries import RolloutKey
from marquee.ledger.complaints import complaint
from marquee.ledger.http.problems import ProblemError, forbidden, malformed, over_quota
from marquee.ledger.http.state import STATE, State

MAX_BODY_BYTES: Final = 4 * 2**20
"""10,000 outcomes with the longest names fit."""

_Model = TypeVar("_Model", bound=BaseModel)


async def sender_of(request: web.Request, role: Role, model: str | None = None) -> Sender:
    """The sender, when it may act in a role, and on a model where one is named.

    Raises:
        ProblemError: 403.
        UnauthenticatedError: nobody knows the sender.
        ReviewUnavailableError: nobody can say at the moment.

    """
    sender = await state_of(request).authenticator.authenticate(request.headers.get("authorization", ""))
    if role not in sender.roles:
        raise forbidden(f"{sender.name} may not do this; it has the roles: {', '.join(sorted(sender.roles))}")
    if model is not None and not sender.may(role, model):
        raise forbidden(f"{sender.name} may not act for {model}")
    return sender


def model_path_of(request: web.Request) -> str:
    """``namespace/model`` of the request's path.

    Raises:
        ProblemError: 400.

    """
    model = f"{request.match_info['namespace']}/{request.match_info['model']}"
    if not is_model_path(model):
        raise malformed(f"{model[:200]!r} is not namespace/model", "malformed-name")
    return model


def charge(request: web.Request, sender: Sender, role: Role, records: int) -> None:
    """Count records against the sender's quota.

    Raises:
        ProblemError: 429.

    """
    state = state_of(request)
    if wait := state.quotas.take(sender, role, records):
        state.metrics.over_quota.labels(role.value).inc()
        raise over_quota(sender.name, role.value, wait)


def state_of(request: web.Request) -> State:
    """The parts of the running ledger."""
    return request.app[STATE]


async def json_of(request: web.Request) -> Any:
    """The body as JSON.

    Raises:
        ProblemError: 400 or 415.

    """
    if request.content_type != "application/json":
        detail = f"send application/json, not {request.content_type}"
        raise ProblemError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "unsupported-media-type", detail)
    try:
        return orjson.loads(await request.read())
    except orjson.JSONDecodeError as error:
        raise malformed(f"the body is no JSON: {error}", "malformed-json") from None


async def model_of(request: web.Request, kind: type[_Model]) -> _Model:
    """The body as a record of the contract.

    Raises:
        ProblemError: 400, 415 or 422.

    """
    content = await json_of(request)
    try:
        # Python's own types are in the way: a tuple is a list on the wire
        return kind.model_validate_json(orjson.dumps(content))
    except ValidationError as error:
        raise ProblemError(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid-input", complaint(error)) from None


def key_of(request: web.Request) -> RolloutKey:
    """The rollout that the path names.

    Raises:
        ProblemError: 400.

    """
    parts = request.match_info
    key = RolloutKey(f"{parts['namespace']}/{parts['model']}", parts["rollout"])
    if not is_model_path(key.model) or not is_rollout_name(key.name):
        raise malformed(f"{str(key)[:200]!r} is not namespace/model/rollout", "malformed-name")
    return key


def reply(record: BaseModel, status: HTTPStatus = HTTPStatus.OK) -> web.Response:
    """A record of the contract as a response."""
    return web.Response(
        status=status.value, body=record.model_dump_json(by_alias=True).encode(), content_type="application/json"
    )

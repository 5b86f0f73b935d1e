"""``GET /demand/NAMESPACE/MODEL/REVISION``: what a revision has to do, as KEDA's metrics-api scaler reads it."""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from pathlib import Path

import structlog
from aiohttp import web

from marquee.control.demand.measuring import Demand, DemandUnknownError, RevisionKey, RevisionUnknownError

log = structlog.get_logger(__name__)

DEMAND_PATH = "/demand"


def demand_route(ask: Callable[[RevisionKey], Awaitable[Demand]], token_path: Path | None) -> web.RouteDef:
    """The page.

    Args:
        ask: measures a revision, see `Meter.demand`.
        token_path: file of the token that a caller must bear; None: everybody may ask, as on the metrics page.

    """

    async def answer(request: web.Request) -> web.Response:
        if token_path is not None and not _bears(request.headers.get("authorization", ""), token_path):
            return _problem(HTTPStatus.UNAUTHORIZED, "send 'Authorization: Bearer ...' with the operator's token")
        match = request.match_info
        try:
            demand = await ask((match["namespace"], match["model"], match["revision"]))
        except RevisionUnknownError as error:
            return _problem(HTTPStatus.NOT_FOUND, str(error))
        except DemandUnknownError as error:
            return _problem(HTTPStatus.SERVICE_UNAVAILABLE, str(error))
        return web.json_response(
            {
                "requestsPerSecond": demand.rates.requests_per_second,
                "concurrency": demand.rates.concurrency,
                "pods": demand.pods,
            }
        )

    return web.get(DEMAND_PATH + "/{namespace}/{model}/{revision}", answer)


def _bears(authorization: str, token_path: Path) -> bool:
    """Whether a header holds the token, which is read each time: a Secret may be rotated."""
    try:
        token = token_path.read_bytes().strip()
    except OSError as error:
        log.warning("the token of the demand page cannot be read", error=str(error))
        return False
    return token != b"" and hmac.compare_digest(authorization.encode(errors="replace"), b"Bearer " + token)


def _problem(status: HTTPStatus, detail: str) -> web.Response:
    """RFC 9457."""
    body = {"status": status.value, "title": status.phrase, "detail": detail}
    return web.json_response(body, status=status.value, content_type="application/problem+json")

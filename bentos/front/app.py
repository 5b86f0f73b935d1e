"""The outermost ASGI application: routes, phases and counts requests; what it does not know falls through."""

from __future__ import annotations

import logging
import traceback
from collections.abc import Awaitable, Callable
from enum import Enum
from time import perf_counter_ns
from typing import Final, NamedTuple

from bentos.front.asgi import (
    JSON,
    Application,
    BodyTooLargeError,
    ClientGoneError,
    Message,
    Receive,
    Response,
    Scope,
    Send,
    closing,
    read_body,
    send_response,
)
from bentos.front.endpoints import Endpoints
from bentos.front.logs import RequestLog
from bentos.front.metrics import Endpoint, Metrics
from bentos.front.problems import (
    ProblemError,
    internal,
    invalid_input,
    method_not_allowed,
    not_found,
    too_large,
    unavailable,
    unsupported_media_type,
)
from bentos.front.schema import InvalidInputError
from marquee.contract.pod import HEADER_PREDICTION_ID, HEALTH_LIVE_PATH, HEALTH_READY_PATH, PROBE_PATH

log = logging.getLogger(__name__)

_JSON_TYPE: Final = b"application/json"
_PREDICTION_ID: Final = HEADER_PREDICTION_ID.encode()


class Phase(Enum):
    """Where a pod is in its life."""

    STARTING = "starting"
    SERVING = "serving"
    DRAINING = "draining"


class Route(NamedTuple):
    """Who answers a path: with the body for POST, else without."""

    endpoint: Endpoint
    post: Callable[[bytes], Awaitable[Response]] | None
    get: Callable[[], Awaitable[Response]] | None
    """Exactly one of the two is there."""


class Front:
    """The front of one pod. It starts empty, gets its model by `serve`, and ends by `drain`."""

    def __init__(
        self, *, model: str, revision: str, max_request_bytes: int, metrics: Metrics, request_log: RequestLog
    ) -> None:
        self.phase = Phase.STARTING
        self.metrics = metrics
        self._model = model
        self._revision = revision
        self._limit = max_request_bytes
        self._log = request_log
        self._behind: Application | None = None
        self._routes: dict[str, Route] = {
            HEALTH_LIVE_PATH: Route("health", None, self._live),
            HEALTH_READY_PATH: Route("health", None, self._ready),
        }

    def serve(self, endpoints: Endpoints, behind: Application) -> None:
        """Start to answer: the hot paths by ``endpoints``, every other by the application ``behind``."""
        server = _json_bytes(b'{"name":"marquee","version":"1","extensions":[]}')
        metadata, openapi = _json_bytes(endpoints.metadata), _json_bytes(endpoints.openapi)
        routes = {
            "/predict": Route("predict", endpoints.predict, None),
            "/openapi.json": Route("metadata", None, openapi),
            "/v2": Route("metadata", None, server),
            PROBE_PATH: Route("probe", None, endpoints.probe),
        }
        for path in (f"/v2/models/{self._model}", f"/v2/models/{self._model}/versions/{self._revision}"):
            routes[path] = Route("metadata", None, metadata)
            routes[f"{path}/ready"] = Route("health", None, self._ready)
            routes[f"{path}/infer"] = Route("infer", endpoints.infer, None)
        self._routes.update(routes)
        self._behind = behind
        self.phase = Phase.SERVING
        self.metrics.ready = True

    def drain(self) -> None:
        """Stop being ready, and ask every client to leave with its answer; requests are still answered."""
        self.phase = Phase.DRAINING
        self.metrics.ready = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one HTTP request."""
        started = perf_counter_ns()
        route = self._routes.get(scope["path"])
        if route is None and self.phase is not Phase.STARTING and not scope["path"].startswith("/v2/"):
            await self._fall_through(scope, receive, send, started)
            return
        self.metrics.in_flight += 1
        try:
            response = await self._answer(route, scope, receive)
            await send_response(send, response, close=self.phase is not Phase.SERVING)
        except ClientGoneError:
            return
        finally:
            self.metrics.in_flight -= 1
        self._count(route.endpoint if route else "unknown", response, perf_counter_ns() - started)

    async def _answer(self, route: Route | None, scope: Scope, receive: Receive) -> Response:
        try:
            if route is None:
                raise self._nothing_there(scope["path"])
            method = scope["method"]
            if route.post is not None and method == "POST":
                return await route.post(await self._body(scope, receive))
            if route.get is not None and method in ("GET", "HEAD"):
                return await route.get()
            raise method_not_allowed(method, "POST" if route.post else "GET, HEAD")
        except InvalidInputError as error:
            self.metrics.count_errors(error.errors)
            return invalid_input(error.errors).to_response()
        except ProblemError as problem:
            return problem.to_response()
        except ClientGoneError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever a model raises, its caller gets an answer
            log.error("a request failed: %s", _where(error))
            return internal("internal", "the model failed on this request; the pod's log says where").to_response()

    async def _body(self, scope: Scope, receive: Receive) -> bytes:
        declared: int | None = None
        waits = False
        for name, value in scope["headers"]:
            if name == b"content-length":
                declared = int(value)
            elif name == b"content-type":
                if value != _JSON_TYPE and value.split(b";", 1)[0].strip().lower() != _JSON_TYPE:
                    raise unsupported_media_type("send the header content-type: application/json")
            elif name == b"expect":
                waits = value.lower() == b"100-continue"
            elif name == b"content-encoding" and value.lower() != b"identity":
                raise unsupported_media_type("content-encoding is not supported; send plain JSON")
            elif name == b"inference-header-content-length":
                raise unsupported_media_type("binary tensors are not supported; send tensors as JSON")
        try:
            return await read_body(receive, declared=declared, limit=self._limit, waits=waits)
        except BodyTooLargeError:
            raise too_large(self._limit) from None

    async def _fall_through(self, scope: Scope, receive: Receive, send: Send, started: int) -> None:
        status = 500

        async def watching(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        if self._behind is None:
            raise RuntimeError("serve() was not called")
        self.metrics.in_flight += 1
        try:
            watched = closing(watching) if self.phase is Phase.DRAINING else watching
            await self._behind(scope, receive, watched)
        finally:
            self.metrics.in_flight -= 1
            elapsed = perf_counter_ns() - started
            self.metrics.observe("service", status, elapsed)
            if self._log.wants(status):
                self._log.write("service", status, elapsed)

    def _count(self, endpoint: Endpoint, response: Response, nanoseconds: int) -> None:
        self.metrics.observe(endpoint, response.status, nanoseconds)
        if endpoint != "health" and self._log.wants(response.status):
            prediction_id = next((value for name, value in response.headers if name == _PREDICTION_ID), b"")
            self._log.write(endpoint, response.status, nanoseconds, prediction_id.decode())

    def _nothing_there(self, path: str) -> ProblemError:
        if self.phase is Phase.STARTING:
            return unavailable("starting", "the model is still being loaded; retry", retry_seconds=2)
        return not_found(
            f"nothing is served at {path[:200]}; this pod serves /v2/models/{self._model} (version {self._revision})"
        )

    async def _live(self) -> Response:
        return Response(200, b'{"live":true}', [JSON])

    async def _ready(self) -> Response:
        if self.phase is Phase.SERVING:
            return Response(200, b'{"ready":true}', [JSON])
        if self.phase is Phase.STARTING:
            raise unavailable("starting", "the model is still being loaded", retry_seconds=2)
        raise unavailable("draining", "the pod is shutting down; other pods serve this model", retry_seconds=1)


def _json_bytes(body: bytes) -> Callable[[], Awaitable[Response]]:
    response = Response(200, body, [JSON])

    async def answer() -> Response:
        return response

    return answer


def _where(error: Exception) -> str:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} at {frame.filename}:{frame.lineno} in {frame.name}"

"""The outermost ASGI application: routes, phases and counts requests; what it does not know falls through."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from enum import Enum
from time import perf_counter_ns
from typing import Final, NamedTuple

from bentos.front.admission import DEFAULT_WAIT_SECONDS
from bentos.front.answering import Answering, Target
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
from bentos.front.endpoints import Answer, Endpoints
from bentos.front.explaining.endpoints import ExplainEndpoints
from bentos.front.heads import Head
from bentos.front.logs import RequestLog
from bentos.front.metrics import Endpoint, Metrics
from bentos.front.problems import (
    ProblemError,
    method_not_allowed,
    not_found,
    overloaded,
    too_large,
    unavailable,
)
from bentos.front.reporting.counting import Counting
from bentos.front.stamping import Stamping
from marquee.contract.pod import HEALTH_LIVE_PATH, HEALTH_READY_PATH, MANIFEST_PATH, PROBE_PATH

MAX_ARRIVING_BYTES: Final = 64 * 2**20
"""Of the bodies that are read at once; whatever many clients send slowly, memory has a bound."""

_CLIENT_ERROR: Final = 400


class Phase(Enum):
    """Where a pod is in its life."""

    STARTING = "starting"
    SERVING = "serving"
    DRAINING = "draining"


class Route(NamedTuple):
    """Who answers a path: with the body for POST, else without."""

    endpoint: Endpoint
    post: Callable[[bytes, Head], Answer] | None
    get: Callable[[], Awaitable[Response]] | None
    """Exactly one of the two is there."""


class Front:
    """The front of one pod. It starts empty, gets its model by `serve`, and ends by `drain`.

    Args:
        namespace: of the model.
        model: its name.
        revision: that this pod serves.
        max_request_bytes: of a body.
        metrics: what it counts.
        request_log: a sample of its answers.
        counting: of answers by cohort; None: nobody wants to know.
        wait_seconds: how long a request may wait for its turn.
        stamping: of requests by this pod; None: a gateway does it.
        asks_consent: whether heads are read for what their subjects have consented to.

    """

    def __init__(
        self,
        *,
        namespace: str,
        model: str,
        revision: str,
        max_request_bytes: int,
        metrics: Metrics,
        request_log: RequestLog,
        counting: Counting | None = None,
        wait_seconds: float = DEFAULT_WAIT_SECONDS,
        stamping: Stamping | None = None,
        asks_consent: bool = False,
    ) -> None:
        self.phase = Phase.STARTING
        self.metrics = metrics
        self._model = model
        self._revision = revision
        self.max_request_bytes = max_request_bytes
        self._arriving = 0
        """Bytes of bodies that are on their way."""
        self.answering = Answering(
            namespace=namespace,
            model=model,
            metrics=metrics,
            request_log=request_log,
            counting=counting,
            wait_seconds=wait_seconds,
            stamping=stamping,
            asks_consent=asks_consent,
        )
        self._behind: Application | None = None
        self._targets: dict[bytes, Target] = {}
        self._model_available = True
        self._routes: dict[str, Route] = {
            HEALTH_LIVE_PATH: Route("health", None, self._live),
            HEALTH_READY_PATH: Route("health", None, self._ready),
        }

    def serve(self, endpoints: Endpoints, behind: Application, explain: ExplainEndpoints | None = None) -> None:
        """Start to answer: the hot paths by ``endpoints``, every other by the application ``behind``.

        ``explain`` answers questions for explanations; None: it says that they are switched off.
        """
        explain = explain or ExplainEndpoints.switched_off()
        server = _json_bytes(b'{"name":"marquee","version":"1","extensions":[]}')
        metadata, openapi = _json_bytes(endpoints.metadata), _json_bytes(endpoints.openapi)
        routes = {
            "/predict": Route("predict", endpoints.predict, None),
            "/openapi.json": Route("metadata", None, openapi),
            "/v2": Route("metadata", None, server),
            "/explain": Route("explain", explain.row, None),
            MANIFEST_PATH: Route("metadata", None, _json_bytes(endpoints.public_manifest)),
            PROBE_PATH: Route("probe", None, endpoints.probe),
        }
        for path in (f"/v2/models/{self._model}", f"/v2/models/{self._model}/versions/{self._revision}"):
            routes[path] = Route("metadata", None, metadata)
            routes[f"{path}/ready"] = Route("health", None, self._ready)
            routes[f"{path}/infer"] = Route("infer", endpoints.infer, None)
            routes[f"{path}/explain"] = Route("explain", explain.tensors, None)
        self._routes.update(routes)
        self._targets = {
            path.encode(): Target(route.endpoint, route.post)
            for path, route in routes.items()
            if route.post is not None and route.endpoint != "explain"
        }
        self._behind = behind
        self.answering.serve(endpoints)
        self.phase = Phase.SERVING
        self.metrics.ready = self._model_available

    def note_model(self, available: bool) -> None:
        """Be ready only while a model server has the model; requests are answered, with 503, all the same."""
        self._model_available = available
        self.metrics.ready = available and self.phase is Phase.SERVING

    @property
    def serving(self) -> bool:
        """Whether the model is there, and the pod is to stay."""
        return self.phase is Phase.SERVING

    def target(self, url: bytes) -> Target | None:
        """Who answers a POST to this very URL by the hot path; None while there is no model, or when nobody does."""
        return self._targets.get(url) if self.phase is Phase.SERVING else None

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
        predicts = route is not None and route.post is not None and scope["method"] == "POST"
        head = self.answering.read(scope["headers"], started) if predicts else None
        self.metrics.in_flight += 1
        try:
            response = await self._answer(route, scope, receive, head, started)
            # a body that the client was not asked for does not come, and uvicorn would wait for it
            unread = head is not None and head.waits and response.status >= _CLIENT_ERROR
            close = unread or not self.serving or self.answering.reconnects(head, response)
            await send_response(send, response, close=close)
        except ClientGoneError:
            return
        finally:
            self.metrics.in_flight -= 1
        elapsed = perf_counter_ns() - started
        # an explanation is no exposure: nobody is shown an offer by it
        counted = head if route is not None and route.endpoint != "explain" else None
        self.answering.count(route.endpoint if route else "unknown", response, elapsed, counted)

    async def _answer(
        self, route: Route | None, scope: Scope, receive: Receive, head: Head | None, started: int
    ) -> Response:
        try:
            if route is None:
                raise self._nothing_there(scope["path"])
            method = scope["method"]
            if route.post is not None and head is not None:
                return await self._predict(Target(route.endpoint, route.post), receive, head, started)
            if route.get is not None and method in ("GET", "HEAD"):
                return await route.get()
            raise method_not_allowed(method, "POST" if route.post else "GET, HEAD")
        except Exception as error:  # noqa: BLE001 - whatever goes wrong, the client gets an answer
            return self.answering.explain(error)

    async def _predict(self, target: Target, receive: Receive, head: Head, started: int) -> Response:
        if head.problem is not None:
            raise head.problem
        if (refusal := self.answering.refusal(head, started)) is not None:
            return refusal
        body = await self._body(receive, head)
        answer = self.answering.answer(target, head, body)
        return answer if isinstance(answer, Response) else await answer

    async def _body(self, receive: Receive, head: Head) -> bytes:
        """The body, unless too much is on its way already."""
        room = min(self.max_request_bytes if head.declared is None else head.declared, self.max_request_bytes)
        if self._arriving + room > max(MAX_ARRIVING_BYTES, self.max_request_bytes):
            self.metrics.shed["queue"] += 1
            raise overloaded(1)
        self._arriving += room
        try:
            return await read_body(receive, declared=head.declared, limit=self.max_request_bytes, waits=head.waits)
        except BodyTooLargeError:
            raise too_large(self.max_request_bytes) from None
        finally:
            self._arriving -= room

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
            self.answering.count_behind(status, elapsed)

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
            if not self._model_available:
                raise unavailable("model-unavailable", "the model server has not got the model", close=False)
            return Response(200, b'{"ready":true}', [JSON])
        if self.phase is Phase.STARTING:
            raise unavailable("starting", "the model is still being loaded", retry_seconds=2)
        raise unavailable("draining", "the pod is shutting down; other pods serve this model", retry_seconds=1)


def _json_bytes(body: bytes) -> Callable[[], Awaitable[Response]]:
    response = Response(200, body, [JSON])

    async def answer() -> Response:
        return response

    return answer

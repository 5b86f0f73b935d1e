"""What happens to a request for a prediction, whichever way it came in: admitted or not, answered, counted.

Two ways lead here. `app.Front` is the ASGI application and takes anything; `protocol` takes the plain requests of the
hot path off the connection before any ASGI is made of them. Both read a head, ask for a refusal, and end with `count`.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Awaitable, Callable
from time import perf_counter_ns
from typing import Final, NamedTuple

from bentos.front.admission import MAX_RETRY_SECONDS, Admission
from bentos.front.asgi import ClientGoneError, Response
from bentos.front.callers import Callers
from bentos.front.endpoints import Answer, Endpoints
from bentos.front.heads import Head, Heads
from bentos.front.ids import for_log
from bentos.front.logs import RequestLog
from bentos.front.metrics import Endpoint, Metrics
from bentos.front.problems import ProblemError, deadline_exceeded, internal, invalid_input, overloaded
from bentos.front.reporting.counting import Counting
from bentos.front.schema import InvalidInputError
from bentos.front.stamping import Stamping
from marquee.contract.pod import HEADER_PREDICTION_ID

log = logging.getLogger(__name__)

OVERHEAD_SECONDS: Final = 0.0001
"""What a request costs beside its model, until that was measured."""
_PREDICTION_ID: Final = HEADER_PREDICTION_ID.encode()
_OVERLOADED: Final = tuple(overloaded(seconds).to_response() for seconds in range(MAX_RETRY_SECONDS + 1))
"""By the seconds after which to retry: to turn away must cost next to nothing."""


class Target(NamedTuple):
    """Who answers a path of the hot path."""

    endpoint: Endpoint
    post: Callable[[bytes, Head], Answer]


class Answering:
    """The predictions of one front.

    Args:
        namespace: of the model.
        model: its name.
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
        metrics: Metrics,
        request_log: RequestLog,
        counting: Counting | None,
        wait_seconds: float,
        stamping: Stamping | None = None,
        asks_consent: bool = False,
    ) -> None:
        self.metrics = metrics
        self.admission = Admission(wait_seconds=wait_seconds, first_seconds=OVERHEAD_SECONDS)
        self.waiting: Callable[[], int] = lambda: 0
        """How many requests wait for their turn in the event loop; there is no queue until a protocol brings one."""
        self._log = request_log
        self._callers = Callers(f"{namespace}/{model}", metrics, stamping)
        self._stamping = stamping
        self._heads = Heads(self._callers, asks_consent=asks_consent)
        self._counting = counting
        self._endpoints: Endpoints | None = None

    def serve(self, endpoints: Endpoints) -> None:
        """Begin with a model."""
        self._endpoints = endpoints
        self.admission.begin(endpoints.seconds_a_row + OVERHEAD_SECONDS)

    def read(self, headers: list[tuple[bytes, bytes]], started: int) -> Head:
        """The head of a request that came at ``started``."""
        return self._heads.read(headers, started)

    @property
    def is_full(self) -> bool:
        """Whether no request is admitted at the moment, whatever its head says."""
        if not self.admission.admits(self.waiting()):
            return True
        return self._endpoints is not None and self._endpoints.full

    def refusal(self, head: Head, started: int) -> Response | None:
        """Why a request is not even queued; None: it is admitted."""
        patience = None if head.deadline is None else head.deadline - started
        if self.admission.admits(self.waiting(), patience):
            if self._endpoints is None or not self._endpoints.full:
                return None
            self.metrics.shed["model"] += 1
            retry_seconds = self._endpoints.retry_seconds()
        else:
            self.metrics.shed["queue"] += 1
            retry_seconds = self.admission.retry_seconds(started)
        return _OVERLOADED[retry_seconds]

    def answer(self, target: Target, head: Head, body: bytes) -> Answer:
        """The response to a request whose turn has come; it never raises, and neither does what it returns."""
        try:
            if head.problem is not None:
                raise head.problem
            if head.caller.problem is not None:
                raise head.caller.problem
            if head.deadline is not None and perf_counter_ns() >= head.deadline:
                self.metrics.shed["deadline"] += 1
                return deadline_exceeded().to_response()
            answer = target.post(body, head)
        except Exception as error:  # noqa: BLE001 - whatever a model raises, its caller gets an answer
            return self.explain(error)
        return answer if isinstance(answer, Response) else self._awaited(answer)

    async def _awaited(self, answer: Awaitable[Response]) -> Response:
        try:
            return await answer
        except Exception as error:  # noqa: BLE001 - as above
            return self.explain(error)

    def explain(self, error: Exception) -> Response:
        """What the client is told of an error.

        Raises:
            ClientGoneError: nobody is there to be told.

        """
        if isinstance(error, InvalidInputError):
            self.metrics.count_errors(error.errors)
            return invalid_input(error.errors).to_response()
        if isinstance(error, ProblemError):
            return error.to_response()
        if isinstance(error, ClientGoneError):
            raise error
        log.error("a request failed: %s", _where(error))
        return internal("internal", "the model failed on this request; the pod's log says where").to_response()

    def count(self, endpoint: Endpoint, response: Response, nanoseconds: int, head: Head | None = None) -> None:
        """Count one answer, and report it when it belongs to a rollout.

        Args:
            endpoint: which one.
            response: the answer.
            nanoseconds: from the request's head to the end of the answer.
            head: of a request for a prediction.

        """
        if response.turned_away:
            self.metrics.observe_turned_away(endpoint)
        else:
            self.metrics.observe(endpoint, response.status, nanoseconds)
        if endpoint != "health" and self._log.wants(response.status):
            prediction_id = next((value for name, value in response.headers if name == _PREDICTION_ID), b"")
            self._log.write(endpoint, response.status, nanoseconds, for_log(prediction_id.decode()))
        if head is None:
            return
        caller = head.caller
        self._callers.check_bucket(caller)
        if self._counting is not None and caller.cohort is not None:
            if response.turned_away:
                self._counting.observe_turned_away(caller)
            else:
                self._counting.observe(caller, response.status, nanoseconds)

    def reconnects(self, head: Head | None, response: Response) -> bool:
        """Whether the client is asked to connect anew, perhaps to the other arm.

        Not who is turned away: nothing of him is compared, and a new connection costs more than the answer.
        """
        return (
            self._stamping is not None
            and head is not None
            and head.caller.cohort is not None
            and not response.turned_away
            and self._stamping.reconnects()
        )

    def give_up(self, head: Head) -> None:
        """Count a request whose client left while it waited: it was kept waiting for longer than it would bear."""
        self.metrics.shed["gone"] += 1
        if self._counting is not None and head.caller.cohort is not None:
            self._counting.observe_turned_away(head.caller)

    def count_behind(self, status: int, nanoseconds: int) -> None:
        """Count an answer of the service behind the front."""
        self.metrics.observe("service", status, nanoseconds)
        if self._log.wants(status):
            self._log.write("service", status, nanoseconds)


def _where(error: Exception) -> str:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    return f"{type(error).__name__} at {frame.filename}:{frame.lineno} in {frame.name}"

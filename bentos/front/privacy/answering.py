"""The endpoints of a model with ``spec.privacy``: whose subject is withheld is answered without the model.

Such an answer is no prediction. It is the same for everybody, comes from no cache and goes into none, belongs to no
rollout, and nothing of it is counted as seen by the model; its id is random, so no outcome can be told of it.
A model without the block keeps the plain endpoints, and pays nothing.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import orjson

from bentos.front.asgi import Response
from bentos.front.endpoints import Answer, Endpoints, Reply, Values, parsed, response_with
from bentos.front.heads import Head
from bentos.front.ids import random_id
from bentos.front.openapi import openapi_document
from bentos.front.predictor import Predictor
from bentos.front.privacy.decisions import DecisionLog
from bentos.front.privacy.guarding import Guard, Reason
from bentos.front.schema import InvalidInputError, Rows
from bentos.front.tensors import parse_infer
from marquee.contract.privacy import HEADER_WITHHELD

_WITHHELD = HEADER_WITHHELD.encode()


def endpoints_of(
    guard: Guard | None, predictor: Predictor, *, decisions: DecisionLog | None = None, **named: Any
) -> Endpoints:
    """The endpoints of a model; ``named`` are the arguments of `Endpoints`."""
    if guard is None:
        return Endpoints(predictor, **named)
    return GuardedEndpoints(guard, decisions, predictor, **named)


class GuardedEndpoints(Endpoints):
    """As `Endpoints`, but that the model is asked about those alone about whom it may be.

    Args:
        guard: says whom.
        decisions: keeps those of some subjects; None: none are kept.
        predictor: the loaded model.
        named: as well of `Endpoints`.

    """

    def __init__(self, guard: Guard, decisions: DecisionLog | None, predictor: Predictor, **named: Any) -> None:
        super().__init__(predictor, **named)
        self._guard = guard
        self._decisions = decisions
        answer = guard.settings.withheld_answer
        self._instead = None if answer is None else [answer[name] for name in predictor.outputs]
        self.openapi = orjson.dumps(
            openapi_document(
                predictor.manifest,
                model=self._model,
                revision=self._revision,
                privacy=guard.settings,
                explains=named.get("explains", False),
            )
        )

    def predict(self, body: bytes, head: Head) -> Answer:
        """As `Endpoints.predict`; the inputs of who is withheld are not looked at.

        Raises:
            ProblemError: 403 also.

        """
        try:
            inputs = self._inputs_of(parsed(body), head.caller)
            if (reason := self._guard.why_withheld(head)) is not None:
                return self._withhold(reason, 1, head, self._prediction)
            rows = self._predictor.schema.encode(inputs)
        except InvalidInputError as error:
            self._note_refused(error)
            raise
        return self._answer(rows, head, self._noting(rows, head, self._prediction))

    def infer(self, body: bytes, head: Head) -> Answer:
        """As `Endpoints.infer`; all rows of a request are about the one unit that its head names."""
        document = parsed(body)
        reason = self._guard.why_withheld(head)
        try:
            request = parse_infer(document, self._predictor.schema, self._predictor.outputs)
        except InvalidInputError as error:
            if reason is None:
                self._note_refused(error)
            raise
        reply = partial(self._inference, request)
        if reason is not None:
            return self._withhold(reason, len(request.rows), head, reply)
        return self._answer(request.rows, head, self._noting(request.rows, head, reply))

    async def predict_document(self, document: object, head: Head) -> dict[str, Any]:
        """As `Endpoints.predict_document`; nothing is answered instead, as a document has no header to say so."""
        inputs = self._inputs_of(document, head.caller)
        if (reason := self._guard.why_withheld(head)) is not None:
            raise self._guard.refusal(reason)
        return await self._predict_inputs(inputs, head)

    def _withhold(self, reason: Reason, rows: int, head: Head, reply: Reply) -> Response:
        head.caller.cohort = None  # no arm has answered
        if self._instead is None:
            raise self._guard.refusal(reason)
        prediction_id = random_id(head.caller)
        response = response_with(reply([[value] * rows for value in self._instead], prediction_id), prediction_id)
        response.headers.append((_WITHHELD, reason.encode()))
        return response

    def _noting(self, rows: Rows, head: Head, reply: Reply) -> Reply:
        """The reply, which remembers the decision when that is to be kept."""
        decisions = self._decisions
        if decisions is None or not decisions.samples(head.caller):
            return reply

        def noted(values: Values, prediction_id: str) -> dict[str, Any]:
            decisions.note(rows, values, head.caller)
            return reply(values, prediction_id)

        return noted

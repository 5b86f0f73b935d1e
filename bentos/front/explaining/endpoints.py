"""Questions for explanations over HTTP: ``/explain`` by names, and ``/v2/models/{model}/explain`` by tensors.

The bodies are those of ``/predict`` and ``infer``, as KServe's explain has it. An answer is no prediction: it has no
id, is no exposure, and its rows are not counted for drift.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from http import HTTPStatus
from typing import Any, Final

import orjson

from bentos.front.asgi import JSON, Response
from bentos.front.callers import MAX_UNIT_LENGTH
from bentos.front.columns import json_type
from bentos.front.endpoints import parsed
from bentos.front.explaining.beside import MOST_SECONDS, Explaining
from bentos.front.explaining.explainer import Explanation
from bentos.front.explaining.limits import MAX_ROWS_EXPLAINED, MOST_REASONS
from bentos.front.heads import Head
from bentos.front.metrics import Metrics
from bentos.front.predictor import DeadlineError, OverloadedError, Predictor
from bentos.front.privacy.guarding import Guard
from bentos.front.problems import ProblemError, internal, overloaded, unavailable
from bentos.front.runtimes import ModelFailedError, ModelOutputError, ModelUnavailableError
from bentos.front.schema import Errors, FieldError, InvalidInputError, Rows, refuse_unknown
from bentos.front.tensors import parse_infer
from marquee.contract.assignment import unit_hash
from marquee.contract.pod import HEADER_DEADLINE

log = logging.getLogger(__name__)

REASONS: Final = 5
"""Of a row, where the request does not say how many."""
_KEYS: Final = frozenset({"inputs", "unit", "output", "reasons"})


@dataclass(frozen=True, slots=True)
class _Question:
    rows: Rows
    output: str | None
    reasons: int


class ExplainEndpoints:
    """The answers of one model and revision.

    Args:
        predictor: the loaded model; None: explanations are switched off.
        explaining: explains.
        model: its name.
        revision: that is served.
        metrics: counts who is turned away.
        namespace: of the model.
        guard: says about whom the model may be asked; None: about everybody.

    """

    def __init__(
        self,
        predictor: Predictor | None,
        explaining: Explaining | None,
        *,
        model: str,
        revision: str,
        metrics: Metrics,
        namespace: str = "",
        guard: Guard | None = None,
    ) -> None:
        self._model_path = f"{namespace}/{model}"
        self._guard = guard
        self._predictor = predictor
        self._explaining = explaining
        self._model = model
        self._revision = revision
        self._metrics = metrics

    @staticmethod
    def switched_off() -> ExplainEndpoints:
        """Answers that say so."""
        return ExplainEndpoints(None, None, model="", revision="", metrics=Metrics())

    async def row(self, body: bytes, head: Head) -> Response:
        """One row by field names.

        Raises:
            InvalidInputError: the document does not fit the schema.
            ProblemError: the body is no JSON, or there is no explanation.

        """
        predictor, _ = self._present()
        document = parsed(body)
        self._admit(document.get("unit") if isinstance(document, dict) else None, head)
        question = _by_names(document, predictor)
        (found,) = await self._explained(question, head)
        return _reply(
            {
                "output": found.output,
                **_row(found, question.reasons),
                "model": self._model,
                "revision": self._revision,
                "digest": predictor.digest,
            }
        )

    async def tensors(self, body: bytes, head: Head) -> Response:
        """Up to `MAX_ROWS_EXPLAINED` rows as tensors of the Open Inference Protocol; raises as `row`."""
        predictor, _ = self._present()
        document = parsed(body)
        self._admit(None, head)
        question = _by_tensors(document, predictor)
        found = await self._explained(question, head)
        reply: dict[str, Any] = {
            "model_name": self._model,
            "model_version": self._revision,
            "parameters": {"artifact_digest": predictor.digest, "output": found[0].output},
            "explanations": [_row(one, question.reasons) for one in found],
        }
        if document.get("id") is not None:
            reply["id"] = document["id"]
        return _reply(reply)

    def _admit(self, unit: object, head: Head) -> None:
        """Nothing is explained about whom the model may not be asked. Raises ProblemError: 403 also."""
        if isinstance(unit, str) and 0 < len(unit) <= MAX_UNIT_LENGTH:
            if not head.caller.identify(unit_hash(self._model_path, unit)):
                detail = "is not the unit that the request's headers name; send one of them"
                raise InvalidInputError([FieldError("/unit", detail, "type")])
        elif unit is not None:
            detail = f"must be a text of 1 to {MAX_UNIT_LENGTH} characters"
            raise InvalidInputError([FieldError("/unit", detail, "type")])
        if self._guard is not None and (reason := self._guard.why_withheld(head)) is not None:
            raise self._guard.refusal(reason)

    def _present(self) -> tuple[Predictor, Explaining]:
        if self._predictor is None or self._explaining is None:
            raise ProblemError(
                HTTPStatus.FORBIDDEN,
                "explanations-off",
                "explanations are switched off for this model: set spec.governance.explanations to true",
            )
        return self._predictor, self._explaining

    async def _explained(self, question: _Question, head: Head) -> Sequence[Explanation]:
        _, explaining = self._present()
        try:
            return await explaining.explain(question.rows, output=question.output, deadline=head.deadline)
        except OverloadedError:
            self._metrics.shed["model"] += 1
            raise overloaded(explaining.retry_seconds()) from None
        except DeadlineError:
            raise _too_slow() from None
        except ModelUnavailableError as error:
            raise unavailable("model-unavailable", f"{error}; retry", close=False, turned_away=True) from error
        except ModelFailedError as error:
            log.error("the model server failed on an explanation: %s", error)
            raise internal("internal", "the model failed on this request; the pod's log says where") from error
        except ModelOutputError as error:
            log.error("unusable answer of the model to an explanation: %s", error)
            raise internal("model-output-invalid", f"the model gave no usable answer: {error}") from error


def _by_names(document: object, predictor: Predictor) -> _Question:
    if not isinstance(document, dict):
        raise InvalidInputError([FieldError("", f"is {json_type(document)}; must be an object", "type")])
    errors = Errors()
    refuse_unknown(document, _KEYS, "", errors)
    if "inputs" not in document:
        errors.add("/inputs", "is missing; must be an object with the model's fields", "missing")
    output = document.get("output")
    if output is not None and output not in predictor.outputs:
        errors.add("/output", f"must be one of {', '.join(predictor.outputs)}", "type")
    reasons = _count(document.get("reasons"), "/reasons", errors)
    errors.raise_any()
    return _Question(predictor.schema.encode(document["inputs"]), output, reasons)


def _by_tensors(document: Any, predictor: Predictor) -> _Question:
    request, errors = parse_infer(document, predictor.schema, predictor.outputs), Errors()
    if len(request.rows) > MAX_ROWS_EXPLAINED:
        errors.add(
            "/inputs", f"has {len(request.rows)} rows; at most {MAX_ROWS_EXPLAINED} are explained at once", "shape"
        )
    if request.outputs is not None and len(request.outputs) > 1:
        errors.add("/outputs", "must name one output: each is explained by itself", "shape")
    parameters = document.get("parameters")
    asked = parameters.get("reasons") if isinstance(parameters, dict) else None
    reasons = _count(asked, "/parameters/reasons", errors)
    errors.raise_any()
    return _Question(request.rows, request.outputs[0] if request.outputs else None, reasons)


def _count(asked: object, pointer: str, errors: Errors) -> int:
    if asked is None:
        return REASONS
    if type(asked) is not int or not 0 <= asked <= MOST_REASONS:
        errors.add(pointer, f"must be a whole number from 0 to {MOST_REASONS}", "type")
        return REASONS
    return asked


def _row(found: Explanation, reasons: int) -> dict[str, Any]:
    return {
        "value": found.value,
        "base": found.base,
        "attributions": found.attributions,
        "reasons": [asdict(one) for one in found.reasons(reasons)],
        "method": found.method,
        "samples": found.samples,
        "background": found.background,
        **({"error": found.error} if found.error else {}),
    }


def _reply(reply: dict[str, Any]) -> Response:
    return Response(200, orjson.dumps(reply), [JSON])


def _too_slow() -> ProblemError:
    return ProblemError(
        HTTPStatus.GATEWAY_TIMEOUT,
        "deadline-exceeded",
        f"explaining took longer than {HEADER_DEADLINE} or {MOST_SECONDS} s allow; send fewer rows, or more time",
    )

"""What the front answers itself: a body in, a response out, for one loaded model."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Awaitable, Callable, Iterator, Sequence
from functools import partial
from itertools import islice
from typing import Any, Final

import orjson

from bentos.front.asgi import JSON, Header, Response
from bentos.front.caching import PredictionCache
from bentos.front.callers import MAX_UNIT_LENGTH, Caller
from bentos.front.columns import json_type
from bentos.front.drift.gathering import Gathering
from bentos.front.heads import Head
from bentos.front.ids import PredictionIds, is_signed, random_id
from bentos.front.metrics import Metrics
from bentos.front.openapi import openapi_document
from bentos.front.predictor import DeadlineError, OverloadedError, Predictor
from bentos.front.problems import ProblemError, deadline_exceeded, internal, malformed, overloaded, unavailable
from bentos.front.runtimes import ModelFailedError, ModelOutputError, ModelUnavailableError
from bentos.front.schema import MAX_ERRORS, Errors, FieldError, InvalidInputError, Rows, escape, refuse_unknown
from bentos.front.tensors import MATRIX_NAME, InferRequest, parse_infer
from marquee.contract.assignment import unit_hash
from marquee.contract.card import PublicManifest
from marquee.contract.manifest import CategoryField, InputField
from marquee.contract.pod import HEADER_PREDICTION_ID, ProbeReply
from marquee.contract.prediction import NO_BIN

log = logging.getLogger(__name__)

_PREDICTION_ID: Final = HEADER_PREDICTION_ID.encode()
_PREDICT_KEYS: Final = frozenset({"inputs", "unit"})

# RFC 9211: what this cache did with the request
_HIT: Final[Header] = (b"cache-status", b"marquee; hit")
_MISS: Final[Header] = (b"cache-status", b"marquee; fwd=miss")
_BYPASS: Final[Header] = (b"cache-status", b"marquee; fwd=request")

Answer = Response | Awaitable[Response]
"""At once when the event loop can make it, else later."""
Values = Sequence[Sequence[float]]
"""By output and row."""
Reply = Callable[[Values, str], dict[str, Any]]
"""A document made of values and a prediction id."""


class Endpoints:
    """The answers of one model and revision.

    Args:
        predictor: the loaded model.
        namespace: of the model.
        model: its name.
        revision: that is served.
        metrics: counts predictions.
        new_id: makes prediction ids.
        cache: of answers; None: the model is asked each time.
        gathering: of what the model sees; None: nobody wants to know.
        explains: whether its document has explanations.

    """

    def __init__(
        self,
        predictor: Predictor,
        *,
        namespace: str,
        model: str,
        revision: str,
        metrics: Metrics,
        new_id: PredictionIds = random_id,
        cache: PredictionCache | None = None,
        gathering: Gathering | None = None,
        explains: bool = False,
    ) -> None:
        self._predictor = predictor
        self._gathering = gathering
        self._model_path = f"{namespace}/{model}"
        self._model = model
        self._revision = revision
        self._metrics = metrics
        self._new_id = new_id
        self._cache = cache
        self._example = orjson.dumps({"inputs": predictor.manifest.example})
        self.metadata = orjson.dumps(_metadata(predictor, model, revision))
        self.public_manifest = PublicManifest.of(predictor.manifest, predictor.digest).to_bytes()
        document = openapi_document(predictor.manifest, model=model, revision=revision, explains=explains)
        self.openapi = orjson.dumps(document)

    @property
    def seconds_a_row(self) -> float:
        """What the model takes for one row, as measured when it was warmed up."""
        return self._predictor.seconds_a_row

    @property
    def full(self) -> bool:
        """Whether whatever comes would be turned away. With a cache nobody can tell before the input is known."""
        return self._cache is None and self._predictor.full

    def retry_seconds(self) -> int:
        """When a request that was turned away for the model's sake should come back; called once for each."""
        return self._predictor.retry_seconds()

    def predict(self, body: bytes, head: Head) -> Answer:
        """One row by field names.

        Raises:
            InvalidInputError: the document does not fit the schema.
            ProblemError: the body is no JSON, or the model gave no usable answer.

        """
        try:
            rows = self._predictor.schema.encode(self._inputs_of(parsed(body), head.caller))
        except InvalidInputError as error:
            self._note_refused(error)
            raise
        return self._answer(rows, head, self._prediction)

    def infer(self, body: bytes, head: Head) -> Answer:
        """Many rows as tensors of the Open Inference Protocol; raises as `predict`."""
        try:
            request = parse_infer(parsed(body), self._predictor.schema, self._predictor.outputs)
        except InvalidInputError as error:
            self._note_refused(error)
            raise
        return self._answer(request.rows, head, partial(self._inference, request))

    async def predict_document(self, document: object, head: Head) -> dict[str, Any]:
        """As `predict`, from a parsed body to a reply that is not yet printed; the cache is left out.

        Raises:
            InvalidInputError: the document does not fit the schema.
            ProblemError: the model is overloaded or gave no usable answer.

        """
        return await self._predict_inputs(self._inputs_of(document, head.caller), head)

    async def _predict_inputs(self, inputs: object, head: Head) -> dict[str, Any]:
        rows = self._predictor.schema.encode(inputs)
        if self._gathering is not None:
            self._gathering.forget()
        values = await self._ask(rows, head)
        return self._prediction(values, self._new_id(head.caller, NO_BIN))

    async def probe(self) -> Response:
        """The manifest's example through the whole of `predict`."""
        prediction = await self._predict_inputs(parsed(self._example)["inputs"], Head())
        reply = ProbeReply(
            model=self._model,
            revision=self._revision,
            artifact_digest=self._predictor.digest,
            outputs=prediction["outputs"],
            prediction_id=prediction["predictionId"],
        )
        return response_with(reply.model_dump(by_alias=True), reply.prediction_id)

    def _note_refused(self, error: InvalidInputError) -> None:
        if self._gathering is not None:
            self._gathering.refuse(error.errors)

    def _answer(self, rows: Rows, head: Head, reply: Reply) -> Answer:
        if self._gathering is not None:
            self._gathering.accept(rows)
        key, note = None, None
        if self._cache is not None and len(rows) == 1:
            key = self._cache.key(rows, head.scope)
            if (found := self._cache.get(key, head.cache)) is not None:
                self._metrics.predictions += 1
                return self._respond([(value,) for value in found], head, reply, _HIT)
            key, note = key if head.cache.store else None, _MISS if head.cache.look_up else _BYPASS
        if not self._predictor.runs_in_loop(len(rows)):
            return self._answer_later(rows, head, reply, key, note)
        values = self._ask_now(rows)
        self._remember(key, values)
        return self._respond(values, head, reply, note)

    async def _answer_later(
        self, rows: Rows, head: Head, reply: Reply, key: bytes | None, note: Header | None
    ) -> Response:
        values = await self._ask(rows, head)
        self._remember(key, values)
        return self._respond(values, head, reply, note)

    def _remember(self, key: bytes | None, values: Values) -> None:
        if key is not None and self._cache is not None:
            self._cache.put(key, tuple(value[0] for value in values))

    def _respond(self, values: Values, head: Head, reply: Reply, note: Header | None) -> Response:
        prediction_id = self._id_of(values, head.caller)
        response = response_with(reply(values, prediction_id), prediction_id)
        if note is not None:
            response.headers.append(note)
        return response

    def _id_of(self, values: Values, caller: Caller) -> str:
        """The id of an answer, which names its score's bin where it stands for one row."""
        if self._gathering is None:
            return self._new_id(caller, NO_BIN)
        score_bin = self._gathering.answer(values)
        prediction_id = self._new_id(caller, score_bin)
        if score_bin != NO_BIN and is_signed(prediction_id):
            self._gathering.trace(score_bin)
        return prediction_id

    def _prediction(self, values: Values, prediction_id: str) -> dict[str, Any]:
        return {
            "outputs": {name: value[0] for name, value in zip(self._predictor.outputs, values, strict=True)},
            "model": self._model,
            "revision": self._revision,
            "predictionId": prediction_id,
        }

    def _inference(self, request: InferRequest, values: Values, prediction_id: str) -> dict[str, Any]:
        reply: dict[str, Any] = {
            "model_name": self._model,
            "model_version": self._revision,
            "parameters": {"prediction_id": prediction_id},
            "outputs": [
                {"name": name, "datatype": "FP64", "shape": [len(value)], "data": value}
                for name, value in zip(self._predictor.outputs, values, strict=True)
                if request.outputs is None or name in request.outputs
            ],
        }
        if request.id is not None:
            reply["id"] = request.id
        return reply

    def _ask_now(self, rows: Rows) -> Values:
        try:
            answers = self._predictor.predict_now(rows)
        except ModelOutputError as error:
            raise _unusable(error) from error
        self._metrics.predictions += len(rows)
        return [answer.tolist() for answer in answers]

    async def _ask(self, rows: Rows, head: Head) -> Values:
        try:
            answers = await self._predictor.predict(rows, head.deadline)
        except OverloadedError:
            self._metrics.shed["model"] += 1
            raise overloaded(self._predictor.retry_seconds()) from None
        except DeadlineError:
            self._metrics.shed["deadline"] += 1
            raise deadline_exceeded() from None
        except ModelUnavailableError as error:
            raise unavailable("model-unavailable", f"{error}; retry", close=False, turned_away=True) from error
        except ModelFailedError as error:
            log.error("the model server failed on a request: %s", error)
            raise internal("internal", "the model failed on this request; the pod's log says where") from error
        except ModelOutputError as error:
            raise _unusable(error) from error
        self._metrics.predictions += len(rows)
        return [answer.tolist() for answer in answers]

    def _inputs_of(self, document: object, caller: Caller) -> object:
        """The inputs of a document; a unit that it names becomes the caller's."""
        if type(document) is dict and len(document) == 1 and "inputs" in document:
            return document["inputs"]
        if not isinstance(document, dict):
            raise InvalidInputError([FieldError("", f"is {json_type(document)}; must be an object", "type")])
        errors = Errors()
        if "inputs" not in document:
            errors.add("/inputs", "is missing; must be an object with the model's fields", "missing")
        unit = document.get("unit")
        if isinstance(unit, str) and 0 < len(unit) <= MAX_UNIT_LENGTH:
            if not caller.identify(unit_hash(self._model_path, unit)):
                errors.add("/unit", "is not the unit that the request's headers name; send one of them", "type")
        elif unit is not None:
            errors.add("/unit", f"must be a text of 1 to {MAX_UNIT_LENGTH} characters", "type")
        refuse_unknown(document, _PREDICT_KEYS, "", errors)
        errors.raise_any()
        return document["inputs"]


def parsed(body: bytes) -> Any:
    """The document of a body. Raises ProblemError or InvalidInputError: it is no JSON."""
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError as error:
        # orjson is strict. The lenient parser tells a body with NaN in a field from one that is no JSON.
        if errors := _not_finite_fields(body):
            raise InvalidInputError(errors) from None
        raise malformed(str(error)) from None


def _not_finite_fields(body: bytes) -> list[FieldError]:
    detail = "is NaN, infinite or too large for a number; send a finite number"
    try:
        pointers = list(islice(_not_finite(json.loads(body), ""), MAX_ERRORS))
    except (ValueError, RecursionError):
        return []
    return [FieldError(pointer, detail, "number") for pointer in pointers]


def _not_finite(value: object, pointer: str) -> Iterator[str]:
    if isinstance(value, dict):
        for name, member in value.items():
            yield from _not_finite(member, f"{pointer}/{escape(name)}")
    elif isinstance(value, list):
        for index, member in enumerate(value):
            yield from _not_finite(member, f"{pointer}/{index}")
    elif isinstance(value, float) and not math.isfinite(value):
        yield pointer


def _unusable(error: ModelOutputError) -> ProblemError:
    log.error("unusable answer of the model: %s", error)
    return internal("model-output-invalid", f"the model gave no usable answer: {error}")


def response_with(reply: dict[str, Any], prediction_id: str) -> Response:
    """A reply as it is sent."""
    return Response(200, orjson.dumps(reply), [JSON, (_PREDICTION_ID, prediction_id.encode())])


def _metadata(predictor: Predictor, model: str, revision: str) -> dict[str, Any]:
    manifest = predictor.manifest
    return {
        "name": model,
        "versions": [revision],
        "platform": f"marquee_{manifest.runtime.flavour}",
        "inputs": [{"name": MATRIX_NAME, "datatype": "FP64", "shape": [-1, len(manifest.inputs)]}],
        "outputs": [{"name": field.name, "datatype": "FP64", "shape": [-1]} for field in manifest.outputs],
        "parameters": {
            "artifact_digest": predictor.digest,
            "fields": [{"name": field.name, "datatype": _datatype(field), "shape": [-1]} for field in manifest.inputs],
        },
    }


def _datatype(field: InputField) -> str:
    if isinstance(field, CategoryField):
        return "BYTES"
    return "INT64" if field.kind == "integer" else "FP64"

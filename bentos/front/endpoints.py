"""What the front answers itself: a body in, a response out, for one loaded model."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Iterator
from itertools import islice
from typing import Any, Final

import orjson

from bentos.front.asgi import JSON, Response
from bentos.front.columns import json_type
from bentos.front.ids import PredictionIds, new_prediction_id
from bentos.front.metrics import Metrics
from bentos.front.openapi import openapi_document
from bentos.front.predictor import OverloadedError, Predictor
from bentos.front.problems import internal, malformed, unavailable
from bentos.front.runtimes import Column, ModelOutputError
from bentos.front.schema import MAX_ERRORS, Errors, FieldError, InvalidInputError, Rows, escape, refuse_unknown
from bentos.front.tensors import MATRIX_NAME, parse_infer
from marquee.contract.manifest import CategoryField, InputField
from marquee.contract.pod import HEADER_PREDICTION_ID, ProbeReply

log = logging.getLogger(__name__)

_PREDICTION_ID: Final = HEADER_PREDICTION_ID.encode()
_PREDICT_KEYS: Final = frozenset({"inputs", "unit"})
_MAX_UNIT_LENGTH: Final = 256


class Endpoints:
    """The answers of one model and revision."""

    def __init__(
        self,
        predictor: Predictor,
        *,
        model: str,
        revision: str,
        metrics: Metrics,
        new_id: PredictionIds = new_prediction_id,
    ) -> None:
        self._predictor = predictor
        self._model = model
        self._revision = revision
        self._metrics = metrics
        self._new_id = new_id
        self._example = orjson.dumps({"inputs": predictor.manifest.example})
        self.metadata = orjson.dumps(_metadata(predictor, model, revision))
        self.openapi = orjson.dumps(openapi_document(predictor.manifest, model=model, revision=revision))

    async def predict(self, body: bytes) -> Response:
        """One row by field names."""
        reply = await self.predict_document(_parsed(body))
        return _reply(reply, reply["predictionId"])

    async def predict_document(self, document: object) -> dict[str, Any]:
        """As `predict`, from a parsed body to a reply that is not yet printed.

        Raises:
            InvalidInputError: the document does not fit the schema.
            ProblemError: the model is overloaded or gave no usable answer.

        """
        answers = await self._run(self._predictor.schema.encode(_inputs_of(document)))
        return {
            "outputs": {name: float(answer[0]) for name, answer in zip(self._predictor.outputs, answers, strict=True)},
            "model": self._model,
            "revision": self._revision,
            "predictionId": self._new_id(),
        }

    async def infer(self, body: bytes) -> Response:
        """Many rows as tensors of the Open Inference Protocol."""
        request = parse_infer(_parsed(body), self._predictor.schema, self._predictor.outputs)
        answers = await self._run(request.rows)
        prediction_id = self._new_id()
        reply: dict[str, Any] = {
            "model_name": self._model,
            "model_version": self._revision,
            "parameters": {"prediction_id": prediction_id},
            "outputs": [
                {"name": name, "datatype": "FP64", "shape": [len(request.rows)], "data": answer.tolist()}
                for name, answer in zip(self._predictor.outputs, answers, strict=True)
                if request.outputs is None or name in request.outputs
            ],
        }
        if request.id is not None:
            reply["id"] = request.id
        return _reply(reply, prediction_id)

    async def probe(self) -> Response:
        """The manifest's example through the whole of `predict`."""
        prediction = await self.predict_document(_parsed(self._example))
        reply = ProbeReply(
            model=self._model,
            revision=self._revision,
            artifact_digest=self._predictor.digest,
            outputs=prediction["outputs"],
            prediction_id=prediction["predictionId"],
        )
        return _reply(reply.model_dump(by_alias=True), reply.prediction_id)

    async def _run(self, rows: Rows) -> list[Column]:
        try:
            answers = await self._predictor.predict(rows)
        except OverloadedError:
            raise unavailable(
                "overloaded", "more requests are waiting for the model than it can answer; retry", close=False
            ) from None
        except ModelOutputError as error:
            log.error("unusable answer of the model: %s", error)
            raise internal("model-output-invalid", f"the model gave no usable answer: {error}") from error
        self._metrics.predictions += len(rows)
        return list(answers)


def _inputs_of(document: object) -> object:
    if type(document) is dict and len(document) == 1 and "inputs" in document:
        return document["inputs"]
    if not isinstance(document, dict):
        raise InvalidInputError([FieldError("", f"is {json_type(document)}; must be an object", "type")])
    errors = Errors()
    if "inputs" not in document:
        errors.add("/inputs", "is missing; must be an object with the model's fields", "missing")
    unit = document.get("unit")
    if unit is not None and not (isinstance(unit, str) and 0 < len(unit) <= _MAX_UNIT_LENGTH):
        errors.add("/unit", f"must be a text of 1 to {_MAX_UNIT_LENGTH} characters", "type")
    refuse_unknown(document, _PREDICT_KEYS, "", errors)
    errors.raise_any()
    return document["inputs"]


def _parsed(body: bytes) -> Any:
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


def _reply(reply: dict[str, Any], prediction_id: str) -> Response:
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

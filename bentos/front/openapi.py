"""The OpenAPI document of a model, generated from the schema in its manifest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from bentos.front.callers import MAX_UNIT_LENGTH
from bentos.front.columns import LARGEST_EXACT_INTEGER
from bentos.front.explaining.limits import MAX_ROWS_EXPLAINED, METHODS, MOST_REASONS
from bentos.front.heads import MAX_DEADLINE_MILLISECONDS
from bentos.front.ids import RANDOM_LENGTH
from bentos.front.privacy.tokens import MAX_TOKEN_BYTES
from bentos.front.tensors import MATRIX_DATATYPES, MATRIX_NAME, MAX_ROWS, NUMBER_DATATYPES
from marquee.contract.manifest import CategoryField, InputField, Manifest
from marquee.contract.pod import (
    HEADER_BUCKET,
    HEADER_DEADLINE,
    HEADER_PREDICTION_ID,
    HEADER_UNIT,
    HEADER_UNIT_HASH,
    HEALTH_LIVE_PATH,
    HEALTH_READY_PATH,
    MANIFEST_PATH,
    PROBE_PATH,
)
from marquee.contract.prediction import MAX_LENGTH
from marquee.contract.privacy import HEADER_PURPOSE_TOKEN, HEADER_PURPOSES, HEADER_WITHHELD, PrivacySettings

_PROBLEMS: Final = {
    "400": "the body is no JSON, or a header is malformed",
    "413": "the body is too large",
    "415": "the body is not application/json",
    "422": "the input does not fit the schema; `errors` names each field",
    "503": "not ready, draining or overloaded; try again after `Retry-After` seconds",
    "504": "the deadline was over before the model was asked",
}

_HEADERS: Final = {"headers": {HEADER_PREDICTION_ID: {"schema": {"type": "string"}}}}
_PARAMETERS: Final = [
    {"name": name, "in": "header", "required": False, "description": text, "schema": schema}
    for name, text, schema in (
        (HEADER_UNIT, "whom the prediction is for", {"type": "string", "minLength": 1, "maxLength": MAX_UNIT_LENGTH}),
        (HEADER_UNIT_HASH, "the unit's hash instead", {"type": "string", "pattern": "^[0-9a-fA-F]{16}$"}),
        (HEADER_BUCKET, "the unit's bucket, for the gateway", {"type": "string", "pattern": "^[0-9]{3}$"}),
        (
            HEADER_DEADLINE,
            "milliseconds after which the answer is of no use",
            {"type": "integer", "minimum": 1, "maximum": MAX_DEADLINE_MILLISECONDS},
        ),
    )
]


_CONSENT_PARAMETERS: Final = {
    HEADER_PURPOSES: ("what the subject has consented to, with commas between", {"type": "string"}),
    HEADER_PURPOSE_TOKEN: (
        "a signed token that says what the subject has consented to",
        {"type": "string", "maxLength": MAX_TOKEN_BYTES},
    ),
}


def openapi_document(
    manifest: Manifest, *, model: str, revision: str, privacy: PrivacySettings | None = None, explains: bool = False
) -> dict[str, Any]:
    """OpenAPI 3.1 of the endpoints that the front answers itself; with explanations where they are switched on."""
    document = _document(manifest, model=model, revision=revision, explains=explains)
    if privacy is not None:
        for path in document["paths"].values():
            if (operation := path.get("post")) is not None:
                _add_privacy(operation, privacy)
    return document


def _add_privacy(operation: dict[str, Any], privacy: PrivacySettings) -> None:
    if privacy.purposes:
        name = HEADER_PURPOSE_TOKEN if privacy.by_token else HEADER_PURPOSES
        text, schema = _CONSENT_PARAMETERS[name]
        needed = f"{text}; needed for a prediction: {', '.join(privacy.purposes)}"
        parameter = {"name": name, "in": "header", "required": False, "description": needed, "schema": schema}
        operation["parameters"] = [*operation["parameters"], parameter]
    said = {"description": "why this is no prediction", "schema": {"enum": ["consent", "suppressed"]}}
    if privacy.withheld_answer is not None and "headers" in operation["responses"]["200"]:
        operation["responses"]["200"]["headers"][HEADER_WITHHELD] = said
    operation["responses"]["403"] = {
        "description": "the subject is withheld, or its token proves nothing",
        "content": operation["responses"]["422"]["content"],
    }


def _document(manifest: Manifest, *, model: str, revision: str, explains: bool) -> dict[str, Any]:
    served = f"/v2/models/{model}"
    return {
        "openapi": "3.1.0",
        "info": {"title": model, "version": revision, "description": manifest.use_case},
        "paths": {
            "/predict": {"post": _post("predict", "Predict one row by field names", "Predict", "Prediction")},
            f"{served}/infer": {
                "post": _post("infer", "Predict rows as tensors (OIP v2)", "InferRequest", "InferResponse")
            },
            **(_explaining(served) if explains else {}),
            served: {"get": _get("metadata", "What is served, and its tensors")},
            f"{served}/ready": {"get": _get("modelReady", "Whether the model is ready")},
            HEALTH_LIVE_PATH: {"get": _get("live", "Whether the process runs")},
            HEALTH_READY_PATH: {"get": _get("ready", "Whether predictions are answered")},
            MANIFEST_PATH: {"get": _get("manifest", "What the model is, and came from")},
            PROBE_PATH: {"get": _get("probe", "Predict the example of the artifact")},
        },
        "components": {"schemas": _schemas(manifest) | (_explanations(manifest) if explains else {})},
    }


def inputs_schema(inputs: Sequence[InputField], example: Mapping[str, Any]) -> dict[str, Any]:
    """JSON Schema of the ``inputs`` object of `/predict`."""
    return {
        "type": "object",
        "additionalProperties": False,
        "required": [field.name for field in inputs],
        "properties": {field.name: _field(field) for field in inputs},
        "examples": [{field.name: example[field.name] for field in inputs}],
    }


def _field(field: InputField) -> dict[str, Any]:
    schema: dict[str, Any] = {"description": field.description} if field.description else {}
    if isinstance(field, CategoryField):
        if field.other is None:
            schema["enum"] = [*field.categories, *([None] if field.nullable else [])]
            return schema
        return {**schema, "type": ["string", "null"] if field.nullable else "string"}
    schema["type"] = [field.kind, "null"] if field.nullable else field.kind
    limit = LARGEST_EXACT_INTEGER if field.kind == "integer" else None
    minimum = field.minimum if field.minimum is not None or limit is None else -limit
    maximum = field.maximum if field.maximum is not None or limit is None else limit
    if minimum is not None:
        schema["minimum"] = minimum
    if maximum is not None:
        schema["maximum"] = maximum
    return schema


def _schemas(manifest: Manifest) -> dict[str, Any]:
    outputs = {
        field.name: {"type": "number", "description": " ".join(filter(None, [field.description, field.unit]))}
        for field in manifest.outputs
    }
    return {
        "Inputs": inputs_schema(manifest.inputs, manifest.example),
        "Predict": _object(
            {
                "inputs": {"$ref": "#/components/schemas/Inputs"},
                "unit": {"type": ["string", "null"], "minLength": 1, "maxLength": MAX_UNIT_LENGTH},
            },
            required=["inputs"],
        ),
        "Prediction": _object(
            {
                "outputs": _object(outputs, required=list(outputs)),
                "model": {"type": "string"},
                "revision": {"type": "string"},
                "predictionId": {"type": "string", "minLength": RANDOM_LENGTH, "maxLength": MAX_LENGTH},
            },
            required=["outputs", "model", "revision", "predictionId"],
        ),
        "Tensor": _tensor(manifest),
        "InferRequest": _object(
            {
                "id": {"type": ["string", "null"], "maxLength": 200},
                "parameters": {"type": "object"},
                "inputs": {"type": "array", "minItems": 1, "items": {"$ref": "#/components/schemas/Tensor"}},
                "outputs": {"type": "array", "items": {"type": "object", "required": ["name"]}},
            },
            required=["inputs"],
        ),
        "InferResponse": {"type": "object", "required": ["model_name", "model_version", "outputs"]},
        "Problem": {
            "type": "object",
            "required": ["type", "title", "status", "detail"],
            "properties": {
                "type": {"type": "string"},
                "title": {"type": "string"},
                "status": {"type": "integer"},
                "detail": {"type": "string"},
                "error": {"type": "string"},
                "errors": {
                    "type": "array",
                    "items": _object(
                        {"pointer": {"type": "string"}, "detail": {"type": "string"}},
                        required=["pointer", "detail"],
                    ),
                },
            },
        },
    }


def _explaining(served: str) -> dict[str, Any]:
    summary = f"Explain up to {MAX_ROWS_EXPLAINED} rows"
    return {
        "/explain": {"post": _post("explain", "Explain one row by field names", "Explain", "Explanation")},
        f"{served}/explain": {"post": _post("explainRows", summary, "InferRequest", "ExplainResponse")},
    }


def _explanations(manifest: Manifest) -> dict[str, Any]:
    number = {"type": "number"}
    attributions = _object({field.name: number for field in manifest.inputs}, required=[])
    reason = _object({"input": {"type": "string"}, "attribution": number}, required=["input", "attribution"])
    row = {
        "value": number,
        "base": number,
        "attributions": attributions,
        "reasons": {"type": "array", "items": reason},
        "method": {"enum": list(METHODS)},
        "samples": {"type": "integer"},
        "background": {"type": "integer"},
        "error": number,
    }
    told = {name: {"type": "string"} for name in ("output", "model", "revision", "digest")}
    named = [name for name in row if name != "error"]
    return {
        "Explain": _object(
            {
                "inputs": {"$ref": "#/components/schemas/Inputs"},
                "unit": {"type": ["string", "null"], "maxLength": MAX_UNIT_LENGTH},
                "output": {"enum": [*(field.name for field in manifest.outputs), None]},
                "reasons": {"type": ["integer", "null"], "minimum": 0, "maximum": MOST_REASONS},
            },
            required=["inputs"],
        ),
        "Explanation": _object({**told, **row}, required=[*told, *named]),
        "ExplainResponse": _object(
            {
                "model_name": {"type": "string"},
                "model_version": {"type": "string"},
                "id": {"type": "string"},
                "parameters": {"type": "object"},
                "explanations": {"type": "array", "items": _object(row, required=named)},
            },
            required=["model_name", "model_version", "parameters", "explanations"],
        ),
    }


def _tensor(manifest: Manifest) -> dict[str, Any]:
    names = [MATRIX_NAME, *(field.name for field in manifest.inputs)]
    return {
        **_object(
            {
                "name": {"type": "string", "enum": sorted(set(names))},
                "shape": {"type": "array", "minItems": 1, "maxItems": 2, "items": {"type": "integer"}},
                "datatype": {"enum": sorted({"BYTES", *MATRIX_DATATYPES, *NUMBER_DATATYPES})},
                "parameters": {"type": "object"},
                "data": {"type": "array"},
            },
            required=["name", "shape", "datatype", "data"],
        ),
        "description": (
            f"One tensor {MATRIX_NAME!r} [rows, {len(manifest.inputs)}] (FP32 or FP64, categories as indexes), "
            f"or one tensor [rows] per field (categories as BYTES); at most {MAX_ROWS} rows."
        ),
    }


def _object(properties: dict[str, Any], *, required: list[str]) -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "required": required,
        "properties": properties,
    }


def _post(operation: str, summary: str, request: str, response: str) -> dict[str, Any]:
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {
        "operationId": operation,
        "summary": summary,
        "parameters": _PARAMETERS,
        "requestBody": {"required": True, "content": _json(request)},
        "responses": {
            "200": {
                "description": "answered",
                **({} if operation.startswith("explain") else _HEADERS),
                "content": _json(response),
            },
            **{status: {"description": text, "content": problem} for status, text in _PROBLEMS.items()},
        },
    }


def _get(operation: str, summary: str) -> dict[str, Any]:
    return {"operationId": operation, "summary": summary, "responses": {"200": {"description": "yes"}}}


def _json(schema: str) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}

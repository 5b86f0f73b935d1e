"""What every BentoML service of ours does: predict by the predictor of the process, and say errors as BentoML does."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from typing import Any, Literal

from bentoml.exceptions import BentoMLException, ServiceUnavailable
from pydantic import BaseModel, ConfigDict, Field, create_model

from bentos.front import process
from bentos.front.heads import Head
from bentos.front.metrics import Metrics
from bentos.front.privacy.answering import endpoints_of
from bentos.front.problems import ProblemError
from bentos.front.schema import InvalidInputError
from marquee.contract.manifest import CategoryField, InputField


def inputs_type(name: str, fields: Sequence[InputField]) -> type[BaseModel]:
    """A pydantic type of input fields, for the signature of a service and its schema page."""
    members: dict[str, Any] = {field.name: (_type_of(field), _limits(field)) for field in fields}
    return create_model(name, __config__=ConfigDict(extra="forbid"), **members)


def _type_of(field: InputField) -> Any:
    if isinstance(field, CategoryField):
        kind: Any = str if field.other is not None else Literal[field.categories]
    else:
        kind = int if field.kind == "integer" else float
    return kind | None if field.nullable else kind


def _limits(field: InputField) -> Any:
    if isinstance(field, CategoryField):
        return Field(description=field.description)
    return Field(description=field.description, ge=field.minimum, le=field.maximum)


class InputRefusedError(BentoMLException):
    """The input does not fit the model's schema."""

    error_code = HTTPStatus.UNPROCESSABLE_ENTITY


class SubjectWithheldError(BentoMLException):
    """The model may not be asked about this subject. A service knows no headers, and so no consent."""

    error_code = HTTPStatus.FORBIDDEN


class ServiceView:
    """A model as a BentoML service sees it. Its services add types and names, and nothing else."""

    def __init__(self) -> None:
        shared = process.loaded()
        settings = shared.settings
        self._endpoints = endpoints_of(
            shared.guard,
            shared.predictor,
            namespace=settings.namespace,
            model=settings.model,
            revision=settings.revision,
            metrics=Metrics(),
            new_id=shared.new_id,
        )

    async def predict(self, inputs: dict[str, Any], unit: str | None = None) -> dict[str, Any]:
        """The reply of the front's ``/predict``.

        Raises:
            InputRefusedError: naming each field.
            SubjectWithheldError: the model asks for consent, or the unit is suppressed.
            BentoMLException: the model is overloaded or gave no usable answer.

        """
        try:
            return await self._endpoints.predict_document({"inputs": inputs, "unit": unit}, Head())
        except InvalidInputError as error:
            words = [f"{item.pointer} {item.detail}" for item in error.errors]
            raise InputRefusedError("; ".join(words)) from error
        except ProblemError as problem:
            if problem.status == HTTPStatus.SERVICE_UNAVAILABLE:
                raise ServiceUnavailable(problem.detail) from problem
            if problem.status == HTTPStatus.FORBIDDEN:
                raise SubjectWithheldError(problem.detail) from problem
            raise BentoMLException(problem.detail) from problem

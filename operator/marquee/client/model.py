"""Predictions from one model, through its gateway."""

from __future__ import annotations

import ssl
from collections.abc import Collection, Mapping
from types import TracebackType
from typing import Any, Final, Self

from marquee.client.assignment import check_model, unit_headers
from marquee.client.connections import Server
from marquee.client.consent import consent_headers
from marquee.client.errors import NoAnswerError, PredictionFailedError
from marquee.client.predictions import PREDICT_PATH, Prediction, prediction_body, read_prediction

TIMEOUT_SECONDS: Final = 2.0


class ModelClient:
    """Asks one model. Keep it for the life of the program: it keeps its connections. Safe for threads.

    Args:
        model: ``namespace/name`` of the `MarketingModel`.
        url: where its gateway answers, ``https://host[/prefix]``.
        timeout_seconds: for connecting, and for each wait for the server.
        tls: for https, instead of the system's certificate authorities.

    Raises:
        InvalidRequestError: the model or the address is none.

    """

    def __init__(
        self, model: str, url: str, *, timeout_seconds: float = TIMEOUT_SECONDS, tls: ssl.SSLContext | None = None
    ) -> None:
        self.model = check_model(model)
        self._server = Server(url, tls=tls)
        self._timeout_seconds = timeout_seconds

    def predict(
        self,
        inputs: Mapping[str, Any],
        unit: str | None = None,
        *,
        purposes: Collection[str] = (),
        purpose_token: str | None = None,
    ) -> Prediction:
        """One prediction. It is not tried again: somebody waits for it, and the caller knows the better default.

        Args:
            inputs: every field of the model by its name.
            unit: the user's identifier, of which a hash travels; None: the user is not known, and the gateway
                treats the request as a unit by itself.
            purposes: what the user has consented to, for a model that asks for consent and believes its caller.
            purpose_token: the same, signed, for one that does not.

        Raises:
            InvalidRequestError: something that was given cannot be sent.
            PredictionFailedError: there is no prediction, with the reason.

        """
        headers = consent_headers(purposes, purpose_token)
        if unit is not None:
            headers |= unit_headers(self.model, unit)
        body = prediction_body(inputs)
        try:
            answer = self._server.post(PREDICT_PATH, headers, body, timeout_seconds=self._timeout_seconds)
        except NoAnswerError as error:
            raise PredictionFailedError(f"no prediction of {self.model}: {error}") from error
        return read_prediction(answer)

    def close(self) -> None:
        """End the kept connections."""
        self._server.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

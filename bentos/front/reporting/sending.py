"""One batch to the ledger over HTTP, and what its answer means.

The standard library's client is enough for two requests a second from a thread, and costs the pod no memory.
"""

from __future__ import annotations

import http.client
import ssl
from dataclasses import dataclass
from enum import Enum
from http import HTTPStatus
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from bentos.front.reporting.batches import Batch
from bentos.front.reporting.statistics import Kind
from marquee.contract import drift
from marquee.contract.exposures import CONTENT_TYPE, EXPOSURES_PATH
from marquee.contract.ledger import COUNTS_PATH
from marquee.contract.privacy import PREDICTION_LOG_PATH

TIMEOUT_SECONDS: Final = 5.0
MAX_RETRY_AFTER_SECONDS: Final = 60.0
_MAX_ANSWER_BYTES: Final = 64 * 1024
_PATHS: Final = {
    Kind.EXPOSURES: EXPOSURES_PATH,
    Kind.COUNTS: COUNTS_PATH,
    Kind.DRIFT: drift.DRIFT_PATH,
    Kind.PROFILES: drift.PROFILES_PATH,
    Kind.DECISIONS: PREDICTION_LOG_PATH,
}
_TYPES: Final = {
    Kind.EXPOSURES: CONTENT_TYPE,
    Kind.COUNTS: "application/json",
    Kind.DRIFT: drift.CONTENT_TYPE,
    Kind.PROFILES: "application/json",
    Kind.DECISIONS: "application/json",
}
_FINAL: Final = frozenset(
    {
        HTTPStatus.BAD_REQUEST,
        HTTPStatus.CONFLICT,
        HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        HTTPStatus.UNPROCESSABLE_ENTITY,
    }
)
"""What the same bytes will always be answered with. Credentials, roles and addresses can be repaired meanwhile."""
_OPTIONAL: Final = frozenset({Kind.DRIFT, Kind.PROFILES, Kind.DECISIONS})
"""What an older ledger does not know: 404 must not hold up what it does know."""


class Fate(Enum):
    """What becomes of a batch."""

    TAKEN = "taken"
    REFUSED = "refused"
    LATER = "later"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the ledger said."""

    fate: Fate
    detail: str = ""
    """For people."""
    retry_after_seconds: float = 0.0
    """The least time to wait, as the ledger asks for it."""
    failed_inside: bool = False
    """The ledger answered, with an error of its own that it did not foresee."""


@dataclass(frozen=True, slots=True)
class Told:
    """What the ledger answered to a question."""

    status: int
    body: bytes
    etag: str = ""

    def expected(self) -> bytes:
        """The body of a successful answer. Raises ValueError: it is of another kind."""
        if self.status != HTTPStatus.OK:
            raise ValueError(f"the ledger answers {self.status}: {self.body[:300].decode(errors='replace')}")
        return self.body


class Ledger:
    """A ledger at a URL; keeps its connection. For one thread alone.

    Args:
        url: ``http://host:port`` or ``https://...``, with a path before ``/v1`` if need be.
        token_path: file with a service-account token, read for each batch because the kubelet replaces it.

    """

    def __init__(self, url: str, token_path: Path | None, *, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        parts = urlsplit(url)
        self._prefix = parts.path.rstrip("/")
        self._token_path = token_path
        host, port = parts.hostname or "", parts.port
        self._connection: http.client.HTTPConnection = (
            http.client.HTTPSConnection(host, port, timeout=timeout_seconds, context=ssl.create_default_context())
            if parts.scheme == "https"
            else http.client.HTTPConnection(host, port, timeout=timeout_seconds)
        )

    def post(self, batch: Batch) -> Answer:
        """Send a batch once, or twice when the ledger had closed the idle connection."""
        reused = self._connection.sock is not None
        try:
            return self._post(batch)
        except (ConnectionError, http.client.BadStatusLine) as error:
            self._connection.close()
            if not reused:
                return Answer(Fate.LATER, f"{type(error).__name__}: {error}")
        except (OSError, http.client.HTTPException, ValueError) as error:
            self._connection.close()
            return Answer(Fate.LATER, f"{type(error).__name__}: {error}")
        return self.post(batch)

    def get(self, path: str) -> bytes:
        """The body of a successful answer.

        Raises:
            OSError, http.client.HTTPException: there is no answer; ValueError: one of another kind.

        """
        return self.ask(path).expected()

    def ask(self, path: str, *, etag: str = "", most_bytes: int = _MAX_ANSWER_BYTES) -> Told:
        """Whatever is answered.

        Args:
            path: below the prefix.
            etag: of what is known already; an answer of 304 says that it has not changed.
            most_bytes: of the body that are read.

        Raises:
            OSError, http.client.HTTPException: there is no answer; ValueError: the token cannot be read as text.

        """
        headers = self._authorization() | ({"if-none-match": etag} if etag else {})
        try:
            self._connection.request("GET", self._prefix + path, headers=headers)
            response = self._connection.getresponse()
            return Told(response.status, response.read(most_bytes), response.headers.get("etag", ""))
        finally:
            self._connection.close()

    def close(self) -> None:
        """End the connection."""
        self._connection.close()

    def _authorization(self) -> dict[str, str]:
        if self._token_path is None:
            return {}
        return {"authorization": f"Bearer {self._token_path.read_text(encoding='ascii').strip()}"}

    def _post(self, batch: Batch) -> Answer:
        headers = {"content-type": _TYPES[batch.kind]} | self._authorization()
        self._connection.request("POST", self._prefix + _PATHS[batch.kind], batch.body, headers)
        response = self._connection.getresponse()
        body = response.read(_MAX_ANSWER_BYTES)
        if not response.isclosed():  # a longer answer than any of the ledger's
            self._connection.close()
        answer = _answer(response.status, response.headers.get("retry-after", ""), body)
        if response.status == HTTPStatus.NOT_FOUND and batch.kind in _OPTIONAL:
            return Answer(Fate.REFUSED, answer.detail)
        return answer


def _answer(status: int, retry_after: str, body: bytes) -> Answer:
    if status == HTTPStatus.OK:
        return Answer(Fate.TAKEN)
    detail = f"{status}: {body[:300].decode(errors='replace')}"
    if status in _FINAL:
        return Answer(Fate.REFUSED, detail)
    seconds = float(retry_after) if retry_after.isascii() and retry_after.isdigit() else 0.0
    failed = status == HTTPStatus.INTERNAL_SERVER_ERROR
    return Answer(Fate.LATER, detail, min(seconds, MAX_RETRY_AFTER_SECONDS), failed)

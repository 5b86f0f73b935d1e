"""Whom a model must not learn from: the ledger's list of suppressed subjects, read before anything is trained.

A list that cannot be read ends the run: a model that has learned from somebody cannot be made to forget him. The
standard library's client is enough for some requests at the start of a run.
"""

from __future__ import annotations

import http.client
import logging
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import compute
from pydantic import ValidationError

from marquee.contract.assignment import is_model_path, unit_hash
from marquee.contract.privacy import SUPPRESSIONS_PATH, SuppressionsReply
from marquee.contract.retraining import RunSetting
from marquee.contract.training import TrainingError, TrainingFailureReason

log = logging.getLogger(__name__)

PAUSES_SECONDS: Final = (1.0, 2.0, 4.0, 8.0, 16.0)
"""Between tries: a ledger that is being restarted fails no run."""
_TIMEOUT_SECONDS: Final = 10.0
_MAX_PAGE_BYTES: Final = 2**20
_FINAL: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN, HTTPStatus.NOT_FOUND, HTTPStatus.BAD_REQUEST})
"""What another try would be answered with as well."""


@dataclass(frozen=True)
class Suppressed:
    """The subjects of one model's list."""

    model: str
    """``namespace/name``: the salt of their hashes."""
    units: frozenset[bytes]

    def among(self, entities: Any) -> NDArray[np.bool_]:
        """Where a column of entities, as text, names one of them."""
        names = (name for name in entities.unique().to_pylist() if name is not None)
        gone = [name for name in names if unit_hash(self.model, name) in self.units]
        mask: NDArray[np.bool_] = compute.is_in(entities, value_set=pa.array(gone, pa.string())).to_numpy()
        return mask


class _LaterError(Exception):
    """The ledger has no list to give at the moment."""


def suppressed_of(
    environment: Mapping[str, str], model: str, *, pauses_seconds: tuple[float, ...] = PAUSES_SECONDS
) -> Suppressed | None:
    """The list that a run is told to read; None: it is told of no ledger.

    Args:
        environment: of the run, see `RunSetting`.
        model: name of the model.
        pauses_seconds: between tries.

    Raises:
        TrainingError: ``SuppressionsUnavailable``; ``ArgumentsInvalid`` where the model's namespace is not told.

    """
    url = environment.get(RunSetting.LEDGER_URL, "").strip()
    if not url:
        return None
    path = f"{environment.get(RunSetting.NAMESPACE, '').strip()}/{model}"
    if not is_model_path(path):
        raise TrainingError(
            TrainingFailureReason.ARGUMENTS_INVALID, f"{RunSetting.NAMESPACE}: {path!r:.100} is no namespace/model"
        )
    ledger = _Ledger(url, environment.get(RunSetting.LEDGER_TOKEN, "").strip())
    for pause in (*pauses_seconds, None):
        try:
            found = Suppressed(path, ledger.units(path))
        except _LaterError as error:
            if pause is None:
                raise _unavailable(f"{url}: {error}; tried {len(pauses_seconds) + 1} times") from error
            log.warning("the list of suppressed subjects: %s; trying again in %g s", error, pause)
            time.sleep(pause)
        else:
            log.info("%s subjects are suppressed, and not learned from", f"{len(found.units):,}")
            return found
    raise AssertionError("the last try returns or raises")


class _Ledger:
    def __init__(self, url: str, token_path: str) -> None:
        try:
            parts = urlsplit(url)
            self._port = parts.port
        except ValueError as error:
            raise _unavailable(f"{RunSetting.LEDGER_URL}: {error}") from None
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise _unavailable(f"{RunSetting.LEDGER_URL}: {url!r:.200} is no http(s)://host[:port]")
        self._host = parts.hostname
        self._prefix = parts.path.rstrip("/")
        self._tls = ssl.create_default_context() if parts.scheme == "https" else None
        self._token_path = token_path

    def units(self, model: str) -> frozenset[bytes]:
        """All pages of the list. What is added meanwhile came after the run's start."""
        units: set[bytes] = set()
        after: str | None = ""
        while after is not None:
            page = self._page(f"{SUPPRESSIONS_PATH}/{model}" + (f"?after={after}" if after else ""))
            if page.next is not None and after and page.next <= after:
                raise _LaterError("its pages do not end")
            units.update(map(bytes.fromhex, page.units))
            after = page.next
        return frozenset(units)

    def _page(self, path: str) -> SuppressionsReply:
        status, body = self._get(path)
        if status != HTTPStatus.OK:
            words = f"it answers {status}: {body[:300].decode(errors='replace')}"
            if status in _FINAL:
                raise _unavailable(
                    f"{words}; the run needs a service account of the model's namespace, and a ledger of this version"
                )
            raise _LaterError(words)
        try:
            return SuppressionsReply.model_validate_json(body)
        except ValidationError as error:
            raise _LaterError(f"its answer is not understood: {error.errors()[0]['msg']}") from None

    def _get(self, path: str) -> tuple[int, bytes]:
        connection = (
            http.client.HTTPConnection(self._host, self._port, timeout=_TIMEOUT_SECONDS)
            if self._tls is None
            else http.client.HTTPSConnection(self._host, self._port, timeout=_TIMEOUT_SECONDS, context=self._tls)
        )
        try:
            connection.request("GET", self._prefix + path, headers=self._authorization())
            response = connection.getresponse()
            return response.status, response.read(_MAX_PAGE_BYTES)
        except (OSError, http.client.HTTPException) as error:
            raise _LaterError(f"it does not answer: {type(error).__name__}: {error}") from None
        finally:
            connection.close()

    def _authorization(self) -> dict[str, str]:
        if not self._token_path:
            return {}
        try:
            token = Path(self._token_path).read_text(encoding="ascii").strip()
        except (OSError, ValueError) as error:
            raise _unavailable(f"{RunSetting.LEDGER_TOKEN}: the token cannot be read: {error}") from None
        return {"authorization": f"Bearer {token}"}


def _unavailable(detail: str) -> TrainingError:
    return TrainingError(
        TrainingFailureReason.SUPPRESSIONS_UNAVAILABLE, f"who must not be learned from is not known: {detail}"
    )

"""JSON lines on standard error: the process's own events, and a sample of the requests.

A request line says what was answered and how long it took; it never holds inputs, outputs or units.
"""

from __future__ import annotations

import logging
import random
import sys
import time
import traceback
from datetime import UTC, datetime
from typing import Any, Final, TextIO

import orjson

_ERROR_STATUS: Final = 500
_ERRORS_PER_SECOND: Final = 10
"""An overloaded pod must not spend itself on saying so."""
_NOISY: Final = ("uvicorn", "bentoml", "asyncio", "botocore", "aiobotocore", "s3fs", "fsspec", "httpx")


class JsonFormatter(logging.Formatter):
    """One JSON object a record."""

    def format(self, record: logging.LogRecord) -> str:
        """The line, without its end."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info and record.exc_info[0] is not None:
            line["exception"] = "".join(traceback.format_exception(*record.exc_info))
        return orjson.dumps(line).decode()


def configure(stream: TextIO | None = None) -> None:
    """Send every record of the process through `JsonFormatter`; libraries from warning upwards."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    for name in _NOISY:
        logging.getLogger(name).setLevel(logging.WARNING)


class RequestLog:
    """A sample of the answered requests; of those from status 500 on all, up to some a second."""

    def __init__(self, sample_rate: float, stream: TextIO | None = None) -> None:
        self._rate = sample_rate
        self._stream = stream or sys.stderr
        self._second = 0
        self._errors = 0

    def wants(self, status: int) -> bool:
        """Whether this answer is one to write down."""
        if status < _ERROR_STATUS:
            return random.random() < self._rate  # noqa: S311 - a sample, not a secret
        second = int(time.monotonic())
        if second != self._second:
            self._second, self._errors = second, 0
        self._errors += 1
        return self._errors <= _ERRORS_PER_SECOND

    def write(self, endpoint: str, status: int, nanoseconds: int, prediction_id: str = "") -> None:
        """Write a line."""
        line = {
            "time": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "level": "info" if status < _ERROR_STATUS else "error",
            "logger": "request",
            "endpoint": endpoint,
            "status": status,
            "milliseconds": round(nanoseconds / 1e6, 3),
        }
        if prediction_id:
            line["predictionId"] = prediction_id
        self._stream.write(orjson.dumps(line).decode() + "\n")
        self._stream.flush()

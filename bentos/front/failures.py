"""How a pod says that it cannot serve: one exception, and the termination message it turns into."""

from __future__ import annotations

import logging
from pathlib import Path

from pydantic import ValidationError

from marquee.contract.pod import Failure, FailureReason

log = logging.getLogger(__name__)

_MAX_MESSAGE = 2_000
_MAX_TERMINATION_BYTES = 4_000
"""The kubelet keeps 4,096 bytes of a termination message."""


class CannotServeError(Exception):
    """A reason to exit: what happened, where, what to do."""

    def __init__(self, reason: FailureReason, message: str) -> None:
        super().__init__(f"{reason}: {message}")
        self.reason = reason
        self.message = message

    def to_failure(self) -> Failure:
        """The failure cut to what fits a termination message, in characters and in bytes."""
        message = self.message[:_MAX_MESSAGE]
        while len((failure := Failure(reason=self.reason, message=message)).to_text().encode()) > (
            _MAX_TERMINATION_BYTES
        ):
            message = message[: len(message) * 3 // 4]
        return failure


def write_termination_message(failure: Failure, path: Path) -> None:
    """Leave the failure where the kubelet reads it.

    The kubelet makes the file before the container starts; where it does not exist nobody would read it.
    """
    try:
        with path.open("r+", encoding="utf-8") as file:
            file.truncate()
            file.write(failure.to_text())
    except OSError as error:
        log.debug("no termination message written to %s: %s", path, error)


def in_words(error: ValidationError, most: int = 5) -> str:
    """The first errors of a validation as ``where: what``, with the number of those left out."""
    errors = error.errors(include_url=False, include_input=False, include_context=False)
    words = [f"{'.'.join(map(str, item['loc'])) or 'document'}: {item['msg']}" for item in errors[:most]]
    if len(errors) > most:
        words.append(f"and {len(errors) - most} more")
    return "; ".join(words)

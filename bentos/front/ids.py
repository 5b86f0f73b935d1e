"""Prediction ids: signed tokens that the ledger takes outcomes for, or random ones where there is no key."""

from __future__ import annotations

import binascii
import os
import time
from pathlib import Path
from typing import Final, Protocol

from bentos.front.callers import Caller
from bentos.front.failures import CannotServeError
from bentos.front.settings import Settings
from bentos.front.signing import LedgerSignedIds
from marquee.contract.pod import FailureReason, Setting
from marquee.contract.prediction import MAC_BYTES, NO_BIN, Issuer


class PredictionIds(Protocol):
    """Makes one id per prediction, of its caller and the bin of its score."""

    def __call__(self, caller: Caller, score_bin: int = NO_BIN, /) -> str:
        """The id."""


RANDOM_LENGTH: Final = 32
_SIGNATURE_CHARACTERS: Final = MAC_BYTES * 8 // 6
"""Whole characters of base64 at the end of an id that hold nothing but its signature."""


def random_id(_caller: Caller, _score_bin: int = NO_BIN) -> str:
    """32 hexadecimal digits: 48 bits of milliseconds since 1970, then 80 random bits. It says nothing of its caller."""
    return f"{time.time_ns() // 1_000_000:012x}{os.urandom(10).hex()}"


def for_log(prediction_id: str) -> str:
    """What a log may hold of an id: of a signed one the end, which lies within its signature.

    The whole of it would tell the unit's hash, and would let whoever reads logs report outcomes.
    """
    return f"...{prediction_id[-_SIGNATURE_CHARACTERS:]}" if is_signed(prediction_id) else prediction_id


def is_signed(prediction_id: str) -> bool:
    """Whether an outcome can be reported for it."""
    return len(prediction_id) > RANDOM_LENGTH


def signed_ids(issuer: Issuer) -> PredictionIds:
    """Ids as `marquee.contract.prediction` describes them."""

    def signed_id(caller: Caller, score_bin: int = NO_BIN) -> str:
        return issuer.issue(caller.cohort, caller.unit, time.time_ns() // 1_000_000, score_bin)

    return signed_id


def prediction_ids(settings: Settings) -> PredictionIds:
    """Signed ids when a key is mounted or the ledger gives one, else random ones.

    Raises:
        CannotServeError: ``SettingsInvalid``: the key cannot be used.

    """
    path = settings.prediction_key_path
    if path is None:
        return LedgerSignedIds(settings, random_id) if settings.ledger_url is not None else random_id
    try:
        file = _key_file(path)
        return signed_ids(
            Issuer(
                key_id=_key_id(file),
                secret=binascii.a2b_hex(file.read_bytes().strip()),
                model=settings.model_path,
                revision=settings.revision,
            )
        )
    except binascii.Error:
        raise _unusable(f"{file} must hold hexadecimal digits") from None
    except (OSError, ValueError) as error:
        raise _unusable(str(error)) from error


def _key_file(path: Path) -> Path:
    """The one key of a mounted Secret; names with a dot at the front are the kubelet's own."""
    if not path.is_dir():
        return path
    files = sorted(file for file in path.iterdir() if not file.name.startswith("."))
    if len(files) != 1:
        found = ", ".join(file.name for file in files[:5]) or "none"
        raise ValueError(f"{path} must hold one file, named by the key's id; there is: {found}")
    return files[0]


def _key_id(file: Path) -> int:
    if not (file.name.isascii() and file.name.isdigit() and int(file.name) <= 255):
        raise ValueError(f"{file} must be named by the key's id, a number from 0 to 255")
    return int(file.name)


def _unusable(detail: str) -> CannotServeError:
    return CannotServeError(FailureReason.SETTINGS_INVALID, f"{Setting.PREDICTION_KEY_PATH}: {detail}")

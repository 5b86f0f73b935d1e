"""The prediction id: a token that says which unit saw which version in which cohort, and that nobody can forge.

Layout, before URL-safe base64 without padding; integers are big-endian::

    offset  bytes
    0       1      format, 2
    1       1      key id
    2       6      time, milliseconds since 1970
    8       2      number, so that two predictions of one millisecond differ
    10      8      unit hash
    18      2      step
    20      1      arm: 0 stable, 1 canary
    21      1      bin of the score that was answered, from 0; 255: none
    22      1+n    namespace/name of the model, after its length
    ..      1+n    revision, after its length
    ..      1+n    rollout, after its length; empty outside of a rollout
    end     16     HMAC-SHA256 of everything before, cut to 128 bits (RFC 2104, section 5)

Format 1, which is read but issued no more, has no byte for the bin.

Each model has a key of its own, derived from a master key that only the ledger and the operator hold: a predictor
can issue ids of its own model and of no other. The key id names the master key, so keys can be rotated.
"""

from __future__ import annotations

import binascii
import hmac
import itertools
import os
from collections.abc import Callable
from dataclasses import dataclass
from struct import Struct
from typing import Final

from marquee.contract.assignment import UNIT_HASH_BYTES, is_model_path
from marquee.contract.cohort import Arm, Cohort, CohortError

FORMAT: Final = 2
NO_BIN: Final = 255
"""In place of a score's bin: the id stands for several rows, or nobody counts scores."""
MAC_BYTES: Final = 16
MIN_SECRET_BYTES: Final = 32
MAX_LENGTH: Final = 1_024
"""Longest id in characters; any legal names fit."""

_FIXED: Final = {1: Struct(f">BBQ{UNIT_HASH_BYTES}sHB"), FORMAT: Struct(f">BBQ{UNIT_HASH_BYTES}sHBB")}
"""What comes before the names, by format."""
_ISSUED: Final = _FIXED[FORMAT]
_MIN_BYTES: Final = _FIXED[1].size + 3 + MAC_BYTES
_TO_URL: Final = bytes.maketrans(b"+/", b"-_")
_FROM_URL: Final = bytes.maketrans(b"-_+/", b"+/!!")
_KEY_PURPOSE: Final = b"marquee prediction id, format 1\x00"
"""Both formats are signed by the same key, and the format is among what is signed."""
_MAX_CACHED: Final = 4_096


class PredictionIdError(ValueError):
    """An id that was not issued by a predictor of this installation, or not like this; the message says why."""


@dataclass(frozen=True, slots=True)
class Prediction:
    """What an id says."""

    model: str
    """``namespace/name``."""
    revision: str
    cohort: Cohort | None
    """None: predicted outside of a rollout."""
    unit: bytes
    """8 bytes, see `unit_hash`."""
    milliseconds: int
    """Time of the prediction since 1970, by the predictor's clock."""
    mac: bytes
    """16 bytes that no other prediction has: what duplicates are found by."""
    score_bin: int | None = None
    """Bin of the score that was answered, among those of the revision's reference profile; None: not known."""


def derive_secret(master: bytes, model: str) -> bytes:
    """The secret of one model: 32 bytes.

    Raises:
        ValueError: the master key has fewer than 32 bytes.

    """
    if len(master) < MIN_SECRET_BYTES:
        raise ValueError(f"a master key has at least {MIN_SECRET_BYTES} bytes, not {len(master)}")
    return hmac.digest(master, _KEY_PURPOSE + model.encode(), "sha256")


class Issuer:
    """Issues the ids of one revision of one model. Not for use by two threads at once.

    Args:
        key_id: 0 to 255, names the master key.
        secret: from `derive_secret`.

    Raises:
        ValueError: a name cannot be in an id.

    """

    def __init__(self, *, key_id: int, secret: bytes, model: str, revision: str) -> None:
        if not is_model_path(model):
            raise ValueError(f"{model!r} is not namespace/name of a model")
        if not 0 <= key_id <= 255 or len(secret) < MIN_SECRET_BYTES:
            raise ValueError(f"a key has an id from 0 to 255 and at least {MIN_SECRET_BYTES} secret bytes")
        self._key_id = key_id
        self._mac = hmac.new(secret, digestmod="sha256")
        self._names = _counted(model) + _counted(revision)
        self._places: dict[Cohort | None, tuple[int, int, bytes]] = {}
        self._numbers = itertools.count(int.from_bytes(os.urandom(2), "big"))

    def issue(self, cohort: Cohort | None, unit: bytes, milliseconds: int, score_bin: int = NO_BIN) -> str:
        """An id for one prediction, made in a few microseconds.

        Args:
            cohort: from the request's header, or None.
            unit: 8 bytes, see `unit_hash`.
            milliseconds: now, since 1970.
            score_bin: of the answer, 0 to 254; or `NO_BIN`.

        """
        step, arm, names = self._places.get(cohort) or self._place(cohort)
        moment = milliseconds << 16 | next(self._numbers) & 0xFFFF
        payload = _ISSUED.pack(FORMAT, self._key_id, moment, unit, step, arm, score_bin) + names
        mac = self._mac.copy()
        mac.update(payload)
        return _encode(payload + mac.digest()[:MAC_BYTES])

    def _place(self, cohort: Cohort | None) -> tuple[int, int, bytes]:
        step, arm, rollout = (cohort.step, cohort.arm, cohort.rollout) if cohort else (0, Arm.STABLE, "")
        if len(self._places) >= _MAX_CACHED:
            self._places.clear()
        found = self._places[cohort] = step, int(arm), self._names + _counted(rollout)
        return found


class Verifier:
    """Reads ids back.

    Args:
        master_key: gives the master key of an id, or None when there is none.

    """

    def __init__(self, master_key: Callable[[int], bytes | None]) -> None:
        self._master_key = master_key
        self._macs: dict[tuple[bytes, str], hmac.HMAC] = {}

    def verify(self, text: str) -> Prediction:
        """What an id says, once its signature has been checked in constant time.

        Raises:
            PredictionIdError: with what is wrong.

        """
        raw = _decode(text)
        payload, mac = raw[:-MAC_BYTES], raw[-MAC_BYTES:]
        fixed = _FIXED.get(payload[0])
        if fixed is None:
            raise PredictionIdError(f"the prediction id has format {payload[0]}; this version reads formats 1 and 2")
        _, key_id, moment, unit, step, arm, *bins = fixed.unpack_from(payload)
        model, revision, rollout = _names(payload, fixed.size)
        expected = self._mac_of(key_id, model).copy()
        expected.update(payload)
        if not hmac.compare_digest(expected.digest()[:MAC_BYTES], mac):
            raise PredictionIdError("the prediction id is forged or was altered: its signature does not match")
        score_bin = bins[0] if bins and bins[0] != NO_BIN else None
        return Prediction(model, revision, _cohort(rollout, step, arm), unit, moment >> 16, mac, score_bin)

    def _mac_of(self, key_id: int, model: str) -> hmac.HMAC:
        master = self._master_key(key_id)
        if master is None:
            raise PredictionIdError(f"the prediction id names key {key_id}, which does not exist or was retired")
        if (known := self._macs.get((master, model))) is None:
            if len(self._macs) >= _MAX_CACHED:  # ids that name many models must not fill the memory
                self._macs.clear()
            known = self._macs[master, model] = hmac.new(derive_secret(master, model), digestmod="sha256")
        return known


def _cohort(rollout: str, step: int, arm: int) -> Cohort | None:
    if not rollout:
        return None
    try:
        return Cohort(rollout, step, Arm(arm))
    except (CohortError, ValueError) as error:
        raise PredictionIdError(f"the prediction id names an impossible cohort: {error}") from None


def _counted(name: str) -> bytes:
    raw = name.encode("ascii")
    if len(raw) > 255:
        raise ValueError(f"{name[:40]!r}... has more than 255 characters")
    return bytes([len(raw)]) + raw


def _names(payload: bytes, offset: int) -> tuple[str, str, str]:
    names = []
    for _ in range(3):
        end = offset + 1 + payload[offset] if offset < len(payload) else len(payload) + 1
        names.append(payload[offset + 1 : end])
        offset = end
    if offset != len(payload):
        raise PredictionIdError("the prediction id was cut or altered: its length is not what it says")
    try:
        model, revision, rollout = (name.decode("ascii") for name in names)
    except UnicodeDecodeError:
        raise PredictionIdError("the prediction id was altered: a name in it is not ASCII") from None
    return model, revision, rollout


def _encode(raw: bytes) -> str:
    return binascii.b2a_base64(raw, newline=False).translate(_TO_URL, b"=").decode("ascii")


def _decode(text: str) -> bytes:
    if len(text) > MAX_LENGTH:
        raise PredictionIdError(f"a prediction id has at most {MAX_LENGTH} characters, not {len(text)}")
    try:
        ascii_text = text.encode("ascii").translate(_FROM_URL)
        raw = binascii.a2b_base64(ascii_text + b"=" * (-len(ascii_text) % 4), strict_mode=True)
    except (UnicodeEncodeError, binascii.Error):
        raise PredictionIdError("the prediction id is no URL-safe base64 text") from None
    if _encode(raw) != text:
        raise PredictionIdError("the prediction id was altered: its last character has bits that none is issued with")
    if len(raw) < _MIN_BYTES:
        raise PredictionIdError(f"the prediction id is cut: {len(raw)} bytes are fewer than any has")
    return raw

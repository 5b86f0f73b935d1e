"""A batch of exposures on its way from a predictor to the ledger: eight bytes a unit.

``POST /v1/exposures`` with ``content-type: application/vnd.marquee.exposures``. Integers are big-endian::

    offset  bytes
    0       4      "MQX" and the format, 0x01
    4       16     batch id, random; a retry sends the same bytes again
    20      1+n    namespace/name of the model, after its length
    ..      2      number of groups, 1 to 1,000; then for each group:
            1+n      rollout, after its length
            2        step
            1        arm: 0 stable, 1 canary
            4        number of units, 1 to 100,000 in the whole batch
            8 each   unit hashes, in any order; one that comes twice counts once
    end     4      CRC-32 (zlib's) of everything before: a torn write of a spool shows
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from struct import Struct
from typing import Final

from marquee.contract.assignment import UNIT_HASH_BYTES, is_model_path
from marquee.contract.cohort import Arm, Cohort, CohortError

CONTENT_TYPE: Final = "application/vnd.marquee.exposures"
EXPOSURES_PATH: Final = "/v1/exposures"
BATCH_ID_BYTES: Final = 16
MAX_GROUPS: Final = 1_000
MAX_UNITS: Final = 100_000
MAX_BATCH_BYTES: Final = 2**20
"""A full batch has 800,000 bytes of units and at most 71 bytes a group."""

_MAGIC: Final = b"MQX\x01"
_GROUP: Final = Struct(">HBI")
_COUNT: Final = Struct(">H")
_CHECKSUM: Final = Struct(">I")


class BatchError(ValueError):
    """Bytes that are no batch of exposures; the message says what is wrong and at which byte."""


@dataclass(frozen=True, slots=True)
class ExposureGroup:
    """Units that were first seen in one cohort."""

    cohort: Cohort
    units: bytes
    """Unit hashes, one after the other."""

    @property
    def size(self) -> int:
        """Number of units."""
        return len(self.units) // UNIT_HASH_BYTES


@dataclass(frozen=True, slots=True)
class ExposureBatch:
    """What one predictor saw since its last batch."""

    batch_id: bytes
    model: str
    """``namespace/name``."""
    groups: tuple[ExposureGroup, ...]

    @property
    def size(self) -> int:
        """Number of units in all groups."""
        return sum(group.size for group in self.groups)

    def to_bytes(self) -> bytes:
        """The batch on the wire.

        Raises:
            BatchError: it is too large, empty, or has an impossible part; nothing is ever sent that is refused.

        """
        parts = [_MAGIC, self.batch_id, _counted(self.model), _COUNT.pack(min(len(self.groups), 0xFFFF))]
        for group in self.groups:
            parts += _counted(group.cohort.rollout), _GROUP.pack(group.cohort.step, group.cohort.arm, group.size)
            parts.append(group.units)
        body = b"".join(parts)
        raw = body + _CHECKSUM.pack(zlib.crc32(body))
        if decode_batch(raw) != self:
            raise BatchError(f"a batch id has {BATCH_ID_BYTES} bytes, and units have {UNIT_HASH_BYTES} each")
        return raw


def decode_batch(raw: bytes) -> ExposureBatch:
    """Read a batch.

    Raises:
        BatchError: the bytes are no batch of this format, damaged, or beyond a bound.

    """
    if len(raw) > MAX_BATCH_BYTES:
        raise BatchError(f"a batch has at most {MAX_BATCH_BYTES} bytes, not {len(raw)}")
    if raw[:3] != _MAGIC[:3]:
        raise BatchError("byte 0: a batch of exposures begins with 'MQX'")
    if raw[3:4] != _MAGIC[3:]:
        raise BatchError(f"byte 3: format {raw[3:4].hex() or 'missing'} is not known; this ledger reads format 01")
    body = memoryview(raw)[: -_CHECKSUM.size]
    if len(raw) < len(_MAGIC) + _CHECKSUM.size or _CHECKSUM.unpack(raw[-_CHECKSUM.size :])[0] != zlib.crc32(body):
        raise BatchError("the checksum does not match: the batch was cut or damaged on its way or in its spool")
    try:
        return _Reader(body).batch()
    except UnicodeDecodeError:
        raise BatchError("a name is not ASCII") from None


class _Reader:
    """Walks over the bytes of a batch once."""

    def __init__(self, body: memoryview) -> None:
        self._body = body
        self._at = len(_MAGIC)

    def batch(self) -> ExposureBatch:
        batch_id = bytes(self._take(BATCH_ID_BYTES))
        model = self._name()
        if not is_model_path(model):
            raise BatchError(f"byte 20: {model[:120]!r} is not namespace/name of a model")
        (count,) = _COUNT.unpack(self._take(_COUNT.size))
        if not 1 <= count <= MAX_GROUPS:
            raise BatchError(f"a batch has 1 to {MAX_GROUPS} groups, not {count}")
        batch = ExposureBatch(batch_id, model, tuple(self._group() for _ in range(count)))
        if self._at != len(self._body):
            raise BatchError(f"byte {self._at}: {len(self._body) - self._at} bytes are left after the last group")
        if batch.size > MAX_UNITS:
            raise BatchError(f"a batch has at most {MAX_UNITS} units, not {batch.size}")
        return batch

    def _group(self) -> ExposureGroup:
        start = self._at
        rollout = self._name()
        step, arm, size = _GROUP.unpack(self._take(_GROUP.size))
        try:
            cohort = Cohort(rollout, step, Arm(arm))
        except (CohortError, ValueError) as error:
            raise BatchError(f"byte {start}: {error}") from None
        if size == 0:
            raise BatchError(f"byte {start}: the group {cohort} has no units")
        return ExposureGroup(cohort, bytes(self._take(size * UNIT_HASH_BYTES)))

    def _name(self) -> str:
        length = self._take(1)[0]
        return bytes(self._take(length)).decode("ascii")

    def _take(self, size: int) -> memoryview:
        end = self._at + size
        if end > len(self._body):
            raise BatchError(f"byte {self._at}: {size} bytes are announced, {len(self._body) - self._at} are there")
        taken = self._body[self._at : end]
        self._at = end
        return taken


def _counted(name: str) -> bytes:
    raw = name.encode("ascii", errors="replace")
    return bytes([min(len(raw), 255)]) + raw

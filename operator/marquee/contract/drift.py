"""Drift counters on their way from a predictor to the ledger, and back out of it as windows.

``POST /v1/drift/profiles`` says over which bins a revision's pods count (JSON, `ProfileReport`). Then
``POST /v1/drift`` brings increments of one slice of 15 minutes, as ``application/vnd.marquee.drift``; integers are
big-endian::

    offset  bytes
    0       4      "MQD" and the format, 0x01
    4       12     epoch: random, of one process of one pod
    16      4      number of the batch within its epoch, from 0; a retry sends the same bytes again
    20      32     SHA-256 of the bins, see `Layout.digest`
    52      1+n    namespace/name of the model, after its length
    ..      1+n    name of the revision, after its length
    ..      4      slice: its beginning in seconds since 1970, divided by 900
    ..      4      number of counters, see `Layout`
    ..      ..     the counters, see `pack`
    end     4      CRC-32 (zlib's) of everything before
"""

from __future__ import annotations

import hashlib
import sys
import zlib
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from struct import Struct
from typing import Annotated, Final

import orjson
from pydantic import Field, StringConstraints

from marquee.contract.assignment import ModelPath, is_model_path
from marquee.contract.manifest import CategoryProfile, ContractModel, FeatureProfile, ReferenceProfile, Sha256
from marquee.contract.performance import PerformanceReply

DRIFT_PATH: Final = "/v1/drift"
PROFILES_PATH: Final = "/v1/drift/profiles"
CONTENT_TYPE: Final = "application/vnd.marquee.drift"
SLICE_SECONDS: Final = 900
EPOCH_BYTES: Final = 12
MAX_COUNTERS: Final = 262_144
"""2,000 features of 64 edges have half of that."""
MAX_COUNT: Final = 2**40
"""Of one counter in one batch: sums over years stay below 2^63."""
MAX_BATCH_BYTES: Final = 2**20
SPECIALS: Final = ("missing", "wrong", "unseen")
"""What a feature counts beside its bins, in this order behind them."""
SCORE_PREFIX: Final = "score:"
"""Before the output's name; no feature's name has a colon."""

RevisionName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$")]

_MAGIC: Final = b"MQD\x01"
_HEAD: Final = Struct(f">4s{EPOCH_BYTES}sI32s")
_SLICE: Final = Struct(">II")
_CHECKSUM: Final = Struct(">I")
_HEAD_COUNTERS: Final = 2
_WORD: Final = 8


class DriftBatchError(ValueError):
    """Bytes that are no batch of drift counters; the message says what is wrong and where."""


@dataclass(frozen=True, slots=True)
class Block:
    """Where one feature's counters lie: bins, then `SPECIALS`."""

    name: str
    start: int
    bins: int
    ordered: bool
    """Whether the bins are a number's ranges; else categories by name, the other known ones last."""

    @property
    def end(self) -> int:
        """The next block's start."""
        return self.start + self.bins + len(SPECIALS)


@dataclass(frozen=True)
class Layout:
    """Which counter means what: rows and refused rows, then a block for each feature by name, the score's last; behind
    it, where pods trace answers, those by score bin that an outcome can be reported for.
    """

    profile: ReferenceProfile
    output: str = "score"
    """Name of the model's main output, where the profile does not say."""
    traces: bool = False
    """Whether pods trace answers, see `ProfileReport.traces`."""

    @cached_property
    def blocks(self) -> tuple[Block, ...]:
        """Every feature's counters."""
        found: list[Block] = []
        at = _HEAD_COUNTERS
        for name in sorted(self.profile.features):
            profile = self.profile.features[name]
            found.append(Block(name, at, bins_of(profile), not isinstance(profile, CategoryProfile)))
            at = found[-1].end
        if (score := self.profile.score) is not None:
            found.append(Block(SCORE_PREFIX + (score.output or self.output), at, len(score.counts), ordered=True))
        return tuple(found)

    @cached_property
    def traced(self) -> range:
        """Places of the counters of traced answers, one for each bin of the score; empty where there are none."""
        start = self.blocks[-1].end if self.blocks else _HEAD_COUNTERS
        score = self.profile.score
        return range(start, start + (len(score.counts) if self.traces and score is not None else 0))

    @property
    def size(self) -> int:
        """Number of counters."""
        return self.traced.stop

    @cached_property
    def digest(self) -> bytes:
        """SHA-256 of the bins, whatever the reference counted in them: the same bins add up."""
        bins: dict[str, object] = {
            name: sorted(profile.counts) if isinstance(profile, CategoryProfile) else profile.edges
            for name, profile in self.profile.features.items()
        }
        score = self.profile.score
        document: list[object] = [bins, None if score is None else [score.output, score.edges]]
        if self.traced:
            document.append("traces")
        return hashlib.sha256(orjson.dumps(document, option=orjson.OPT_SORT_KEYS)).digest()


def bins_of(profile: FeatureProfile) -> int:
    """How many bins a feature has; a category's last one is for the known categories that are not listed."""
    return len(profile.counts) + isinstance(profile, CategoryProfile)


@dataclass(frozen=True, slots=True)
class DriftBatch:
    """What one process counted of one slice since its last batch."""

    epoch: bytes
    number: int
    digest: bytes
    model: str
    """``namespace/name``."""
    revision: str
    slice: int
    counters: Sequence[int]

    @property
    def batch_id(self) -> bytes:
        """Of 16 bytes: the epoch and the number."""
        return self.epoch + self.number.to_bytes(4, "big")

    def to_bytes(self) -> bytes:
        """The batch on the wire.

        Raises:
            DriftBatchError: it has an impossible part; nothing is ever sent that is refused.

        """
        body = b"".join(
            (
                _HEAD.pack(_MAGIC, self.epoch, self.number, self.digest),
                _named(self.model),
                _named(self.revision),
                _SLICE.pack(self.slice, len(self.counters)),
                pack(self.counters),
            )
        )
        raw = body + _CHECKSUM.pack(zlib.crc32(body))
        decode_drift(raw)
        return raw


def decode_drift(raw: bytes) -> DriftBatch:
    """Read a batch.

    Raises:
        DriftBatchError: the bytes are no batch of this format, damaged, or beyond a bound.

    """
    if len(raw) > MAX_BATCH_BYTES:
        raise DriftBatchError(f"a batch has at most {MAX_BATCH_BYTES} bytes, not {len(raw)}")
    if raw[:4] != _MAGIC:
        raise DriftBatchError("byte 0: a batch of drift counters begins with 'MQD' and the format 01")
    body = raw[: -_CHECKSUM.size]
    if len(body) < _HEAD.size or _CHECKSUM.unpack(raw[-_CHECKSUM.size :])[0] != zlib.crc32(body):
        raise DriftBatchError("the checksum does not match: the batch was cut or damaged on its way or in its spool")
    _, epoch, number, digest = _HEAD.unpack_from(body)
    model, at = _name(body, _HEAD.size)
    revision, at = _name(body, at)
    if not is_model_path(model):
        raise DriftBatchError(f"byte {_HEAD.size}: {model[:120]!r} is not namespace/name of a model")
    if len(body) < at + _SLICE.size:
        raise DriftBatchError(f"byte {at}: the slice is missing")
    slice_, size = _SLICE.unpack_from(body, at)
    if not _HEAD_COUNTERS < size <= MAX_COUNTERS:
        raise DriftBatchError(f"byte {at}: {size} counters, where 3 to {MAX_COUNTERS} are possible")
    counters = unpack(body[at + _SLICE.size :], size)
    if max(counters) > MAX_COUNT:
        raise DriftBatchError(f"a counter is above {MAX_COUNT}")
    return DriftBatch(epoch, number, digest, model, revision, slice_, counters)


def pack(counters: Sequence[int]) -> bytes:
    """Counters as they are sent and kept: as 64-bit integers, all their lowest bytes first, compressed by zlib.

    Small numbers leave long rows of zeros, of which little remains.
    """
    words = _words(counters)
    return zlib.compress(b"".join(words[place::_WORD] for place in range(_WORD)), 6)


def unpack(raw: bytes, size: int) -> Sequence[int]:
    """So many counters.

    Raises:
        DriftBatchError: they are not what `pack` gives, or of another number.

    """
    return _integers(_unpacked(raw, size))


def add_up(parts: Iterable[bytes], size: int) -> Sequence[int]:
    """The sum of packed counters; no parts are zeros.

    All counters of a part are one long integer, of which Python adds thousands of digits in a microsecond: no counter
    is large enough to carry into its neighbour.

    Raises:
        DriftBatchError: as `unpack`.

    """
    total = sum(int.from_bytes(_unpacked(part, size), "little") for part in parts)
    return _integers(total.to_bytes(size * _WORD, "little"))


def _unpacked(raw: bytes, size: int) -> bytes:
    """The 64-bit integers, little-endian."""
    stream = zlib.decompressobj()
    try:
        planes = stream.decompress(raw, size * _WORD + 1)
    except zlib.error as error:
        raise DriftBatchError(f"the counters cannot be unpacked: {error}") from None
    if len(planes) != size * _WORD or not stream.eof or stream.unused_data:
        raise DriftBatchError(f"the counters are not {size} of {_WORD} bytes")
    words = bytearray(len(planes))
    for place in range(_WORD):
        words[place::_WORD] = planes[place * size : (place + 1) * size]
    return bytes(words)


def _integers(words: bytes) -> Sequence[int]:
    found = array("Q", words)
    if sys.byteorder == "big":
        found.byteswap()
    return found


def _words(counters: Iterable[int]) -> bytes:
    found = array("Q", counters)
    if sys.byteorder == "big":
        found.byteswap()
    return found.tobytes()


def _named(name: str) -> bytes:
    raw = name.encode("ascii", errors="replace")
    return bytes([min(len(raw), 255)]) + raw


def _name(body: bytes, at: int) -> tuple[str, int]:
    end = at + 1 + (body[at] if at < len(body) else 0)
    if end > len(body) or end == at + 1:
        raise DriftBatchError(f"byte {at}: a name is missing")
    try:
        return body[at + 1 : end].decode("ascii"), end
    except UnicodeDecodeError:
        raise DriftBatchError(f"byte {at}: a name is not ASCII") from None


class ProfileReport(ContractModel):
    """``POST /v1/drift/profiles``: over which bins the pods of a revision count. Saying it again changes nothing."""

    model: ModelPath
    revision: RevisionName
    output: str = Field(max_length=63, description="name of the model's main output")
    profile: ReferenceProfile = Field(description="without features and score nothing is counted: there is none")
    traces: bool = Field(
        default=False,
        description="whether ids of single answers name the score's bin, and those answers are counted",
    )

    @property
    def layout(self) -> Layout:
        """Which counter means what."""
        return Layout(self.profile, self.output, self.traces)


class ProfileReceipt(ContractModel):
    """The answer: it is on disk."""

    digest: Sha256


class DriftWindow(ContractModel):
    """The sum of a window's slices."""

    index: int
    """Its beginning in seconds since 1970, divided by its length."""
    counters: tuple[int, ...]


class DriftReply(ContractModel):
    """``GET /v1/drift/{namespace}/{model}/{revision}``: windows of one length, as far as they are complete.

    A window between ``first`` and ``until`` that is not listed counted nothing.
    """

    model: ModelPath
    revision: RevisionName
    seconds: int
    output: str = ""
    """Name of the model's main output."""
    lost: int = 0
    """Batches of counters that pods have made and the ledger has not taken."""
    profile: ReferenceProfile | None
    """None: no pod of the revision has said over which bins it counts."""
    first: int | None
    """The first window that was counted from its beginning; None: there is none yet."""
    until: int
    """The first window that is not complete yet."""
    baseline: tuple[DriftWindow, ...]
    """Of the first windows."""
    windows: tuple[DriftWindow, ...]
    """Of the last ones, those of the baseline left out."""
    traces: bool = False
    """As in `ProfileReport`."""
    performance: PerformanceReply | None = None
    """None: no outcome is declared, or nobody asked."""

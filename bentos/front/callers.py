"""Who asks for a prediction: the cohort that a gateway or this pod stamps on it, and the unit that it is about."""

from __future__ import annotations

import os
from binascii import Error, unhexlify
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Final

from bentos.front.metrics import Metrics
from bentos.front.problems import ProblemError
from bentos.front.stamping import Stamping
from marquee.contract.assignment import UNIT_HASH_BYTES, bucket, unit_hash
from marquee.contract.cohort import Cohort, CohortError
from marquee.contract.pod import HEADER_BUCKET, HEADER_COHORT, HEADER_UNIT, HEADER_UNIT_HASH

MAX_UNIT_LENGTH: Final = 256
"""Characters of a unit's identifier."""

_COHORT: Final = HEADER_COHORT.encode()
_BUCKET: Final = HEADER_BUCKET.encode()
_UNIT: Final = HEADER_UNIT.encode()
_UNIT_HASH: Final = HEADER_UNIT_HASH.encode()
CALLER_HEADERS: Final = frozenset({_COHORT, _BUCKET, _UNIT, _UNIT_HASH})
_MAX_PARSED: Final = 1_000
"""Cohorts that are remembered; whoever invents more only makes himself slower."""


class Caller:
    """The cohort and unit of one request. A request that names no unit is a unit of its own."""

    __slots__ = ("_named", "_unit", "alone", "bucket", "cohort", "identified", "problem", "stamp")

    def __init__(self) -> None:
        self.cohort: Cohort | None = None
        self.stamp = b""
        """The cohort as its header says it; there is one way to write a cohort."""
        self.bucket: bytes | None = None
        self.identified = False
        """Whether the client named the unit."""
        self.problem: ProblemError | None = None
        """Why the request is refused."""
        self.alone = False
        """Whether the request is a unit of its own even when the client names one: the pod stamps it."""
        self._named: bytes | None = None
        self._unit: bytes | None = None

    @property
    def named(self) -> bytes | None:
        """The hash of the unit that the client names; None: it names none."""
        return self._named

    @property
    def unit(self) -> bytes:
        """The unit's hash; a random one, always the same, when the request is a unit of its own."""
        if self._named is not None and not self.alone:
            return self._named
        if self._unit is None:
            self._unit = os.urandom(UNIT_HASH_BYTES)
        return self._unit

    def identify(self, unit: bytes) -> bool:
        """Take a unit's hash that the client names; False: it named another before."""
        if self.identified:
            return unit == self._named
        self._named, self.identified = unit, True
        return True


class Callers:
    """Reads the callers of one model from the headers of requests.

    Args:
        model: ``namespace/name``, the salt of unit hashes.
        metrics: counts headers that were not understood.
        stamping: where no gateway stamps; whatever cohort a client sends means nothing then.

    """

    def __init__(self, model: str, metrics: Metrics, stamping: Stamping | None = None) -> None:
        self._model = model
        self._metrics = metrics
        self._stamping = stamping
        self._parsed: dict[bytes, Cohort] = {}

    def read(self, headers: Iterable[tuple[bytes, bytes]]) -> Caller:
        """As `of`, from headers as they come; what is sent twice means nothing."""
        given: dict[bytes, bytes] = {}
        for name, value in headers:
            if name in CALLER_HEADERS:
                given[name] = b"" if name in given else value
        return self.of(given)

    def of(self, given: Mapping[bytes, bytes]) -> Caller:
        """The caller; a malformed unit is its ``problem``, a malformed cohort or bucket only counts.

        Args:
            given: headers by name; `CALLER_HEADERS` are looked at.

        """
        caller = Caller()
        if self._stamping is not None:
            caller.alone = True
            if (own := self._stamping.now()) is not None:
                caller.cohort, caller.stamp = own
        if not CALLER_HEADERS.isdisjoint(given):
            caller.bucket = given.get(_BUCKET)
            if self._stamping is None and (stamp := given.get(_COHORT)) is not None:
                self._place(caller, stamp)
            try:
                self._identify(caller, given.get(_UNIT), given.get(_UNIT_HASH))
            except ProblemError as problem:
                caller.problem = problem
        return caller

    def check_bucket(self, caller: Caller) -> None:
        """Count a bucket that is none, or not the unit's: the gateway sent the request where it should not be.

        The prediction is made all the same, and the unit counts where it was: the evidence uses realised shares.
        """
        text = caller.bucket
        if text is None or caller.alone:
            return
        if not (len(text) == 3 and text.isdigit()):
            self._metrics.ignore_header(HEADER_BUCKET, "invalid")
        elif caller.identified and int(text) != bucket(caller.unit):
            self._metrics.ignore_header(HEADER_BUCKET, "contradicts-unit")

    def _place(self, caller: Caller, stamp: bytes) -> None:
        cohort = self._parsed.get(stamp)
        if cohort is None:
            try:
                cohort = Cohort.parse(stamp.decode("latin-1"))
            except CohortError:
                self._metrics.ignore_header(HEADER_COHORT, "invalid")
                return
            if len(self._parsed) >= _MAX_PARSED:
                self._parsed.clear()
            self._parsed[stamp] = cohort
        caller.cohort, caller.stamp = cohort, stamp

    def _identify(self, caller: Caller, unit: bytes | None, digits: bytes | None) -> None:
        if unit is not None:
            caller.identify(unit_hash(self._model, _text(unit)))
        if digits is not None and not caller.identify(_hash(digits)):
            raise _malformed(
                HEADER_UNIT_HASH, f"is not the hash of the unit that {HEADER_UNIT} names; send one of them"
            )


def _text(value: bytes) -> str:
    try:
        text = value.decode()
    except UnicodeDecodeError:
        raise _malformed(HEADER_UNIT, "is not UTF-8") from None
    if not 0 < len(text) <= MAX_UNIT_LENGTH:
        raise _malformed(HEADER_UNIT, f"must be sent once, with 1 to {MAX_UNIT_LENGTH} characters")
    return text


def _hash(value: bytes) -> bytes:
    try:
        unit = unhexlify(value)
    except Error:
        unit = b""
    if len(unit) != UNIT_HASH_BYTES:
        raise _malformed(HEADER_UNIT_HASH, f"must be sent once, as {2 * UNIT_HASH_BYTES} hexadecimal digits")
    return unit


def _malformed(header: str, detail: str) -> ProblemError:
    return ProblemError(HTTPStatus.BAD_REQUEST, "invalid-header", f"the header {header} {detail}")

"""Cohorts as JSON: what the ledger answers, what the audit log keeps, what a replay starts from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any

from marquee.evidence.counts import Arm, Cohort, in_order
from marquee.evidence.errors import CountsError, EvidenceError

_ARM_FIELDS = frozenset(field.name for field in fields(Arm))
_COHORT_FIELDS = frozenset(field.name for field in fields(Cohort))


def write_cohorts(cohorts: Sequence[Cohort]) -> list[dict[str, Any]]:
    """JSON values: integers, strings and null alone, so that nothing is rounded on the way."""
    return [asdict(cohort) for cohort in in_order(cohorts)]


def read_cohorts(record: object) -> tuple[Cohort, ...]:
    """The inverse of `write_cohorts`. Raises `CountsError` with the path of the first fault."""
    if not isinstance(record, Sequence) or isinstance(record, str | bytes):
        raise CountsError("cohorts", f"is {type(record).__name__}, not a list", "pass a list of cohorts")
    return in_order(_read_cohort(f"cohorts[{index}]", entry) for index, entry in enumerate(record))


def _read_cohort(path: str, record: object) -> Cohort:
    members = _members(path, record, _COHORT_FIELDS, required=("step", "canary", "stable"))
    arms = {name: _read_arm(f"{path}.{name}", members[name]) for name in ("canary", "stable")}
    try:
        return Cohort(**{**members, **arms})
    except EvidenceError as error:
        raise error.within(path) from None


def _read_arm(path: str, record: object) -> Arm:
    members = _members(path, record, _ARM_FIELDS, required=("exposures",))
    try:
        return Arm(**members)
    except EvidenceError as error:
        raise error.within(path) from None


def _members(path: str, record: object, known: frozenset[str], required: tuple[str, ...]) -> dict[str, Any]:
    if not isinstance(record, Mapping):
        raise CountsError(path, f"is {type(record).__name__}, not an object", "pass an object with named counts")
    for name in required:
        if record.get(name) is None:
            raise CountsError(f"{path}.{name}", "is missing", "give both arms, zeros where nothing was seen")
    for name in record:
        if name not in known:
            raise CountsError(f"{path}.{name}", "is not known here", f"use {', '.join(sorted(known))}")
    return dict(record)

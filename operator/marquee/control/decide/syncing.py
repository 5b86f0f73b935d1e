"""Whether a stored object already says what a manifest wants: what is converged is not written again."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

_SUFFIXES: Final = {
    "n": Decimal("1e-9"), "u": Decimal("1e-6"), "m": Decimal("1e-3"), "": Decimal(1),
    "k": Decimal("1e3"), "M": Decimal("1e6"), "G": Decimal("1e9"), "T": Decimal("1e12"), "P": Decimal("1e15"),
    "E": Decimal("1e18"), "Ki": Decimal(2**10), "Mi": Decimal(2**20), "Gi": Decimal(2**30),
    "Ti": Decimal(2**40), "Pi": Decimal(2**50), "Ei": Decimal(2**60),
}  # fmt: skip
_QUANTITY_MAPS: Final = frozenset({"limits", "requests"})
_WHOLE: Final = frozenset({"selector"})
"""A label that somebody adds to one leaves pods out: it means something else."""


def is_in_sync(wanted: Any, stored: Any) -> bool:
    """Every field of ``wanted`` has the same value in ``stored``, whatever else the server has added; but to selectors
    nothing may be added.

    Lists of named objects (containers, ports, variables) are matched by name, since admission may add to
    them; other lists must be equal in length and order. Quantities compare by value: the server stores
    ``1000m`` as ``1``.
    """
    return _covers(wanted, stored, quantities=False)


def _covers(wanted: Any, stored: Any, *, quantities: bool) -> bool:
    if wanted == stored:
        return True
    if isinstance(wanted, dict):
        if not isinstance(stored, dict):
            return not wanted and stored is None
        # most of a converged object is equal, which one comparison in C decides
        return all(
            value == (theirs := stored.get(key))
            or (key not in _WHOLE and _covers(value, theirs, quantities=quantities or key in _QUANTITY_MAPS))
            for key, value in wanted.items()
        )
    if isinstance(wanted, list):
        return _covers_list(wanted, stored)
    if quantities and wanted is not None and stored is not None:
        return _quantity(wanted) == _quantity(stored)
    return stored is None and wanted in (False, "", 0)


def _covers_list(wanted: list[Any], stored: Any) -> bool:
    if not isinstance(stored, list):
        return not wanted and stored is None
    if wanted and all(isinstance(item, dict) and "name" in item for item in wanted):
        named = {item.get("name"): item for item in stored if isinstance(item, dict)}
        return all(_covers(item, named.get(item["name"]), quantities=False) for item in wanted)
    return len(wanted) == len(stored) and all(
        _covers(mine, theirs, quantities=False) for mine, theirs in zip(wanted, stored, strict=True)
    )


def _quantity(value: Any) -> Decimal | str:
    text = str(value)
    number = text.rstrip("numkKMGTPEi")
    try:
        return Decimal(number) * _SUFFIXES[text[len(number) :]]
    except (ArithmeticError, KeyError):
        return text

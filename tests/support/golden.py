"""Golden vectors of the assignment: ``python -m tests.support.golden`` writes the file from the contract."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from marquee.contract.assignment import bucket_header, unit_hash

PATH: Final = Path(__file__).resolve().parents[1] / "golden" / "assignment.json"

MODELS: Final = ("crm/lead", "marketing/customer-value", "0ns/a")
UNITS: Final = (
    "user-1",
    "4711",
    "0",
    " padded ",
    "anna@example.org",
    "müller",  # one code point for the umlaut
    "mu\u0308ller",  # two: looks the same and is another unit
    "Straße ☂",
    "客户-17",
    "👩‍👩‍👧",
    "\u0000",
    "line\nbreak",
    'quote"back\\slash',
    "x" * 300,
    "é" * 1_000,
)
EMPTY: Final = ""
"""The contract gives it a hash; clients refuse it."""


def document() -> str:
    """The file's text: ASCII, so that no editor changes a unit."""
    vectors = [
        {"model": model, "unit": unit, "unitHash": digest.hex(), "bucket": bucket_header(digest)}
        for model in MODELS
        for unit in (*UNITS, EMPTY)
        for digest in [unit_hash(model, unit)]
    ]
    return "[\n" + ",\n".join(json.dumps(vector) for vector in vectors) + "\n]\n"


if __name__ == "__main__":
    PATH.write_text(document(), encoding="ascii")

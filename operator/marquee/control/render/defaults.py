"""The operator's defaults as a Deployment remembers them: what was first deployed is not restarted by newer ones."""

from __future__ import annotations

from dataclasses import asdict

import orjson
from pydantic import TypeAdapter, ValidationError

from marquee.control.snapshot import Defaults

_DEFAULTS = TypeAdapter(Defaults)


def remember(defaults: Defaults) -> str:
    """The text of the annotation; equal defaults give equal texts. What there is not is not mentioned: an operator that
    learns of a new default must not write to what it deployed before."""
    values = {name: value for name, value in asdict(defaults).items() if value != ""}
    return orjson.dumps(values, option=orjson.OPT_SORT_KEYS).decode()


def recall(text: str | None) -> Defaults | None:
    """The defaults that a Deployment was first rendered with; None when it does not say, or no longer legibly."""
    try:
        return _DEFAULTS.validate_json(text) if text else None
    except ValidationError:
        return None

"""What pydantic found wrong, as one sentence for people."""

from __future__ import annotations

from pydantic import ValidationError


def complaint(error: ValidationError) -> str:
    """The first thing that pydantic found wrong, with the path of its field."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    path = ".".join(map(str, first["loc"]))
    return f"{path}: {first['msg']}" if path else first["msg"]

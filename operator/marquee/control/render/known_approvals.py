"""Which approvals the audit log has, as the model's Service remembers them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Final

import orjson
from pydantic import TypeAdapter, ValidationError

MAX_KNOWN: Final = 32
_TEXT_LIMIT: Final = 253


@dataclass(frozen=True, slots=True)
class KnownApproval:
    """What the log says of one."""

    uid: str
    state: str
    """``Given``, ``Expired`` or ``Voided``."""
    revision: str
    approver: str


_KNOWN: Final = TypeAdapter(dict[str, KnownApproval])


def known_text(known: Mapping[str, KnownApproval]) -> str:
    """The annotation's text; empty when there is none."""
    return (
        orjson.dumps({name: asdict(one) for name, one in known.items()}, option=orjson.OPT_SORT_KEYS).decode()
        if (known)
        else ""
    )


def read_known(text: str | None) -> dict[str, KnownApproval]:
    """What an annotation says; nothing when it is none of ours."""
    try:
        known = _KNOWN.validate_json(text) if text else {}
    except ValidationError:
        return {}
    return {name: one for name, one in known.items() if _is_sound(name, one)}


def _is_sound(name: str, one: KnownApproval) -> bool:
    texts = (name, one.uid, one.revision, one.approver)
    return one.state in {"Given", "Expired", "Voided"} and all(len(text) <= _TEXT_LIMIT for text in texts)

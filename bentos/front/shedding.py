"""Just enough of a request that is turned away: where it ends, and whose it is.

Under overload most requests are refused, and what a refusal costs is taken from those that are answered. A parser that
looks at every header costs more than the refusal, so a request that lies whole in one piece of what came is measured
here instead. Whatever is not certainly one plain request of a known length is left to the parser: what ends where is
decided by one content length alone, with no transfer coding, no folded line and no lone line break, so that no
request is ever seen in another's body (RFC 9112, sections 2.2, 5.2, 6.3 and 11.2).
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from bentos.front.asgi import Header

_LINE: Final = re.compile(rb"POST (/[!-~]*) HTTP/1\.1\r\n")
_LENGTH: Final = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,8})[ \t]*\r\n")
_OURS: Final = re.compile(rb"\r\n(marquee-[a-z-]+):[ \t]*([^\r]*?)[ \t]*(?=\r\n)", re.IGNORECASE)
_END: Final = b"\r\n\r\n"
_UNUSUAL: Final = (b"transfer-encoding", b"upgrade", b"expect", b"close", b"\n ", b"\n\t")
"""Searched for one by one: an expression of all of them takes ten times as long."""


class Plain(NamedTuple):
    """One whole request for a prediction."""

    url: bytes
    headers: list[Header]
    """Marquee's own, with names in small letters."""


def plain_request(data: bytes) -> Plain | None:
    """The request that ``data`` is; None when it is not one, not all of one, more than one, or anything but plain."""
    line = _LINE.match(data)
    end = data.find(_END)
    if line is None or end < 0:
        return None
    head = data[: end + 2].lower()
    lengths = _LENGTH.findall(head)
    if len(lengths) != 1 or head.count(b"content-length") != 1 or end + len(_END) + int(lengths[0]) != len(data):
        return None
    if not head.count(b"\r") == head.count(b"\n") == head.count(b"\r\n"):
        return None
    for part in _UNUSUAL:
        if part in head:
            return None
    if b"\nmarquee-" not in head:
        return Plain(line[1], [])
    return Plain(line[1], [(name.lower(), value) for name, value in _OURS.findall(data, 0, end + 2)])

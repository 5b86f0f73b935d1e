"""What keeps a command from being carried out, in words for people."""

from __future__ import annotations

from typing import Final

_LASTING: Final = ("(NotFound)", "(Forbidden)", "Unauthorized", "must be logged in", "doesn't have a resource type")


class ClusterProblem(Exception):  # noqa: N818 - what kubectl or the cluster says, for people
    """The message is what kubectl said, or what to do. ``is_lasting``: asking again is useless."""

    def __init__(self, message: str, *, lasting: bool = False) -> None:
        super().__init__(message)
        self.is_lasting = lasting or any(sign in message for sign in _LASTING)

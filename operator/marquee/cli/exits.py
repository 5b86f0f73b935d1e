"""Exit codes, as ``--help`` and ``docs/cli.md`` list them."""

from __future__ import annotations

from enum import IntEnum


class Exit(IntEnum):
    """What a script can tell apart."""

    DONE = 0
    FAILED = 1
    """The cluster, or the state that the rollout is in, refuses; the reason is on standard error."""
    USAGE = 2
    """The arguments are wrong; argparse's own code."""
    DIFFERS = 3
    """`evidence`: the integers give other e-values or another verdict than the status has; `drift`: another verdict on
    the same window."""
    CANNOT_CONCLUDE = 4
    """`plan`: a step has too little time for a verdict."""
    INTERRUPTED = 130
    """Ctrl-C, or SIGTERM; also how `--watch` ends."""
    BROKEN_PIPE = 141
    """Whoever read the output has gone, as with ``| head``."""

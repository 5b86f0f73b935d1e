"""Which cases property tests try: the same ones for everybody, or ten times as many new ones with ``thorough``."""

from __future__ import annotations

import os
from typing import Final

from hypothesis import HealthCheck, settings

_USUAL: Final = 100

# How long a case takes says how busy the machine is, not whether the code is right. A change is judged by the same
# cases wherever it is tried; looking for new ones is work of its own.
settings.register_profile(
    "usual", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)
settings.register_profile("thorough", settings.get_profile("usual"), max_examples=10 * _USUAL, derandomize=False)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or "usual")


def examples(count: int) -> int:
    """So many in a usual run; in proportion in another one."""
    return count * settings().max_examples // _USUAL

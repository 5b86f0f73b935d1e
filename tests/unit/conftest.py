"""Property tests follow ``$HYPOTHESIS_PROFILE``, those that set no number of their own too."""

from __future__ import annotations

import tests.support.examples  # noqa: F401 - loads the profile

"""Notices when Triton lost the model, because it had to start again, and has it loaded once more.

A thread of its own: loading takes seconds, and the event loop answers users meanwhile that they shall come again.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Final

log = logging.getLogger(__name__)

CHECK_SECONDS: Final = 1.0
_MOST_SECONDS: Final = 10.0
"""Longest pause between two attempts to load."""
_STOP_SECONDS: Final = 5.0
_SILENCE_TOLERATED: Final = 1
"""Checks without an answer in a row that count as a busy server."""


class Keeper:
    """Keeps a model loaded.

    Args:
        is_ready: whether the server has the model; None: no answer in time.
        restore: loads it and tries it; raises what went wrong.

    """

    def __init__(self, is_ready: Callable[[], bool | None], restore: Callable[[], None]) -> None:
        self.available = True
        self._is_ready = is_ready
        self._restore = restore
        self._changed: Callable[[bool], object] = lambda _: None
        self._alarm = threading.Event()
        self._stopping = False
        self._silent = 0
        self._thread = threading.Thread(target=self._run, name="triton-keeper", daemon=True)

    def start(self) -> None:
        """Begin to look, once."""
        if self._thread.ident is None:
            self._thread.start()

    def tell(self, changed: Callable[[bool], object]) -> None:
        """Call ``changed``, in the keeper's thread, whenever the model goes away or comes back."""
        self._changed = changed
        if not self.available:
            changed(False)

    def look(self) -> None:
        """Look now: a prediction found no model."""
        self._alarm.set()

    def stop(self) -> None:
        """End the thread, and wait until it has ended; a call that hangs is left behind after 5 s."""
        self._stopping = True
        self._alarm.set()
        if self._thread.ident is not None:
            self._thread.join(_STOP_SECONDS)

    def _run(self) -> None:
        pause = CHECK_SECONDS
        while not self._stopping:
            self._alarm.wait(pause)
            self._alarm.clear()
            pause = CHECK_SECONDS if self._stopping or self._check() else min(2 * pause, _MOST_SECONDS)

    def _check(self) -> bool:
        ready = self._is_ready()
        self._silent = self._silent + 1 if ready is None else 0
        if ready is None and self._silent <= _SILENCE_TOLERATED:
            return True
        if self._stopping or (ready and self.available):
            return True
        self._say(available=False)
        if ready is None:
            return True  # it hangs: there is nobody to load a model
        try:
            self._restore()
        except Exception as error:  # noqa: BLE001 - whatever it is, it is tried again
            if not self._stopping:  # then nobody waits for it
                log.warning("Triton has not got the model back: %s", error)
            return False
        self._say(available=True)
        return True

    def _say(self, *, available: bool) -> None:
        if available == self.available:
            return
        self.available = available
        log.warning("Triton has the model again" if available else "Triton does not answer, or lost the model")
        self._changed(available)

"""Which units were reported already: a table of fixed size that may forget, and never invents."""

from __future__ import annotations

from array import array
from typing import Final

SIZE: Final = 2**17
"""Units that can be remembered, in ten bytes each."""
_NOWHERE: Final = 0xFFFF
"""Later than every place in a rollout, so that an empty row never matches."""


class Sights:
    """Units by rollout and place, each in the one row that its hash points at, over whoever was there before.

    The ledger counts a unit once, at the smallest place where anybody saw it; a unit that was forgotten here and
    is reported again costs eight bytes of traffic. So a table without chains and without an order of use is enough, and
    it cannot grow, whatever is invented in headers.
    """

    def __init__(self, size: int = SIZE) -> None:
        self._size = size
        self._units = array("Q", bytes(8 * size))
        self._places = array("H", [_NOWHERE]) * size

    def is_first(self, salt: int, place: int, unit: bytes) -> bool:
        """Remember a unit; whether it was not known to have been at this place, or an earlier one, before.

        Args:
            salt: 64 bits that tell rollouts apart.
            place: of the step and arm within the rollout, in the order of time.
            unit: its hash, 8 bytes.

        """
        mixed = int.from_bytes(unit, "big") ^ salt
        row = mixed % self._size
        if self._units[row] == mixed:
            if self._places[row] <= place:
                return False
        else:
            self._units[row] = mixed
        self._places[row] = place
        return True

    def forget(self) -> None:
        """Take every unit for new again."""
        self._places = array("H", [_NOWHERE]) * self._size

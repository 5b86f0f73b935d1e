"""Where a process stands among those of a run on many nodes, as its environment says it.

Kubeflow Trainer tells every pod of a TrainJob the ``PET_*`` variables, which ``torchrun`` reads; the processes that
``torchrun`` then starts get ``RANK``, ``WORLD_SIZE``, ``MASTER_ADDR`` and ``MASTER_PORT``. Where a pod is one process,
the former say as much as the latter, and no ``torchrun`` is needed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

EXIT_CODE_PEER_LOST: Final = 75
"""EX_TEMPFAIL of sysexits.h: this process could go on, and another one of the run is gone. All of them start again, a
few times; with any other code but 0 the run has failed."""
MAX_PROCESSES: Final = 1_024


@dataclass(frozen=True, kw_only=True)
class Standing:
    """One process among others."""

    rank: int
    processes: int
    address: str
    """Of the first process, where all meet."""
    port: int

    @property
    def is_first(self) -> bool:
        """Whether it writes the artifact and the result, which are one for all."""
        return self.rank == 0


def read_standing(environment: Mapping[str, str]) -> Standing | None:
    """Where this process stands; None where it is alone.

    Raises:
        ValueError: with the name of the variable that is missing or wrong, and what to do.

    """
    if "RANK" in environment:
        rank, processes, names = "RANK", "WORLD_SIZE", ("MASTER_ADDR", "MASTER_PORT")
    elif "PET_NNODES" in environment:
        if environment.get("PET_NPROC_PER_NODE", "1") != "1":
            raise ValueError(
                "PET_NPROC_PER_NODE: this is one process a node; for more, torchrun has to start them: "
                "torchrun --no-python marquee retrain USE-CASE"
            )
        rank, processes, names = "PET_NODE_RANK", "PET_NNODES", ("PET_MASTER_ADDR", "PET_MASTER_PORT")
    else:
        return None
    number = _number(environment, processes, at_least=1, at_most=MAX_PROCESSES)
    if number == 1:
        return None
    address, port = names
    if not environment.get(address):
        raise ValueError(f"{address}: must be set where there are {number} processes")
    return Standing(
        rank=_number(environment, rank, at_least=0, at_most=number - 1),
        processes=number,
        address=environment[address],
        port=_number(environment, port, at_least=1, at_most=65_535),
    )


def _number(environment: Mapping[str, str], name: str, *, at_least: int, at_most: int) -> int:
    text = environment.get(name, "")
    if not (
        text.isascii() and text.isdecimal() and len(text) <= len(str(at_most)) and at_least <= int(text) <= at_most
    ):
        raise ValueError(f"{name}: {text[:20]!r} is no whole number from {at_least} to {at_most}")
    return int(text)

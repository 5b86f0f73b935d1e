"""Several processes that train one model, each on its share of every batch: PyTorch's DDP over gloo, on the CPU.

The sums of all shares are the sums of the whole batch, so the same seed gives the same model whatever the number of
processes, up to the order in which floats are added.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from marquee.contract.distributed import Standing
from marquee.contract.training import TrainingError, TrainingFailureReason

PATIENCE: Final = dt.timedelta(minutes=30)
"""Others may still wait for a node or fetch their image; and what no process does takes longer than this."""


@dataclass(frozen=True)
class Team:
    """The processes of a run; within `together`."""

    rank: int
    processes: int

    @property
    def is_first(self) -> bool:
        """Whether this one tells the result of all."""
        return self.rank == 0

    def share(self, rows: int) -> slice:
        """Which rows of a batch are this process's; together they are all of them, each once."""
        start, end = (rows * place // self.processes for place in (self.rank, self.rank + 1))
        return slice(start, end)

    def wrapped(self, module: nn.Module) -> nn.Module:
        """The module with the first process's weights, whose gradients are the mean over all processes."""
        return DistributedDataParallel(module)


@contextmanager
def together(standing: Standing) -> Iterator[Team]:
    """Meet the others, and part from them at the end.

    Raises:
        TrainingError: ``PeerLost`` when they do not come, or one of them is gone in the middle.

    """
    try:
        dist.init_process_group(
            "gloo",
            init_method=f"tcp://{_host(standing.address)}:{standing.port}?use_libuv=0",  # Debian's is built without
            rank=standing.rank,
            world_size=standing.processes,
            timeout=PATIENCE,
        )
        yield Team(standing.rank, standing.processes)
        dist.barrier()
    except RuntimeError as error:
        if not _is_of_a_peer(error):
            raise
        what = f"process {standing.rank} of {standing.processes} has lost another one"
        raise TrainingError(TrainingFailureReason.PEER_LOST, f"{what}: {error}") from error
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()


def summed(team: Team | None, loss: Tensor, penalty: Tensor) -> Tensor:
    """What to derive so that the mean of all gradients is that of the sum of all losses and of one penalty."""
    return loss + penalty if team is None else team.processes * loss + penalty


def _host(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def _is_of_a_peer(error: RuntimeError) -> bool:
    """Gloo has no exception of its own: it says in words where it comes from."""
    return isinstance(error, dist.DistError) or "gloo" in str(error).lower()

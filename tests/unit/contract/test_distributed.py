"""Where a process stands, by torchrun's variables or by those that Kubeflow Trainer gives to torchrun."""

from __future__ import annotations

import pytest

from marquee.contract.distributed import Standing, read_standing

PET = {
    "PET_NNODES": "2",
    "PET_NPROC_PER_NODE": "1",
    "PET_NODE_RANK": "1",
    "PET_MASTER_ADDR": "lead-train-node-0-0.lead-train",
    "PET_MASTER_PORT": "29500",
}
TORCHRUN = {"RANK": "3", "WORLD_SIZE": "4", "MASTER_ADDR": "10.0.0.1", "MASTER_PORT": "29500"}


def test_whoever_is_told_nothing_is_alone() -> None:
    """And a run of one process is no run of several."""
    assert read_standing({}) is None
    assert read_standing(PET | {"PET_NNODES": "1", "PET_NODE_RANK": "0"}) is None
    assert read_standing(TORCHRUN | {"RANK": "0", "WORLD_SIZE": "1"}) is None


def test_a_pod_that_is_one_process() -> None:
    """Its rank is its node's."""
    found = read_standing(PET)
    assert found == Standing(rank=1, processes=2, address="lead-train-node-0-0.lead-train", port=29_500)
    assert found is not None
    assert not found.is_first


def test_what_torchrun_has_started_is_told_by_torchrun() -> None:
    """Beside the variables of its pod, which count nodes."""
    found = read_standing(PET | {"PET_NPROC_PER_NODE": "2"} | TORCHRUN)
    assert found == Standing(rank=3, processes=4, address="10.0.0.1", port=29_500)


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        (PET | {"PET_NPROC_PER_NODE": "2"}, "PET_NPROC_PER_NODE: .* torchrun"),
        (PET | {"PET_NPROC_PER_NODE": "auto"}, "PET_NPROC_PER_NODE"),
        (PET | {"PET_NNODES": "1:4"}, "PET_NNODES: '1:4' is no whole number"),
        (PET | {"PET_NNODES": "0"}, "PET_NNODES"),
        (PET | {"PET_NODE_RANK": "2"}, "PET_NODE_RANK: '2' is no whole number from 0 to 1"),
        (PET | {"PET_NODE_RANK": "-1"}, "PET_NODE_RANK"),
        (PET | {"PET_MASTER_PORT": "65536"}, "PET_MASTER_PORT"),
        (PET | {"PET_MASTER_ADDR": ""}, "PET_MASTER_ADDR: must be set"),
        ({"RANK": "0"}, "WORLD_SIZE"),
        (TORCHRUN | {"RANK": "4"}, "RANK"),
        (TORCHRUN | {"WORLD_SIZE": "9" * 30}, "WORLD_SIZE"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(environment: dict[str, str], words: str) -> None:
    """Before anybody waits for processes that never come."""
    with pytest.raises(ValueError, match=words):
        read_standing(environment)

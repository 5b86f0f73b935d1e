"""What is said where the cluster cannot run."""

from dataclasses import replace
from pathlib import Path

import pytest

from localcluster.errors import CannotRunHere
from localcluster.machine import Machine, cgroup_controllers, filesystem_of
from localcluster.preflight import api_problems, full_problems, require

GOOD = Machine(
    system="Linux",
    architecture="x86_64",
    is_root=True,
    can_build=True,
    missing_packages=(),
    can_install_packages=True,
    free_disk_bytes=50 * 10**9,
    memory_bytes=16 * 10**9,
    cgroup_controllers=frozenset({"cpu", "memory", "pids", "cpuset", "cpuacct"}),
)

V1 = """30 29 0:26 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755
31 30 0:27 / /sys/fs/cgroup/cpu,cpuacct rw,relatime - cgroup cgroup rw,cpu,cpuacct
32 30 0:28 / /sys/fs/cgroup/memory rw,relatime - cgroup cgroup rw,memory
33 30 0:29 / /elsewhere rw,relatime - cgroup cgroup rw,pids
34 1 254:0 / / rw,relatime - ext4 /dev/vda rw
35 1 0:30 / /data rw - overlay overlay rw,lowerdir=/a
"""


def test_a_good_machine_has_no_problem() -> None:
    """Nothing stands against either profile."""
    assert full_problems(GOOD) == []
    assert api_problems(GOOD) == []
    require([])


@pytest.mark.parametrize(
    ("machine", "said", "advised"),
    [
        (replace(GOOD, system="Darwin"), "this is Darwin on x86_64", "Linux machine"),
        (replace(GOOD, architecture="riscv64"), "this is Linux on riscv64", "KUBECONFIG"),
        (replace(GOOD, is_root=False), "not root", "--profile api"),
        (replace(GOOD, can_build=False), "no Go to build them with", "https://go.dev/dl"),
        (replace(GOOD, cgroup_controllers=frozenset({"cpu"})), "cpuset, memory, pids", "privileged"),
        (replace(GOOD, can_make_bridge=False), "cannot make a network bridge", "modprobe bridge"),
        (replace(GOOD, can_mount=False), "cannot mount", "privileged"),
        (replace(GOOD, free_disk_bytes=10**9), "only 1.0 GB of disk", "MARQUEE_CACHE"),
        (replace(GOOD, memory_bytes=10**9), "only 1.0 GB of memory", "3 GB"),
        (replace(GOOD, foreign_bridge=True), "marquee0 exists", "ip link delete marquee0"),
        (replace(GOOD, foreign_kubernetes=True), "another Kubernetes", "KUBECONFIG"),
        (replace(GOOD, foreign_route="198.18.0.0/15 dev eth1"), "198.18.0.0/15 dev eth1", "remove that route"),
        (
            replace(GOOD, missing_packages=("containerd", "runc"), can_install_packages=False),
            "programs are missing: containerd runc",
            "apt-get install containerd runc",
        ),
    ],
)
def test_each_obstacle_is_told_with_its_way_out(machine: Machine, said: str, advised: str) -> None:
    """One obstacle gives one problem that says what it is, why it matters and what to do."""
    (problem,) = full_problems(machine)
    assert said in problem.what
    assert problem.why
    assert advised in problem.fix


def test_missing_packages_are_no_problem_where_they_can_be_installed() -> None:
    """Root on a Debian gets them installed."""
    assert full_problems(replace(GOOD, missing_packages=("containerd",))) == []


def test_a_bare_control_plane_needs_no_privileges() -> None:
    """Neither root nor control groups nor bridge are asked for by the api profile."""
    poor = replace(GOOD, is_root=False, cgroup_controllers=frozenset(), can_make_bridge=False, can_mount=False)
    assert api_problems(poor) == []


def test_all_problems_come_in_one_message() -> None:
    """A person fixes everything at once instead of one thing a run."""
    with pytest.raises(CannotRunHere) as refusal:
        require(full_problems(replace(GOOD, is_root=False, can_build=False)))
    text = str(refusal.value)
    assert "nothing was changed" in text
    assert "not root" in text
    assert "Go" in text
    assert text.count("what to do:") == 2


def test_controllers_of_both_versions_are_found() -> None:
    """Version 1 shows in the mounts below /sys/fs/cgroup, version 2 in its own list."""
    assert cgroup_controllers(V1, "") == {"rw", "cpu", "cpuacct", "memory"}
    assert cgroup_controllers("34 1 254:0 / / rw - ext4 /dev/vda rw", "cpu memory pids\n") == {"cpu", "memory", "pids"}


def test_the_deepest_mount_decides_the_file_system() -> None:
    """A folder below an overlay lies on the overlay, its neighbour on the root."""
    assert filesystem_of(Path("/data/cluster"), V1) == "overlay"
    assert filesystem_of(Path("/database"), V1) == "ext4"

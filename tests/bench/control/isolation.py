"""A network namespace of its own: simulated pods get addresses that answer, and nothing outlives the process."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Final

POD_NETWORK: Final = "198.18.128.0/17"
"""Half of the benchmark range (RFC 2544), local to the namespace: no packet ever leaves it."""

_MARKER: Final = "MARQUEE_BENCH_ISOLATED"


def enter(arguments: list[str]) -> None:
    """Start this process's program again in a new network namespace; returns once it runs there.

    Raises:
        SystemExit: not root.

    """
    if os.environ.get(_MARKER) == "1":
        _set_up_network()
        return
    if os.geteuid() != 0:
        sys.exit("bench-control: not root: the simulated pods need a network namespace; run it as root")
    command = ["unshare", "--net", sys.executable, "-m", "tests.bench.control", *arguments]
    os.execvpe(command[0], command, os.environ | {_MARKER: "1"})


def pod_network_of(node: int) -> str:
    """Addresses of one simulated node's pods: 1,024 of them."""
    return f"198.18.{128 + 4 * node}.0/22"


def _set_up_network() -> None:
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    subprocess.run(["ip", "route", "replace", "local", POD_NETWORK, "dev", "lo"], check=True)

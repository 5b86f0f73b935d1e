"""Offers pretend devices to this machine's kubelet until it is told to end: ``python -m tests.support.devices``."""

from __future__ import annotations

import argparse
import signal
from pathlib import Path

from tests.support.devices.offering import KUBELET_FOLDER
from tests.support.devices.plugin import DevicePlugin


def main() -> None:
    """Register, say so, and wait for SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--resource", default="nvidia.com/gpu")
    parser.add_argument("--count", type=int, default=1)
    parser.add_argument("--folder", type=Path, default=KUBELET_FOLDER)
    options = parser.parse_args()
    ends = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, ends)  # before any thread: all of them inherit it
    with DevicePlugin(options.folder, options.resource, options.count) as plugin:
        print(f"offers {options.resource}: {', '.join(plugin.devices)}", flush=True)
        signal.sigwait(ends)


if __name__ == "__main__":
    main()

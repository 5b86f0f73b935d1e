"""Draws the replay: load, replicas and p99 over the day. Runs in an environment with matplotlib, and with it alone.

``python plotting.py REPLAY.json PICTURE.png``
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
from matplotlib import pyplot as plt


def draw(replay: dict[str, Any], picture: Path) -> None:
    """Three panels over one axis of hours."""
    hours = replay["hours"]
    figure, panels = plt.subplots(3, 1, sharex=True, figsize=(9, 6.5), layout="constrained")
    load, replicas, latency = panels
    load.fill_between(hours, replay["requestsPerSecond"], step="post", alpha=0.5)
    load.set_ylabel("requests/s")
    load.set_title(f"Calls of one day at a bank's call centre, replayed {replay['speed']:g} times as fast")
    replicas.step(hours, replay["replicas"], where="post", color="tab:green")
    replicas.set_ylabel("ready pods")
    replicas.set_ylim(bottom=0)
    latency.plot(hours, replay["p99Milliseconds"], color="tab:red", label="p99")
    objective = replay["objectiveMilliseconds"]
    latency.axhline(objective, color="black", linestyle="--", linewidth=1, label=f"objective, {objective:g} ms")
    latency.set_yscale("log")
    latency.set_ylabel("ms")
    latency.set_xlabel("hour of the day")
    latency.legend(loc="upper right")
    for panel in panels:
        panel.grid(visible=True, alpha=0.3)
    # no date and no version in the file: the same replay gives the same bytes
    figure.savefig(picture, dpi=110, metadata={"Software": None})


if __name__ == "__main__":
    draw(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")), Path(sys.argv[2]))

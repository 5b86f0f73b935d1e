"""What `status` tells: the parts, since when, and whether the node is Ready."""

import os
from dataclasses import dataclass
from pathlib import Path

from localcluster import processes
from localcluster.cluster import Cluster
from localcluster.errors import CommandFailed
from localcluster.parts import PartState, SupervisorState, read_state
from localcluster.settings import NODE_NAME


@dataclass(frozen=True)
class Report:
    """Text for people and the one fact for scripts."""

    text: str
    is_up: bool


def report(cluster: Cluster) -> Report:
    """Look at the cluster without changing it."""
    state = read_state(cluster.layout.state)
    running = cluster.running
    if state is None or running is None:
        return Report("the local cluster is down; start it with: python3 -m localcluster up", is_up=False)
    supervised = processes.alive(state.supervisor)
    ready = supervised and all(part.ready for part in state.parts.values())
    lines = [
        f"profile     {running.profile}",
        f"kubeconfig  {cluster.kubeconfig}",
        f"programs    {running.programs}",
        f"logs        {cluster.layout.logs}",
        "supervisor  "
        + (f"pid {state.supervisor.pid}" if supervised else "DEAD: nothing restarts the parts; run `up` again"),
        "",
        *table(state, _uptime_ticks()),
    ]
    if running.profile == "full":
        lines += ["", f"node        {_node(cluster) if ready else 'unknown while parts are missing'}"]
    return Report("\n".join(lines), is_up=ready)


def table(state: SupervisorState, now_ticks: int) -> list[str]:
    """One line a part."""
    lines = [f"{'PART':<26}{'STATE':<12}{'PID':>8}{'UP':>10}{'RESTARTS':>10}  LAST EXIT"]
    for name, part in state.parts.items():
        pid = part.identity.pid if part.identity else "-"
        lines.append(
            f"{name:<26}{_word(part):<12}{pid:>8}{_up(part, now_ticks):>10}{part.restarts:>10}  {part.last_exit}"
        )
    return lines


def _word(part: PartState) -> str:
    if part.identity is None or not processes.alive(part.identity):
        return "stopped"
    return "ready" if part.ready else "starting"


def _up(part: PartState, now_ticks: int) -> str:
    if part.identity is None:
        return "-"
    seconds = (now_ticks - part.identity.start_ticks) // os.sysconf("SC_CLK_TCK")
    return f"{seconds // 60}m{seconds % 60:02}s"


def _uptime_ticks() -> int:
    return int(float(Path("/proc/uptime").read_text().split()[0]) * os.sysconf("SC_CLK_TCK"))


def _node(cluster: Cluster) -> str:
    condition = 'jsonpath={.status.conditions[?(@.type=="Ready")].status}'
    try:
        ready = cluster.kubectl("get", "node", NODE_NAME, "-o", condition, "--request-timeout=3s")
    except CommandFailed as failure:
        return f"unknown: {failure}"
    return f"{NODE_NAME} {'Ready' if ready == 'True' else 'NotReady'}"

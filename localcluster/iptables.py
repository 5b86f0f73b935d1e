"""Taking the cluster's packet filter rules out again: which chains and rules are ours, as text to text."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from localcluster.commands import run
from localcluster.errors import CommandFailed
from localcluster.settings import BRIDGE

COMMENT = "marquee-local"
_CHAIN_OF_KUBERNETES = re.compile(r"^(KUBE-|CNI-)")
_JUMP = re.compile(r"-j (?:KUBE-|CNI-)")
FAMILIES = ("iptables", "ip6tables")


@dataclass(frozen=True)
class Saved:
    """One line of iptables-save that matters: the chain or rule, and its table."""

    table: str
    line: str

    @property
    def chain(self) -> str:
        """Name of the chain that is declared or that the rule belongs to."""
        word = self.line.split()[0]
        return word[1:] if word.startswith(":") else self.line.split()[1]


def parse(save: str) -> Iterator[Saved]:
    """Chains and rules of the output of iptables-save."""
    table = ""
    for line in save.splitlines():
        if line.startswith("*"):
            table = line[1:].strip()
        elif line.startswith((":", "-A ")):
            yield Saved(table, line)


def foreign_kubernetes(save: str) -> bool:
    """Whether another Kubernetes (a kube-proxy) already rules this machine's packet filter."""
    return any(saved.line.startswith(":KUBE-SERVICES ") for saved in parse(save))


def removal(save: str, baseline: str) -> str:
    """Input for `iptables-restore --noflush` that removes what was not there before the cluster.

    Ours are the KUBE- and CNI- chains missing from the baseline, jumps into such chains from built-in
    ones, and rules with our comment. Empty when nothing is left.
    """
    before = {(saved.table, saved.chain) for saved in parse(baseline) if saved.line.startswith(":")}
    ours: dict[str, list[str]] = {}
    rules: dict[str, list[str]] = {}
    for saved in parse(save):
        declared = saved.line.startswith(":")
        is_ours = _CHAIN_OF_KUBERNETES.match(saved.chain) and (saved.table, saved.chain) not in before
        if declared and is_ours:
            ours.setdefault(saved.table, []).append(saved.chain)
        elif not declared and not is_ours and (COMMENT in saved.line or _jumps_to_ours(saved, before)):
            rules.setdefault(saved.table, []).append("-D" + saved.line[2:])
    lines: list[str] = []
    for table in sorted(ours.keys() | rules.keys()):
        lines += [f"*{table}", *rules.get(table, [])]
        # A chain can go only when no other one refers to it.
        lines += [f"-F {chain}" for chain in ours.get(table, [])]
        lines += [f"-X {chain}" for chain in ours.get(table, [])]
        lines.append("COMMIT")
    return "\n".join(lines) + "\n" if lines else ""


def _jumps_to_ours(saved: Saved, before: set[tuple[str, str]]) -> bool:
    found = _JUMP.search(saved.line)
    if found is None:
        return False
    target = saved.line[found.start() + 3 :].split()[0]
    return (saved.table, target) not in before


def save(family: str) -> str:
    """Present rules of `iptables` or `ip6tables`; empty where the kernel has none of that family."""
    try:
        return run([f"{family}-save"])
    except CommandFailed:
        return ""


def accept_forwarding() -> None:
    """Let the bridge's traffic through also where the default is to drop, as Docker sets it."""
    for direction in ("-i", "-o"):
        rule = ["FORWARD", direction, BRIDGE, "-m", "comment", "--comment", COMMENT, "-j", "ACCEPT"]
        try:
            run(["iptables", "-w", "-C", *rule])
        except CommandFailed:
            run(["iptables", "-w", "-I", *rule])


def remove(baselines: dict[str, str]) -> None:
    """Take out everything that is ours, in both address families."""
    for family in FAMILIES:
        script = removal(save(family), baselines.get(family, ""))
        if script:
            run([f"{family}-restore", "-w", "--noflush"], input=script)

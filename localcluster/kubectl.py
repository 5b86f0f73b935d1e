"""kubectl from the same build as the cluster."""

import os
from collections.abc import Sequence
from pathlib import Path

from localcluster import commands


def environment(kubeconfig: Path) -> dict[str, str]:
    """Environment in which kubectl talks to this cluster and no other, directly."""
    inherited = {k: v for k, v in os.environ.items() if k.lower() not in ("http_proxy", "https_proxy", "all_proxy")}
    return {**inherited, "KUBECONFIG": str(kubeconfig)}


def run(program: Path, kubeconfig: Path, args: Sequence[str], *, input: str | None = None) -> str:  # noqa: A002
    """Run kubectl and return what it prints on stdout."""
    return commands.run([program, "kubectl", *args], input=input, env=environment(kubeconfig))

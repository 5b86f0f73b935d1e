"""What all runs share: the control plane, the operators' source, the observatory, and how many run at once."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.crash.api import Api
from tests.crash.forking import ForkServer, Operator
from tests.crash.observatory import Observatory
from tests.crash.world import World
from tests.support.ledger import Ledger
from tests.support.simulation import SimulatedCluster

AT_ONCE: Final = 6
"""Runs side by side: while one waits for its pods, another's operator starts."""

_numbers = itertools.count(1)


@dataclass
class Bench:
    """Made once for all crash tests."""

    cluster: SimulatedCluster
    forks: ForkServer
    folder: Path
    api: Api
    observatory: Observatory
    ledger: Ledger
    turns: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(AT_ONCE))

    @property
    def judging(self) -> dict[str, str]:
        """Settings of operators that read the ledger, at short intervals, and enter what they decide."""
        token, key = self.folder / "token", self.folder / "author"
        token.write_text("anybody\n", encoding="ascii")
        key.write_text(64 * "2" + "\n", encoding="ascii")
        return {
            "ledger_url": self.ledger.url,
            "ledger_token_path": str(token),
            "evidence_seconds": "0.3",
            "audit_key_path": str(key),
        }

    async def world(self) -> World:
        """A new namespace."""
        name = f"crash-{next(_numbers)}"
        await self.api.send("POST", "/api/v1/namespaces", {"metadata": {"name": name}})
        return World(self.api, self.observatory, name)

    def operator(self, kubeconfig: Path, namespaces: str, **settings: str) -> Operator:
        """A fresh operator for some namespaces, separated by commas.

        Unless told otherwise it has a Lease of its own, and need not wait until a dead one's has run out.
        """
        name = f"operator-{next(_numbers)}"
        defaults = {
            "watch_namespaces": namespaces,
            "pod_namespace": namespaces.split(",", maxsplit=1)[0],
            "pod_name": name,
            "lease_name": name,
            "http_host": "127.0.0.1",
            "http_port": "0",
        }
        return self.forks.start(name, kubeconfig, **defaults | settings)

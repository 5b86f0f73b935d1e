"""The real ledger as a process of its own: SQLite, a port of this machine, everybody may do everything."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import httpx

from tests.support.plainhttp import http_client
from tests.unit.front.pods import ROOT

MASTER: Final = b"m" * 32
_START_SECONDS: Final = 60.0


class LedgerProcess:
    """``python -m marquee.ledger``; it can be killed and started again on the same port and database."""

    def __init__(self, folder: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        keys = folder / "master-keys"
        keys.mkdir(parents=True)
        (keys / "0").write_text(MASTER.hex(), encoding="ascii")
        self._log = folder / "ledger.log"
        self._environment = {
            **os.environ,
            "MARQUEE_LEDGER_DATABASE_URL": f"sqlite:///{folder / 'ledger.db'}",
            "MARQUEE_LEDGER_HTTP_HOST": "127.0.0.1",
            "MARQUEE_LEDGER_HTTP_PORT": str(self.port),
            "MARQUEE_LEDGER_MASTER_KEYS_PATH": str(keys),
            "MARQUEE_LEDGER_UNAUTHENTICATED": "true",
            "MARQUEE_LEDGER_DRAIN_SECONDS": "0",
            "PYTHONPATH": os.pathsep.join([str(ROOT / "operator"), str(ROOT)]),
        }
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        with self._log.open("ab") as log:
            command = [sys.executable, "-m", "marquee.ledger"]
            self._process = subprocess.Popen(command, env=self._environment, cwd=ROOT, stderr=log)
        deadline = time.monotonic() + _START_SECONDS
        with http_client(self.url) as http:
            while time.monotonic() < deadline and self._process.poll() is None:
                try:
                    if http.get("/readyz").status_code == 200:
                        return
                except httpx.TransportError:
                    time.sleep(0.05)
        raise RuntimeError(self._log.read_text(encoding="utf-8"))

    def kill(self) -> None:
        """SIGKILL, as a node's crash looks to its clients."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.wait()

    def declare(self, rollout: str, outcome: str) -> None:
        """Say what is counted in a rollout ``namespace/model/name``."""
        reply = httpx.put(f"{self.url}/v1/rollouts/{rollout}", json={"metrics": [{"outcome": outcome}]})
        reply.raise_for_status()

    def report(self, prediction_id: str, outcome: str) -> dict[str, Any]:
        """Report an outcome; the receipt."""
        reply = httpx.post(f"{self.url}/v1/outcomes", json=[{"predictionId": prediction_id, "outcome": outcome}])
        assert reply.status_code == 200, reply.text
        receipt: dict[str, Any] = reply.json()
        return receipt

    def cohorts(self, rollout: str) -> dict[str, dict[str, Any]]:
        """The integers of a rollout, by ``step/arm``."""
        reply = httpx.get(f"{self.url}/v1/statistics", params={"rollout": rollout})
        reply.raise_for_status()
        (found,) = reply.json()["rollouts"]
        return {f"{cohort['step']}/{cohort['arm']}": cohort for cohort in found["cohorts"]}

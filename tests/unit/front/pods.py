"""The front as a process of its own, on free ports of this machine."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

ROOT: Final = Path(__file__).resolve().parents[3]
_PORTS: Final = re.compile(r"listening on port (\d+), for scrapes on port (\d+)")
_START_SECONDS: Final = 60.0


class Pod:
    """``python -m bentos.front``; its log goes to a file and tells the ports."""

    def __init__(self, folder: Path, artifact: Path, digest: str, **settings: str) -> None:
        self.log = folder / "pod.log"
        self.termination = folder / "termination-log"
        self.termination.write_bytes(b"")
        values = {
            "model": "fixture",
            "namespace": "ns",
            "revision": "fixture-1",
            "artifact_uri": str(artifact),
            "artifact_digest": digest,
            "listen": "127.0.0.1:0",
            "metrics_listen": "127.0.0.1:0",
            "cache_path": str(folder / "cache"),
            "termination_message_path": str(self.termination),
            **settings,
        }
        self._environment = {
            **os.environ,
            **{f"MARQUEE_{name.upper()}": value for name, value in values.items()},
            "PYTHONPATH": os.pathsep.join([str(ROOT / "operator"), str(ROOT)]),
        }
        self.process: subprocess.Popen[bytes] | None = None
        self.port = self.metrics_port = 0

    def __enter__(self) -> Self:
        """Start it, and wait until its port is open."""
        with self.log.open("wb") as log:
            command = [sys.executable, "-m", "bentos.front"]
            self.process = subprocess.Popen(command, env=self._environment, cwd=ROOT, stderr=log)
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline and self.process.poll() is None:
            if found := _PORTS.search(self.log.read_text(encoding="utf-8")):
                self.port, self.metrics_port = int(found[1]), int(found[2])
                break
            time.sleep(0.02)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process is not None and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def wait_until_ready(self) -> Self:
        """Wait for the readiness endpoint to say yes."""
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            assert self.process is not None
            assert self.process.poll() is None, self.log.read_text(encoding="utf-8")
            if self.get("/v2/health/ready")[0] == 200:
                return self
            time.sleep(0.05)
        raise TimeoutError(self.log.read_text(encoding="utf-8"))

    def get(self, path: str, *, port: int | None = None) -> tuple[int, bytes]:
        """Status and body of a GET on a new connection."""
        connection = http.client.HTTPConnection("127.0.0.1", port or self.port, timeout=_START_SECONDS)
        try:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def terminate(self) -> None:
        """Send SIGTERM, as the kubelet does."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)

    def exit_code(self, *, within: float) -> int:
        """The code that the process leaves with."""
        assert self.process is not None
        return self.process.wait(timeout=within)

    def rss_megabytes(self) -> float:
        """Resident memory in 10^6 bytes."""
        assert self.process is not None
        statm = Path(f"/proc/{self.process.pid}/statm").read_text(encoding="ascii")
        return int(statm.split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


class Client:
    """A client that keeps its connection until it is asked to leave, like any HTTP/1.1 client."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._connection: http.client.HTTPConnection | None = None

    def predict(self, inputs: dict[str, Any]) -> tuple[int, dict[str, Any], bool]:
        """Status, body, and whether the server asked to close the connection."""
        if self._connection is None:
            self._connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
        body = json.dumps({"inputs": inputs})
        self._connection.request("POST", "/predict", body, {"content-type": "application/json"})
        response = self._connection.getresponse()
        answer = json.loads(response.read())
        closes = response.headers.get("connection") == "close"
        if closes:
            self.close()
        return response.status, answer, closes

    def close(self) -> None:
        """End the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

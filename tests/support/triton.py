"""A real Triton server as a process of this machine, on free ports of the loopback."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from localcluster.stages import Stages
from localcluster.triton import distribution
from tests.support.operator import free_port

_START_SECONDS: Final = 60.0


class Triton:
    """``tritonserver`` with explicit control over the models in ``folder/models``; its log goes to a file."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        self.repository = folder / "models"
        self.repository.mkdir(parents=True, exist_ok=True)
        self.log = folder / "triton.log"
        self._options = options
        self._grpc_port, self.metrics_port = free_port(), free_port()
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        """Of its gRPC service."""
        return f"127.0.0.1:{self._grpc_port}"

    def start(self) -> Self:
        """Start it, and wait until it shows metrics, as the kubelet does."""
        server = distribution.ensure(Stages())
        command = [
            str(server / "bin" / "tritonserver"),
            f"--model-repository={self.repository}",
            "--model-control-mode=explicit",
            f"--backend-directory={server / 'backends'}",
            f"--cache-directory={server / 'caches'}",
            "--allow-http=false",
            "--grpc-address=127.0.0.1",
            f"--grpc-port={self._grpc_port}",
            "--metrics-address=127.0.0.1",
            f"--metrics-port={self.metrics_port}",
            "--disable-auto-complete-config",
            *self._options,
        ]
        # the stub finds its packages by the first Python on PATH
        environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True)
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            assert self.process.poll() is None, self.log.read_text(encoding="utf-8", errors="replace")
            if self.metrics() is not None:
                return self
            time.sleep(0.05)
        raise TimeoutError(self.log.read_text(encoding="utf-8", errors="replace"))

    def metrics(self) -> str | None:
        """Its metrics page, once there is one."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.metrics_port}/metrics", timeout=2) as answer:
                return str(answer.read().decode())
        except OSError:
            return None

    def value(self, metric: str) -> float:
        """The sum of a metric's samples."""
        lines = (self.metrics() or "").splitlines()
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines if line.startswith((f"{metric}{{", f"{metric} ")))

    def send(self, number: signal.Signals) -> None:
        """Send a signal to the server and the processes of its models."""
        assert self.process is not None
        os.killpg(self.process.pid, number)

    def kill(self) -> None:
        """End it at once, as a crash does."""
        assert self.process is not None
        if self.process.poll() is None:
            self.send(signal.SIGKILL)
        self.process.wait()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

"""The operator as a process of its own, against any API server."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

ROOT = Path(__file__).resolve().parents[2]


class OperatorProcess:
    """``python -m marquee.control.app`` with a kubeconfig; its log goes to a file.

    Args:
        kubeconfig: Which API server, as whom.
        log: File that standard error is appended to.
        missing: Packages that it cannot import.
        settings: ``MARQUEE_OPERATOR_*`` without the prefix, in lower case.

    """

    def __init__(self, kubeconfig: Path, log: Path, *, missing: Sequence[str] = (), **settings: str) -> None:
        self.kubeconfig = kubeconfig
        self.log = log
        self.missing = missing
        self.port = free_port()
        self.settings = {"http_port": str(self.port), "http_host": "127.0.0.1", "pod_namespace": "default"} | settings
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> Self:
        """Start the process; does not wait."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, *self._program()], env=self._environment(), stderr=log, stdout=log, cwd=ROOT
            )
        return self

    def wait_until_ready(self, timeout_seconds: float = 30.0) -> None:
        """Wait for ``/readyz``."""
        deadline = time.monotonic() + timeout_seconds
        while time.monotonic() < deadline:
            if self.process is not None and self.process.poll() is not None:
                raise AssertionError(f"the operator ended with {self.process.returncode}:\n{self.log.read_text()}")
            if self.page("readyz").startswith("ok"):
                return
            time.sleep(0.05)
        raise AssertionError(f"the operator is not ready: {self.page('readyz')}\n{self.log.read_text()}")

    def page(self, name: str) -> str:
        """Body of one of the operator's pages; empty while it does not answer."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/{name}", timeout=5) as answer:
                return str(answer.read().decode())
        except urllib.error.HTTPError as error:
            return error.read().decode()
        except OSError:
            return ""

    def metric(self, name: str, **labels: str) -> float:
        """Sum of the samples of a metric whose labels include ``labels``."""
        total = 0.0
        for line in self.page("metrics").splitlines():
            series, _, value = line.rpartition(" ")
            if series.split("{", 1)[0] == name and all(f'{key}="{wanted}"' in series for key, wanted in labels.items()):
                total += float(value)
        return total

    def stop(self) -> int:
        """SIGTERM, and the exit code."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=30)

    def kill(self) -> None:
        """SIGKILL."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(timeout=30)

    def __enter__(self) -> Self:
        self.start()
        self.wait_until_ready()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _program(self) -> Sequence[str]:
        module = "marquee.control.app"
        if not self.missing:
            return "-m", module
        missing = f"sys.modules.update(dict.fromkeys({tuple(self.missing)}))"
        return "-c", f"import runpy, sys; {missing}; runpy.run_module('{module}', run_name='__main__')"

    def _environment(self) -> Mapping[str, str]:
        prefixed = {f"MARQUEE_OPERATOR_{key.upper()}": value for key, value in self.settings.items()}
        path = os.pathsep.join([str(ROOT / "operator"), str(ROOT)])
        return os.environ | {"KUBECONFIG": str(self.kubeconfig), "PYTHONPATH": path} | prefixed


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])

"""Reaches a Service of the cluster from this machine, whatever the cluster: `kubectl port-forward`."""

from __future__ import annotations

import json
import re
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from demo.errors import DemoError
from demo.target import Target
from localcluster import kubectl


@contextmanager
def forwarded(target: Target, service: str, namespace: str, *, port: int = 80) -> Iterator[str]:
    """Base URL of a Service while the block runs.

    Raises:
        DemoError: no pod of the Service accepts the connection.

    """
    command = [str(target.program), "kubectl", "port-forward", "-n", namespace, f"service/{service}", f":{port}"]
    process = subprocess.Popen(
        command,
        env=kubectl.environment(target.kubeconfig),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        assert process.stdout is not None  # noqa: S101 - asked for two lines above
        line = process.stdout.readline()
        if (found := re.search(r"127\.0\.0\.1:(\d+)", line)) is None:
            raise DemoError(f"port-forward to service {service} in {namespace}: {line.strip() or 'ended at once'}")
        yield f"http://127.0.0.1:{found.group(1)}"
    finally:
        process.terminate()
        process.wait(timeout=10)
        if process.stdout is not None:
            process.stdout.close()


def call(url: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
    """GET, or POST with a JSON body; the JSON answer, error answers included."""
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(url, data=data, headers={"content-type": "application/json"})  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310 - http to loopback
            found: dict[str, Any] = json.loads(answer.read())
    except urllib.error.HTTPError as error:
        found = json.loads(error.read())
    return found

"""Reading from the API server without starting kubectl, for loops that wait for something."""

import json
import ssl
import urllib.request
from typing import Any

from localcluster.errors import CommandFailed
from localcluster.paths import Layout


def get(layout: Layout, path: str, *, timeout_seconds: float = 5.0) -> dict[str, Any]:
    """The object at a path such as /api/v1/nodes/marquee, read as administrator."""
    server = json.loads(layout.kubeconfig.read_text())["clusters"][0]["cluster"]["server"]
    context = ssl.create_default_context(cafile=str(layout.pki / "ca.crt"))
    context.load_cert_chain(layout.pki / "admin.crt", layout.pki / "admin.key")
    # Proxies of the environment are for the outside world.
    handlers = (urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
    try:
        with urllib.request.build_opener(*handlers).open(f"{server}{path}", timeout=timeout_seconds) as answer:
            found: dict[str, Any] = json.load(answer)
    except OSError as failure:
        raise CommandFailed(f"GET {path} failed", why=str(failure)) from failure
    return found

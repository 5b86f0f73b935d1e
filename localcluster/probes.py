"""Asking a part whether it is ready."""

import socket
import ssl
import urllib.error
import urllib.request

from localcluster.parts import Probe

_TIMEOUT_SECONDS = 1.0


def is_ready(probe: Probe | None) -> bool:
    """Whether the part answers; a part without a probe is ready as soon as it runs."""
    if probe is None:
        return True
    if probe.socket_path:
        return _accepts(probe.socket_path)
    return _answers(probe.url, probe.ca_file)


def _accepts(path: str) -> bool:
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(_TIMEOUT_SECONDS)
        try:
            client.connect(path)
        except OSError:
            return False
    return True


def _answers(url: str, ca_file: str) -> bool:
    # Proxies of the environment are for the outside world, never for the cluster's own addresses.
    handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({})]
    if url.startswith("https:"):
        handlers.append(urllib.request.HTTPSHandler(context=_context(ca_file)))
    opener = urllib.request.build_opener(*handlers)
    try:
        with opener.open(url, timeout=_TIMEOUT_SECONDS) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False


def _context(ca_file: str) -> ssl.SSLContext:
    if ca_file:
        return ssl.create_default_context(cafile=ca_file)
    # The controller manager and the scheduler serve /healthz on loopback with a self-signed certificate.
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context

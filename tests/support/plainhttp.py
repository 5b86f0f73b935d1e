"""Clients of servers of this machine that speak plain HTTP."""

from __future__ import annotations

import ssl
from typing import Final

import httpx

_NO_CERTIFICATES: Final = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""By itself every client of httpx reads all certificates of the world, for 15 ms: what many a request takes."""


def http_client(base_url: str = "", *, timeout: float = 5) -> httpx.Client:
    """A client that goes by no proxy.

    Args:
        base_url: of the server, when there is one.
        timeout: seconds.

    """
    return httpx.Client(base_url=base_url, trust_env=False, timeout=timeout, verify=_NO_CERTIFICATES)

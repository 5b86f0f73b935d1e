"""The cluster's API server over HTTP, with what a pod finds in its file system; two requests, so no client library."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import aiohttp
import orjson

from marquee.ledger.access.reviews import Review
from marquee.ledger.access.senders import ReviewUnavailableError
from marquee.ledger.errors import SettingsError

SERVICE_ACCOUNT_FOLDER: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_PATH: Final = "/apis/authentication.k8s.io/v1/tokenreviews"
_TIMEOUT: Final = aiohttp.ClientTimeout(total=5)


class ApiServer:
    """One API server. The ledger's own token is read anew for each request, as the kubelet replaces it."""

    def __init__(self, url: str, token_path: Path, tls: ssl.SSLContext | None) -> None:
        self._url = url.rstrip("/")
        self._token_path = token_path
        self._tls = tls

    async def send(self, method: str, path: str, body: bytes | None = None) -> tuple[int, dict[str, Any]]:
        """The answer's status and its JSON object.

        Raises:
            OSError, TimeoutError, aiohttp.ClientError, ValueError: it does not answer, or not with JSON.

        """
        own = self._token_path.read_text(encoding="utf-8").strip()
        headers = {"authorization": f"Bearer {own}", "content-type": "application/json"}
        tls: ssl.SSLContext | bool = self._tls or True
        async with (
            aiohttp.ClientSession(timeout=_TIMEOUT) as session,
            session.request(method, self._url + path, data=body, headers=headers, ssl=tls) as response,
        ):
            answer: dict[str, Any] = orjson.loads(await response.read())
            return response.status, answer


class ApiServerReviewer:
    """Asks an API server whose a token is."""

    def __init__(self, server: ApiServer) -> None:
        self._server = server

    async def review(self, token: str, audience: str) -> Review:
        """The API server's verdict.

        Raises:
            ReviewUnavailableError: it does not answer, or does not let the ledger ask.

        """
        body = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenReview",
            "spec": {"token": token, "audiences": [audience]},
        }
        try:
            status, answer = await self._server.send("POST", _PATH, orjson.dumps(body))
        except (OSError, TimeoutError, aiohttp.ClientError, ValueError) as error:
            raise ReviewUnavailableError(f"the API server could not be asked about the token: {error}") from None
        if status not in {200, 201}:
            raise ReviewUnavailableError(f"the API server answered {status} to a TokenReview")
        return _verdict(answer.get("status") or {}, audience)


def in_cluster(environment: Mapping[str, str], folder: Path = SERVICE_ACCOUNT_FOLDER) -> ApiServer:
    """The API server of the cluster that this pod runs in.

    Raises:
        SettingsError: this is no pod, or its service account is not mounted.

    """
    host, port = environment.get("KUBERNETES_SERVICE_HOST"), environment.get("KUBERNETES_SERVICE_PORT", "443")
    if not host:
        raise SettingsError(
            "service-account tokens can be reviewed only in a cluster: KUBERNETES_SERVICE_HOST is not set"
        )
    try:
        tls = ssl.create_default_context(cafile=str(folder / "ca.crt"))
    except OSError as error:
        raise SettingsError(f"the cluster's certificate cannot be read: {error}") from None
    address = f"[{host}]" if ":" in host else host
    return ApiServer(f"https://{address}:{port}", folder / "token", tls)


def _verdict(status: Mapping[str, Any], audience: str) -> Review:
    """An API server that knows no audiences must not make us take a token that was meant for others."""
    if not status.get("authenticated"):
        return Review("", status.get("error", ""))
    if audience not in (status.get("audiences") or []):
        return Review("", f"it was not issued for the audience {audience}")
    return Review(status.get("user", {}).get("username", ""))

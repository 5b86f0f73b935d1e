"""Where the API server is and how to prove who we are: the official client's login, and nothing else of it.

`kubernetes.aio` reads kubeconfigs and service accounts, runs login helpers and renews tokens. Its request path is
not used: one server-side apply through it costs two to three times the CPU of the session in `connection`.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

from kubernetes.aio import config as kube_login
from kubernetes.aio.client import Configuration

from marquee.control.cluster.errors import LoginFailed
from marquee.control.runtime.clock import monotonic_seconds

TOKEN_CHECK_SECONDS: Final = 60.0
"""How often the source of a token is asked for a newer one. The kubelet replaces a projected token at four fifths
of its life, ten minutes at least, so a minute is early enough; asking runs no helper whose token still lives."""

_SERVICE_ACCOUNT_FOLDER: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")


class Access:
    """Address, TLS and token of one API server."""

    def __init__(self, configuration: Any, *, reload: Callable[[], Awaitable[object]] | None = None) -> None:
        self._configuration = configuration
        self._reload = reload
        self._check_at = monotonic_seconds() + TOKEN_CHECK_SECONDS
        self._checking = asyncio.Lock()
        self._authorization: str | None = configuration.api_key.get("BearerToken")
        self._certificate = self._certificate_files()
        self.server: str = str(configuration.host).rstrip("/")
        """Base URL, without a slash at its end."""
        self.ssl_context: ssl.SSLContext | None = self._tls() if self.server.startswith("https") else None
        self.ca_path: str | None = configuration.ssl_ca_cert
        self.verifies: bool = bool(configuration.verify_ssl)
        self.server_name: str | None = configuration.tls_server_name
        """Name to expect in the server's certificate where it differs from the URL's."""
        self.proxy: str | None = configuration.proxy

    @property
    def certificate_path(self) -> str | None:
        """File of the client certificate (PEM); None when a token is the identity."""
        return self._certificate[0]

    @property
    def private_key_path(self) -> str | None:
        """File of the client certificate's key (PEM)."""
        return self._certificate[1]

    async def authorization(self) -> str | None:
        """Return the ``Authorization`` header of now; None when the client certificate is the identity."""
        if monotonic_seconds() >= self._check_at and not self._checking.locked():
            async with self._checking:
                await self._check()
        return self._authorization

    def expire(self) -> None:
        """Have the token's source asked before the next request, because the server refused the one we have."""
        self._check_at = 0.0

    async def _check(self) -> None:
        self._check_at = monotonic_seconds() + TOKEN_CHECK_SECONDS
        try:
            if self._reload is not None:
                await self._reload()
            self._authorization = await self._configuration.get_api_key_with_prefix("BearerToken")
        except Exception as error:
            raise LoginFailed(f"the API token could not be renewed: {error}") from error
        if self._certificate_files() != self._certificate and self.ssl_context is not None:
            self._certificate = self._certificate_files()
            self._load_certificate(self.ssl_context)

    def _certificate_files(self) -> tuple[str | None, str | None]:
        return self._configuration.cert_file, self._configuration.key_file

    def _tls(self) -> ssl.SSLContext:
        context = ssl.create_default_context(
            cafile=self._configuration.ssl_ca_cert, cadata=self._configuration.ca_cert_data
        )
        if not self._configuration.verify_ssl:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        self._load_certificate(context)
        return context

    def _load_certificate(self, context: ssl.SSLContext) -> None:
        # Connections made after this use it: a renewed client certificate needs no new session.
        certificate, key = self._certificate
        if certificate:
            context.load_cert_chain(certificate, keyfile=key)


async def log_in(*, context: str | None = None) -> Access:
    """Find the cluster as kubectl does: ``$KUBECONFIG``, then the pod's service account, then ``~/.kube/config``.

    Args:
        context: name of a kubeconfig context; with it the service account is not considered.

    Raises:
        LoginFailed: no source of credentials, or the one found is broken.

    """
    configuration: Any = Configuration()
    in_pod = (_SERVICE_ACCOUNT_FOLDER / "token").is_file() and "KUBERNETES_SERVICE_HOST" in os.environ
    if in_pod and context is None and not os.environ.get("KUBECONFIG"):
        return _with_service_account(configuration)
    return await _with_kubeconfig(configuration, context)


def _with_service_account(configuration: Any) -> Access:
    try:
        login: Any = kube_login.load_incluster_config
        login(client_configuration=configuration)
    except Exception as error:
        raise LoginFailed(f"the pod's service account cannot be used: {error}") from error
    return Access(configuration)


async def _with_kubeconfig(configuration: Any, context: str | None) -> Access:
    files = os.environ.get("KUBECONFIG") or str(Path.home() / ".kube" / "config")
    where = f"kubeconfig {files}" + (f", context {context}" if context else "")
    if not _any_exists(files):
        raise LoginFailed(f"{where}: no such file; set KUBECONFIG, or run in a pod with a service account")
    try:
        load: Any = kube_login.load_kube_config
        loader = await load(
            config_file=files, context=context, client_configuration=configuration, persist_config=False
        )
        access = Access(configuration, reload=lambda: loader.load_and_set(configuration))
    except Exception as error:  # the loader raises whatever a broken file makes it stumble over
        raise LoginFailed(f"{where}: cannot be used: {type(error).__name__}: {error}") from error
    identified = access.certificate_path is not None or await access.authorization() is not None
    if access.ssl_context is not None and not identified:
        raise LoginFailed(
            f"{where}: gives neither a token nor a client certificate; does `kubectl get --raw /version` work?"
        )
    return access


def _any_exists(files: str) -> bool:
    return any(Path(file).expanduser().is_file() for file in files.split(os.pathsep) if file)

"""The administrator's requests to the API server, from inside the event loop."""

from __future__ import annotations

import asyncio
import ssl
from types import TracebackType
from typing import Final, Self

import aiohttp

from localcluster import ControlPlane
from tests.support.kinds import Object

_GOODBYE_SECONDS: Final = 0.1
"""A TLS connection that was told to close is closed a few turns of the loop later."""


class RefusedError(Exception):
    """The API server said no."""

    def __init__(self, status: int, body: Object) -> None:
        super().__init__(f"{status}: {body.get('message')}")
        self.status = status


class Api:
    """One session; a context manager."""

    def __init__(self, plane: ControlPlane) -> None:
        self._plane = plane
        self._session: aiohttp.ClientSession | None = None

    @property
    def session(self) -> aiohttp.ClientSession:
        """For what is no plain request."""
        assert self._session is not None
        return self._session

    async def __aenter__(self) -> Self:
        tls = ssl.create_default_context(cafile=self._plane.ca_file)
        tls.load_cert_chain(self._plane.client_cert_file, self._plane.client_key_file)
        self._session = aiohttp.ClientSession(self._plane.server, connector=aiohttp.TCPConnector(ssl=tls, limit=50))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.session.close()
        await asyncio.sleep(_GOODBYE_SECONDS)

    async def send(self, method: str, path: str, body: Object | None = None, *, merge: bool = False) -> Object:
        """One request.

        Raises:
            RefusedError: the API server said no.

        """
        headers = {"Content-Type": "application/merge-patch+json" if merge else "application/json"}
        async with self.session.request(method, path, json=body, headers=headers) as answer:
            reply: Object = await answer.json()
            if answer.status >= 300:
                raise RefusedError(answer.status, reply)
            return reply

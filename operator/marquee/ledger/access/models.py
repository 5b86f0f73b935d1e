"""MarketingModels, read from the cluster's API server: what a rollout is to be judged by when it begins.

Kept for a few seconds: the API server must not hear of each question about a model without a rollout. One that has
begun needs no model any more.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Final

import aiohttp

from marquee.ledger.access.apiserver import ApiServer
from marquee.ledger.errors import ModelsUnavailableError

KEPT_SECONDS: Final = 5.0
_MAX_KEPT: Final = 1_000
_PATH: Final = "/apis/marquee.dev/v1alpha1/namespaces/{namespace}/marketingmodels/{name}"
_NOWHERE: Final = (
    "this ledger runs outside of a cluster, so it knows no MarketingModels and can begin no rollout to judge; "
    "set KUBERNETES_SERVICE_HOST and MARQUEE_LEDGER_SERVICE_ACCOUNT_PATH, or install it by the chart"
)


class Models:
    """The models of a cluster; without a server there are none to be read."""

    def __init__(self, server: ApiServer | None, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._server = server
        self._clock = clock
        self._kept: OrderedDict[str, tuple[float, dict[str, Any] | None]] = OrderedDict()

    async def read(self, path: str) -> dict[str, Any] | None:
        """The object as the API server has it, or None when there is none.

        Args:
            path: ``namespace/name``, checked.

        Raises:
            ModelsUnavailableError: it cannot be read.

        """
        until, known = self._kept.get(path, (0.0, None))
        if self._clock() < until:
            return known
        body = await self._ask(path)
        self._kept[path] = (self._clock() + KEPT_SECONDS, body)
        self._kept.move_to_end(path)
        if len(self._kept) > _MAX_KEPT:
            self._kept.popitem(last=False)
        return body

    async def _ask(self, path: str) -> dict[str, Any] | None:
        if self._server is None:
            raise ModelsUnavailableError(_NOWHERE)
        namespace, _, name = path.partition("/")
        try:
            status, body = await self._server.send("GET", _PATH.format(namespace=namespace, name=name))
        except (OSError, TimeoutError, aiohttp.ClientError, ValueError) as error:
            raise ModelsUnavailableError(
                f"the API server could not be asked for MarketingModel {path}: {error}"
            ) from None
        if status == 404:
            return None
        if status != 200:
            raise ModelsUnavailableError(
                f"the API server answered {status} to a request for MarketingModel {path}; the ledger's ServiceAccount "
                "needs the verb get on marketingmodels, as the chart grants it"
            )
        return body

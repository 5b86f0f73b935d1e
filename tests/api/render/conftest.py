"""The kinds of the Gateway API beside Marquee's own."""

from __future__ import annotations

import pytest

from localcluster.gateway.building import crds
from tests.support.apiserver import ApiServer
from tests.support.crds.installing import install, kinds_of


@pytest.fixture(scope="session")
def gateway_server(server: ApiServer) -> ApiServer:
    """The administrator's client, once the standard channel of the Gateway API is served."""
    install(server, kinds_of(crds))
    return server

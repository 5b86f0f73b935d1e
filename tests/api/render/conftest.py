"""The kinds of the Gateway API beside Marquee's own."""

from __future__ import annotations

import pytest
import yaml

from localcluster.gateway.building import crds
from localcluster.stages import Stages
from tests.support.apiserver import ApiServer
from tests.support.crds.installing import install


@pytest.fixture(scope="session")
def gateway_server(server: ApiServer) -> ApiServer:
    """The administrator's client, once the standard channel of the Gateway API is served."""
    install(server, list(yaml.safe_load_all(crds(Stages(quiet=True)))))
    return server

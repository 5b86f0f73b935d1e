"""Marquee's kinds on an API server."""

from __future__ import annotations

import time
from typing import Final

from marquee.api.crds import all_crds
from tests.support.apiserver import ApiServer

_ESTABLISHED_SECONDS: Final = 30.0
_CRDS: Final = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


def install_crds(client: ApiServer) -> None:
    """Create Marquee's kinds and wait until they are served."""
    for crd in all_crds().values():
        answer = client.create(_CRDS, crd)
        assert answer.accepted, answer.message
    deadline = time.monotonic() + _ESTABLISHED_SECONDS
    for crd in all_crds().values():
        while not _is_served(client, crd["metadata"]["name"], crd["spec"]["names"]["plural"]):
            assert time.monotonic() < deadline, f"{crd['metadata']['name']} is not established"
            time.sleep(0.05)


def _is_served(client: ApiServer, name: str, plural: str) -> bool:
    """Established, and its paths answer: the handler follows the condition a moment later."""
    conditions = client.get(f"{_CRDS}/{name}").get("status", {}).get("conditions", ())
    established = any(c["type"] == "Established" and c["status"] == "True" for c in conditions)
    return established and client.send("GET", f"/apis/marquee.dev/v1alpha1/{plural}").accepted

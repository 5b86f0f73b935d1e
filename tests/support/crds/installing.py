"""Marquee's and other kinds on an API server."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

import yaml

from localcluster.stages import Stages
from tests.support.apiserver import ApiServer
from tests.support.crds.generated import crds

_ESTABLISHED_SECONDS: Final = 120.0
"""Large schemas take the server a while, and cores may be busy with other tests."""
CRDS: Final = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
"""URL path of all CustomResourceDefinitions."""


def kinds_of(*published: Callable[[Stages], str]) -> list[dict[str, Any]]:
    """The CRDs that come with parts of the local cluster; PyYAML's own loader would read the largest for seconds."""
    texts = [text(Stages(quiet=True)) for text in published]
    return [body for text in texts for body in yaml.load_all(text, Loader=yaml.CSafeLoader) if body]


def install_crds(client: ApiServer) -> None:
    """Create Marquee's kinds and wait until they are served."""
    install(client, crds().values())


def install(client: ApiServer, crds: Collection[Mapping[str, Any]]) -> None:
    """Create kinds and wait until they are served."""
    for crd in crds:
        answer = client.create(CRDS, dict(crd))
        assert answer.accepted, answer.message
    deadline = time.monotonic() + _ESTABLISHED_SECONDS
    for crd in crds:
        while not _is_served(client, crd):
            assert time.monotonic() < deadline, f"{crd['metadata']['name']} is not established"
            time.sleep(0.05)


def _is_served(client: ApiServer, crd: Mapping[str, Any]) -> bool:
    """Established, and its paths answer: the handler follows the condition a moment later."""
    conditions = client.get(f"{CRDS}/{crd['metadata']['name']}").get("status", {}).get("conditions") or ()
    established = any(c["type"] == "Established" and c["status"] == "True" for c in conditions)
    spec = crd["spec"]
    version = next(version["name"] for version in spec["versions"] if version["served"])
    return established and client.send("GET", f"/apis/{spec['group']}/{version}/{spec['names']['plural']}").accepted

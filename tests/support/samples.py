"""Sample resources by name."""

from __future__ import annotations

from typing import Any

DIGEST = "sha256:" + "0" * 64


def model(name: str, *, revision: str, namespace: str = "default", **spec: Any) -> dict[str, Any]:
    """A MarketingModel that pins ``revision``; ``spec`` replaces whole blocks of the spec."""
    return {
        "apiVersion": "marquee.dev/v1alpha1",
        "kind": "MarketingModel",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "useCase": "LeadScoring",
            "owner": {"team": "growth", "contact": "growth@example.com"},
            "revision": {"name": revision},
        }
        | spec,
    }


def revision(name: str, *, of: str, namespace: str = "default", digest: str = DIGEST, uri: str = "") -> dict[str, Any]:
    """A ModelRevision of the model ``of``."""
    return {
        "apiVersion": "marquee.dev/v1alpha1",
        "kind": "ModelRevision",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"model": of, "artifact": {"uri": uri or f"pvc://models/{name}", "digest": digest}},
    }

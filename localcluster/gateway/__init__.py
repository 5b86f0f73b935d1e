"""A Gateway API implementation on demand: Envoy Gateway, built once from the Go module in this folder."""

from localcluster.gateway.building import crds, ensure_programs
from localcluster.gateway.installing import Gateway, install

__all__ = ["Gateway", "crds", "ensure_programs", "install"]

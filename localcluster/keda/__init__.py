"""KEDA on demand: its operator and its metrics adapter, built once from the Go module in this folder."""

from localcluster.keda.building import crds, ensure_programs
from localcluster.keda.installing import NAMESPACE, install

__all__ = ["NAMESPACE", "crds", "ensure_programs", "install"]

"""A real single-node Kubernetes without Docker, for demo, tests and benchmarks."""

from localcluster.cluster import Cluster
from localcluster.controlplane import ControlPlane
from localcluster.errors import LocalClusterError

__all__ = ["Cluster", "ControlPlane", "LocalClusterError"]

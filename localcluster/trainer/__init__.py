"""Kubeflow Trainer on demand: its controller manager and JobSet's, built once from the Go module in this folder."""

from localcluster.trainer.building import crds, ensure_programs
from localcluster.trainer.installing import install

__all__ = ["crds", "ensure_programs", "install"]

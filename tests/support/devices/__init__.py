"""Pretend devices: a device plugin that offers GPUs to a real kubelet on a machine that has none."""

"""Benchmark of the provable canary: errors and times to a verdict on a grid of simulated rollouts."""

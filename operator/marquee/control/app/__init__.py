"""The process: kopf, informers, leader election, probes and metrics, wired together."""

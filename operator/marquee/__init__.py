"""Marquee: provable rollouts for marketing models on Kubernetes."""

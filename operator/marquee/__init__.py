"""Marquee: provable rollouts for marketing models on Kubernetes."""

from __future__ import annotations

from typing import Final

VERSION: Final = "0.1.0"
"""As in pyproject.toml, for images: there the package is not installed."""

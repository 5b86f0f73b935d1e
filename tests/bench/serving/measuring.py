"""The arithmetic of the suite: samples of a server under load, their medians, and the ratios that are promised."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from tests.bench.front.load import Load

RATIO_CONNECTIONS: Final = 16
"""Connections at which CPU a request is compared."""


@dataclass(frozen=True)
class Sample:
    """One server under one load: what the load generator saw, and what the server used for it."""

    load: Load
    cpu_seconds: float
    rss_megabytes: float

    @property
    def cpu_microseconds(self) -> float:
        """Of a request, in all processes of the server."""
        return self.cpu_seconds / self.load.requests * 1e6

    def figures(self) -> dict[str, float]:
        """By the ends of their keys."""
        return {
            "rps": self.load.requests_per_second,
            "p50_ms": self.load.p50_milliseconds,
            "p99_ms": self.load.p99_milliseconds,
            "cpu_us": self.cpu_microseconds,
            "rss_mb": self.rss_megabytes,
        }


Runs = Mapping[tuple[str, int], Sequence[Sample]]
"""Samples by server and connections, one a round."""


def medians(runs: Runs) -> dict[str, float]:
    """Each figure of each server at each number of connections: ``kserve_16_cpu_us``."""
    return {
        f"{server}_{connections}_{key}": value
        for (server, connections), samples in runs.items()
        for key, value in _median_of(samples).items()
    }


def ratios(figures: Mapping[str, float]) -> dict[str, float]:
    """What is promised of CPU a request over HTTP.

    Args:
        figures: of `medians`, with all servers at 16 connections.

    """

    def cpu(server: str) -> float:
        return figures[f"{server}_{RATIO_CONNECTIONS}_cpu_us"]

    return {
        "bentoml_http_cpu_over_front": cpu("bentoml") / cpu("front"),
        "kserve_http_cpu_over_front": cpu("kserve") / cpu("front"),
        "litserve_http_cpu_over_front": cpu("litserve") / cpu("front"),
        "front_triton_over_triton_cpu": cpu("front_triton") / cpu("triton"),
    }


def comparison(figures: Mapping[str, float], servers: Iterable[str], connections: Iterable[int]) -> str:
    """Markdown: a row a server and number of connections."""
    lines = ["| server | connections | requests/s | p50 ms | p99 ms | CPU µs a request | RSS MB |", "|-|-|-|-|-|-|-|"]
    for count in connections:
        for server in servers:
            seen = [figures[f"{server}_{count}_{key}"] for key in ("rps", "p50_ms", "p99_ms", "cpu_us", "rss_mb")]
            rate, p50, p99, cpu, rss = seen
            lines.append(f"| {server} | {count} | {rate:,.0f} | {p50:.2f} | {p99:.2f} | {cpu:,.0f} | {rss:.0f} |")
    return "\n".join(lines)


def _median_of(samples: Sequence[Sample]) -> dict[str, float]:
    figures = [sample.figures() for sample in samples]
    return {key: statistics.median(one[key] for one in figures) for key in figures[0]}

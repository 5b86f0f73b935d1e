"""Triton's own metrics on the front's page: the same values, with the labels that all metrics of a model have."""

from __future__ import annotations

import asyncio
import urllib.request
from collections.abc import Iterator, Mapping
from typing import Final

from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

SHOWN: Final = ("nv_inference_", "nv_cache_", "nv_gpu_")
"""Beginnings of the names that are passed on: requests, batches and queues, cache hits, GPUs."""
_OWN_LABELS: Final = frozenset({"model", "version"})
"""Of Triton: they say the same as ours, and less."""
_TIMEOUT_SECONDS: Final = 1.0
_MAX_BYTES: Final = 2**20


class TritonPage(Collector):
    """What Triton said when `refresh` was awaited last; nothing while it does not answer."""

    def __init__(self, address: str, labels: Mapping[str, str]) -> None:
        self._url = f"http://{address}/metrics"
        self._labels = labels
        self._text = ""

    async def refresh(self) -> None:
        """Ask Triton, for a second at most."""
        self._text = await asyncio.to_thread(self._fetched)

    def collect(self) -> Iterator[Metric]:
        """The families; called by the registry."""
        yield from relabelled(self._text, self._labels)

    def _fetched(self) -> str:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(self._url, timeout=_TIMEOUT_SECONDS) as answer:
                return str(answer.read(_MAX_BYTES).decode())
        except (OSError, UnicodeDecodeError):
            return ""


def relabelled(text: str, labels: Mapping[str, str]) -> Iterator[Metric]:
    """The families of a metrics page that are shown, with these labels in place of Triton's for the model."""
    for family in text_string_to_metric_families(text):
        if not family.name.startswith(SHOWN):
            continue
        # the parser calls counters ..._total, which Triton's are not: dashboards look for the vendor's names
        kind = "unknown" if family.type == "counter" else family.type
        metric = Metric(family.name, family.documentation, kind)
        for sample in family.samples:
            kept = {name: value for name, value in sample.labels.items() if name not in _OWN_LABELS}
            metric.add_sample(sample.name.removesuffix("_total"), {**labels, **kept}, sample.value)
        yield metric

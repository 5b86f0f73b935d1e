"""Triton's metrics with the labels of the model."""

from __future__ import annotations

import numpy as np
import pytest

from bentos.front.metrics import Metrics, MetricsPage
from bentos.front.triton.page import TritonPage, relabelled
from tests.support.triton import Triton
from tests.unit.front.triton.conftest import Serve

LABELS = {"model": "churn", "revision": "churn-1", "namespace": "ns"}
TEXT = """\
# HELP nv_inference_request_failure Number of failed inference requests
# TYPE nv_inference_request_failure counter
nv_inference_request_failure{model="x",reason="CANCELED",version="1"} 2
nv_inference_request_failure{model="x",reason="OTHER",version="1"} 0
# HELP nv_gpu_utilization GPU utilization rate
# TYPE nv_gpu_utilization gauge
nv_gpu_utilization{gpu_uuid="GPU-1"} 0.5
# HELP nv_pinned_memory_pool_used_bytes Pinned memory pool used memory size, in bytes
# TYPE nv_pinned_memory_pool_used_bytes gauge
nv_pinned_memory_pool_used_bytes 0
"""


def test_labels_are_those_of_the_model() -> None:
    """Triton's name and version of the model give way; its other labels stay; what is about no model is left out."""
    samples = [sample for family in relabelled(TEXT, LABELS) for sample in family.samples]
    assert [(sample.name, sample.labels, sample.value) for sample in samples] == [
        ("nv_inference_request_failure", {**LABELS, "reason": "CANCELED"}, 2),
        ("nv_inference_request_failure", {**LABELS, "reason": "OTHER"}, 0),
        ("nv_gpu_utilization", {**LABELS, "gpu_uuid": "GPU-1"}, 0.5),
    ]


async def test_a_scrape_shows_what_triton_counted(triton: Triton, serve: Serve) -> None:
    """The front's page asks Triton each time it is read, and has the names that Triton's own has."""
    predictor = serve()
    page = MetricsPage(Metrics(), model="churn", revision="churn-1", namespace="ns")
    beside = TritonPage(f"127.0.0.1:{triton.metrics_port}", page.labels)
    page.add(beside, refresh=beside.refresh)
    await predictor.predict(np.array([[1.0, 1.0]]))
    text = (await page.scraped()).decode()
    assert 'marquee_predictor_ready{model="churn"' in text
    lines = [line for line in text.splitlines() if line.startswith("nv_inference_request_success{")]
    assert lines
    assert all('model="churn"' in line and 'revision="churn-1"' in line for line in lines)
    assert max(float(line.rsplit(" ", 1)[1]) for line in lines) >= 1


@pytest.mark.parametrize("address", ["127.0.0.1:1", "127.0.0.1:0"])
async def test_without_triton_the_page_has_the_rest(address: str) -> None:
    """A server that is away takes none of the front's own metrics along."""
    page = MetricsPage(Metrics(), model="churn", revision="churn-1", namespace="ns")
    beside = TritonPage(address, page.labels)
    page.add(beside, refresh=beside.refresh)
    text = (await page.scraped()).decode()
    assert "marquee_predictor_ready" in text
    assert "nv_" not in text

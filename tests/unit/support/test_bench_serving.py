"""The serving benchmark's own arithmetic: CPU a request, medians over rounds, the promised ratios, the table."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from tests.bench.front.load import Load
from tests.bench.front.workload import INPUTS
from tests.bench.serving.contestants import NAMES, request_of
from tests.bench.serving.measuring import Sample, comparison, medians, ratios
from tests.unit.front.artifacts import deep_graph


def _sample(*, requests: int = 1_000, cpu_seconds: float = 0.2, rss: float = 100.0) -> Sample:
    return Sample(Load(requests, requests / 2, 1.5, 9.0), cpu_seconds, rss)


def test_cpu_is_that_of_one_request() -> None:
    """Seconds of all processes of a server over what the load generator counted."""
    figures = _sample().figures()
    assert figures == {"rps": 500.0, "p50_ms": 1.5, "p99_ms": 9.0, "cpu_us": pytest.approx(200.0), "rss_mb": 100.0}


def test_a_figure_is_the_median_of_its_rounds() -> None:
    """One bad round of three changes nothing; servers and connections keep apart."""
    rounds = [_sample(), _sample(cpu_seconds=5.0), _sample(cpu_seconds=0.21)]
    figures = medians({("front", 16): rounds, ("front", 64): [_sample(rss=120.0)]})
    assert figures["front_16_cpu_us"] == pytest.approx(210.0)
    assert figures["front_64_rss_mb"] == 120.0
    assert len(figures) == 10


def test_ratios_compare_cpu_at_sixteen_connections() -> None:
    """A rival's over the front's; the front with Triton over Triton alone."""
    microseconds = {"front": 100, "bentoml": 700, "kserve": 400, "litserve": 650, "triton": 200, "front_triton": 500}
    figures = {f"{name}_16_cpu_us": float(value) for name, value in microseconds.items()}
    assert ratios(figures) == {
        "bentoml_http_cpu_over_front": 7.0,
        "kserve_http_cpu_over_front": 4.0,
        "litserve_http_cpu_over_front": 6.5,
        "front_triton_over_triton_cpu": 2.5,
    }


def test_a_server_that_was_not_measured_has_no_ratio() -> None:
    """A missing figure is an error, no zero."""
    with pytest.raises(KeyError, match="bentoml_16_cpu_us"):
        ratios({"front_16_cpu_us": 1.0})


def test_the_table_has_a_row_a_server_and_number_of_connections() -> None:
    """By connections first: what is compared stands together."""
    figures = medians({(name, count): [_sample()] for name in ("front", "kserve") for count in (1, 16)})
    lines = comparison(figures, ("front", "kserve"), (1, 16)).splitlines()
    assert [line.split("|")[1:3] for line in lines[2:]] == [
        [" front ", " 1 "],
        [" kserve ", " 1 "],
        [" front ", " 16 "],
        [" kserve ", " 16 "],
    ]
    assert lines[2].endswith("| 500 | 1.50 | 9.00 | 200 | 100 |")


@pytest.mark.parametrize("name", NAMES)
def test_every_server_is_asked_for_the_same_row(name: str) -> None:
    """Fifty numbers in the order of the fields, whatever the protocol calls them."""
    body = json.loads(request_of(name).body)  # type: ignore[arg-type]
    inputs = body.get("instances") or body["inputs"]
    row = list(inputs.values()) if isinstance(inputs, dict) else inputs[0]
    assert (row["data"] if isinstance(row, dict) else row) == list(INPUTS.values())


def test_the_deep_model_takes_any_number_of_rows(tmp_path: Path) -> None:
    """A batch's answers are those of its rows."""
    (tmp_path / "deep.onnx").write_bytes(deep_graph(features=4, width=8, layers=3))
    session = onnxruntime.InferenceSession(str(tmp_path / "deep.onnx"), providers=["CPUExecutionProvider"])
    rows = np.random.default_rng(5).standard_normal((6, 4), dtype=np.float32)
    (together,) = session.run(["scores"], {"inputs": rows})
    alone = [session.run(["scores"], {"inputs": rows[i : i + 1]})[0][0] for i in range(len(rows))]
    np.testing.assert_allclose(together, alone, rtol=1e-5)
    assert together.std() > 0

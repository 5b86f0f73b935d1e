"""The measurement of the hot path counts what it says it counts."""

from __future__ import annotations

from tests.bench.drift.hot_path import measure


def test_every_request_is_counted_and_a_push_is_small() -> None:
    """A batch and a half; no time is asserted on a machine that others use."""
    cost = measure(768)
    assert cost.rows_counted == 768
    assert 0 < cost.push_bytes < 8_192
    assert cost.hot_path_us_60_features > 0
